"""Another extension for the same decorators: which of the two serves, said once and clearly.

Metaflow loads extensions in alphabetical order and lets the last one win name by name, so two of them would
be mixed: one's environments with the other's decorators. Where the Netflix extension is installed, ours
leaves everything to it.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

__all__ = ["netflix_serves"]

# Tasks and commands that were started by a process that said it need not say it again.
_SAID = "_METAFLOW_CONJOIN_SAID"


def netflix_serves() -> bool:
    """Return whether the Netflix extension is there; say so on stderr if nobody has."""
    if find_spec("metaflow_extensions.netflixext") is None:
        return False
    if not os.environ.get(_SAID):
        os.environ[_SAID] = "1"
        print(
            "conjoin: metaflow-netflixext is installed too and serves @conda, @pypi and their environments; "
            "uninstall one of the two",
            file=sys.stderr,
        )
    return True
