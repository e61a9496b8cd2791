"""Resolving, from the request to the lock in the store."""

from __future__ import annotations

from conjoin.resolving.find_before import resolved_before
from conjoin.resolving.resolve import Resolution, ResolveOptions, resolve_request

__all__ = ["Resolution", "ResolveOptions", "resolve_request", "resolved_before"]
