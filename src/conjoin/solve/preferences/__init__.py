"""What an answer has to stay near: pins, previous solutions, bounds that other platforms set."""
