"""What is configured: settings, where each was said, and which of them counts."""
