"""The demo: the main job, on real input, on any machine that reaches a PyPI index and no conda channel."""
