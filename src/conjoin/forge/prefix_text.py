"""Rewrite the text files of an interpreter so that they name the prefix they will be linked into."""

from __future__ import annotations

import re

from conjoin.errors import UsageError
from conjoin.forge.interpreter import Interpreter
from conjoin.forge.package import PLACEHOLDER, PackageFile

__all__ = ["debian_layout", "relocate_text"]

# Files that record where Python was installed; other texts merely talk about such places.
_RECORDS = re.compile(
    r"bin/[^/]+|lib/pkgconfig/[^/]+|.*/(_sysconfigdata[^/]*\.py|_sysconfig_vars[^/]*\.json|build-details\.json"
    r"|config-[^/]*/(Makefile|python-config\.py))"
)
_SHEBANG = re.compile(rb"#![^\n]*/python[0-9.]*t?(?=[ \n])")
_SITE = re.compile(r"lib\d*/python3\.\d+t?/site\.py")
_SYSCONFIG = re.compile(r"lib\d*/python3\.\d+t?/sysconfig(/__init__)?\.py")
_SITE_PACKAGES_TOO = (
    b'import os, site; site.addsitedir(os.path.join(os.path.dirname(os.__file__), "site-packages"))\n'
)


def relocate_text(path: str, content: bytes, interpreter: Interpreter) -> bytes:
    """Return a text file's content with the placeholder where it named the interpreter's prefix."""
    if not _RECORDS.fullmatch(path):
        return content
    if path.startswith("bin/"):
        program = f"#!{PLACEHOLDER}/bin/python{interpreter.wanted_as}".encode()
        content = _SHEBANG.sub(lambda _: program, content, count=1)
    for old in sorted(
        {str(interpreter.prefix), interpreter.recorded_prefix} - {"", "/"}, key=len, reverse=True
    ):
        # Neither the middle of another path nor the tools of the system, such as /usr/bin/install.
        pattern = rb"(?<![\w./-])" + re.escape(old).encode() + rb"(?![\w.-])(?!/bin/(?!python))"
        if len(old) > len("/usr/local"):
            pattern = re.escape(old).encode()
        content = re.sub(pattern, PLACEHOLDER.encode(), content)
    return content


def debian_layout(files: dict[str, PackageFile], site_packages: str, *, where: str) -> None:
    """Undo what Debian changed in a Python of its own: in a prefix, packages live in ``site-packages``.

    Debian's ``site`` and ``sysconfig`` know only ``dist-packages`` outside of virtual environments; a conda
    prefix is none, so neither conda packages nor pip's would be found.

    :param site_packages: where packages are to be, relative to the prefix.
    :raises UsageError: where the changes are not the known ones.
    """
    for path, file in list(files.items()):
        if _SITE.fullmatch(path) and b"dist-packages" in file.read():
            # site itself is frozen into the program since Python 3.11: editing it would change nothing.
            files["lib/python3/dist-packages/site-packages.pth"] = PackageFile(_SITE_PACKAGES_TOO)
        elif _SYSCONFIG.fullmatch(path) and b"dist-packages" in file.read():
            content = file.read()
            file.content = content.replace(
                b"prefix_scheme = 'posix_local'", b"prefix_scheme = 'posix_prefix'"
            )
            if file.content == content or not site_packages.endswith("/site-packages"):
                raise UsageError(f"{path} has a layout of its own that is not known", where=where)
