"""Measurements anyone can repeat, each with its floor or its peers in the same run."""
