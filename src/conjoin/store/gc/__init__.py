"""What nobody refers to any more, and who may take it away."""
