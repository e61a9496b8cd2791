"""An environment and all its packages as one file."""
