"""Talking to servers: client, credentials, bounds on what a server may do. Knows nothing of packages."""
