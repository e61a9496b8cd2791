"""What was decided: the lock, its identity and its bytes."""
