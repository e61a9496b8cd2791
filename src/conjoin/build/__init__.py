"""Sources become wheels: PEP 517 builds, git, source trees, and what was built before."""
