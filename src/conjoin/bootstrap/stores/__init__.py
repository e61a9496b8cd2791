"""Stores that a bare container reads: a folder, S3, GCS, Azure, HTTP."""
