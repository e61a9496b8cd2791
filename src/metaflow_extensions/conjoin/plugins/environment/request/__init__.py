"""What steps ask for: decorators, merged level by level, to the engine's requirements."""
