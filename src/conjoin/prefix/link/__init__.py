"""Packages into a prefix: conda packages by py-rattler, wheels by uv."""
