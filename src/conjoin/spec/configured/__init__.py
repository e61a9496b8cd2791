"""What configuration, of ours and of pip and uv, adds to a request."""
