"""The files that a container needs of Conjoin itself, and all of them as one file that Python runs."""

from __future__ import annotations

import io
import os
import zipfile

__all__ = ["bootstrap_archive", "engine_files"]

_ROOMS = ("bootstrap", "config", "lock", "prefix", "spec", "store", "trust")
# Of the network, what reads the URLs of editable packages, and what any download goes by.
_MODULES = (
    *("__init__.py", "errors.py", "redaction.py", "untrusted.py", "version.py", "writing.py"),
    *("net/__init__.py", "net/bounded_file.py", "net/expansion.py", "net/guard.py"),
    *("net/retries.py", "net/urls.py"),
)
# Any Python can read this much, and say what is wrong with itself.
_MAIN = """import sys
if sys.version_info < (3, 8):
    told = "Python %d.%d is too old; use an image with 3.8 or later" % sys.version_info[:2]
    sys.stderr.write("conjoin: error: " + told + "\\n")
    sys.exit(2)
from conjoin.bootstrap.command import main
sys.exit(main())
"""


def engine_files() -> list[tuple[str, str]]:
    """Return the files hydrating is written in: each with its path below the folder to import from.

    For those who bring code to containers in a package of their own.
    """
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found = [(os.path.join(root, name), f"conjoin/{name}") for name in _MODULES]
    for room in _ROOMS:
        for folder, _, names in sorted(os.walk(os.path.join(root, room))):
            found += [
                (path, f"conjoin/{os.path.relpath(path, root).replace(os.sep, '/')}")
                for path in (os.path.join(folder, name) for name in sorted(names) if name.endswith(".py"))
            ]
    return found


def bootstrap_archive() -> bytes:
    """Return ``bootstrap.pyz`` (PEP 441): ``python bootstrap.pyz STORE ENV`` is all a container says."""
    into = io.BytesIO(b"")
    into.write(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(into, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in [("__main__.py", _MAIN.encode()), *_contents()]:
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return into.getvalue()


def _contents() -> list[tuple[str, bytes]]:
    found = []
    for path, name in engine_files():
        with open(path, "rb") as file:
            found.append((name, file.read()))
    return found
