"""Programs that the launcher starts by their path, with its own Python: never imported."""
