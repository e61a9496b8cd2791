"""Who says so: signed statements, policies on names, what a user remembers of them, and the log's entries."""
