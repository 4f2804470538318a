"""The Beam job: decode, validate, enrich, write."""
