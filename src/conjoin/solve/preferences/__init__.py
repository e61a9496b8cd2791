"""What an answer should stay near: pins and former solutions."""
