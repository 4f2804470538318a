"""Predictions of what is bought again, measured on public order histories, with peers beside them."""
