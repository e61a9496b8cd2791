"""Rewrite the text files of an interpreter so that they name the prefix they will be linked into."""

from __future__ import annotations

import re

from holdfast.errors import UsageError
from holdfast.forge.interpreter import Interpreter
from holdfast.forge.package import PLACEHOLDER, PackageFile

__all__ = ["debian_layout", "relocate_text"]

# Files that record where Python was installed; other texts merely talk about such places.
_RECORDS = re.compile(
    r"bin/[^/]+|lib/pkgconfig/[^/]+|.*/(_sysconfigdata[^/]*\.py|_sysconfig_vars[^/]*\.json|build-details\.json"
    r"|config-[^/]*/(Makefile|python-config\.py))"
)
_SHEBANG = re.compile(rb"#![^\n]*/python[0-9.]*t?(?=[ \n])")


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


def debian_layout(files: dict[str, PackageFile], *, where: str) -> None:
    """Undo what Debian changed in a Python of its own: in a prefix, packages live in ``site-packages``.

    Debian's ``site`` and ``sysconfig`` install into ``/usr/local/lib/.../dist-packages`` outside of virtual
    environments; a conda prefix is none, so neither conda packages nor pip's would be found.

    :raises UsageError: where the changes are not the known ones.
    """
    for path, file in files.items():
        if not re.fullmatch(r"lib\d*/python3\.\d+t?/(site\.py|sysconfig\.py|sysconfig/__init__\.py)", path):
            continue
        content = file.read()
        if b"dist-packages" not in content:
            continue
        if path.endswith("/site.py"):
            changed = content.replace(b"if is_virtual_environment:", b"if True:")
        else:
            changed = content.replace(b"prefix_scheme = 'posix_local'", b"prefix_scheme = 'posix_prefix'")
        if changed == content:
            raise UsageError(f"{path} has a layout of its own that is not known", where=where)
        file.content = changed
