"""What exists: conda channels, PyPI indexes, the names both give one thing, interpreters of this host."""
