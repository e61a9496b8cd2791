"""Objects under keys, in a folder or an object store."""
