"""What a task sees of its environment, as an artifact."""

import os
import sys
from importlib.metadata import distributions


def look():
    """Return the interpreter, the path, the variables and the installed distributions of this process."""
    return {
        "python": ".".join(map(str, sys.version_info[:2])),
        "executable": sys.executable,
        "prefix": sys.prefix,
        "path": list(sys.path),
        "variables": dict(os.environ),
        "versions": {one.metadata["Name"]: one.version for one in distributions()},
    }
