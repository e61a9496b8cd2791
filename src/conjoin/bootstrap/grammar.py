"""What ids and file names look like, before any of them becomes part of a path or a URL.

As :mod:`conjoin.spec.grammars` and the store spell them; those rooms use what a bare container has not, so
the patterns stand here again, and a test holds them equal.
"""

from __future__ import annotations

import re

__all__ = ["ALIAS", "ENVIRONMENT_ID", "HEX_64", "PLACE_PART", "PLAIN_FILE_NAME"]

ENVIRONMENT_ID = re.compile(r"([0-9a-f]{40}):([0-9a-f]{40})")
"""``req_id:full_id``."""

HEX_64 = re.compile(r"[0-9a-f]{64}")
"""A sha256."""

PLAIN_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!~=-]*")
"""The name of a package's file: no folder, nothing hidden, nothing that a URL or a shell reads otherwise."""

ALIAS = re.compile(r"([a-z0-9][a-z0-9._-]*(?:/[a-z0-9][a-z0-9._-]*)*)(?::([a-z0-9][a-z0-9._-]*))?")
"""A name in the store, and its tag if there is one: ``team/torch:v1``."""

PLACE_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!~=@-]*")
"""A bucket, or a folder in it, of a store's address."""
