"""Every format that requests are written in."""
