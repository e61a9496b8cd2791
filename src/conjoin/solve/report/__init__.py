"""Why nothing satisfies a request, and what would help."""
