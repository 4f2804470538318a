"""Deployment: the cloud and the local stack."""
