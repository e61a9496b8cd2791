"""Several platforms at once."""
