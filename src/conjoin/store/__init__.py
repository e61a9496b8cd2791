"""What is kept: packages by content hash, locks, pointers and aliases."""
