"""What was said and done in a store: signatures, the log, and what this user remembers of its names."""
