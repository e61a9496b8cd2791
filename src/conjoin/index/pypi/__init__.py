"""What PyPI indexes have: pages, files and their metadata."""
