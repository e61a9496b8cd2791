"""A bare container becomes the home of an environment: nothing is needed but Python 3.8 and a store.

Only the standard library is used here, as Python 3.8 has it: these modules run before anything else is
there. The main path is :func:`conjoin.bootstrap.bootstrapping.bootstrap`; ``python -m conjoin.bootstrap``
is its face.
"""

from __future__ import annotations

__all__ = ["VERSION"]

VERSION = "0.1.0"
"""Conjoin's version, by which a container finds its toolkit: files that were copied have no metadata."""
