"""Holdfast: one exact, hash-locked environment out of conda and PyPI together."""
