"""Whether what is kept, and what was made of it, is what its names say."""
