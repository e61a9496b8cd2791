"""What caches and folders of prefixes hold that nobody needs."""
