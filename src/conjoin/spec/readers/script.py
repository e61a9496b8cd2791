"""Python scripts that say what they need in a comment (PEP 723, inline script metadata)."""

from __future__ import annotations

import re
from pathlib import Path

from conjoin.config.toml import line_of, loads
from conjoin.errors import UsageError
from conjoin.spec.asked import Asked, located
from conjoin.spec.gather import Gathering
from conjoin.spec.readers.text_file import read_text
from conjoin.spec.readers.tool_table import read_tool_table, texts

__all__ = ["read_script"]

# PEP 723, "Reference Implementation".
_BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
_KEYS = "dependencies, requires-python, tool"


def read_script(path: Path) -> Asked:
    """Return what the ``script`` block of a Python file asks for, its ``[tool.conjoin]`` included.

    :raises UsageError: with file and line where they are known; also where the file has no such block.
    """
    text = read_text(path)
    blocks = [match for match in _BLOCK.finditer(text) if match["type"] == "script"]
    if not blocks:
        raise UsageError(
            "the script says nothing of what it needs",
            where=str(path),
            advice="expected a block that begins with '# /// script' and ends with '# ///' (PEP 723)",
        )
    if len(blocks) > 1:
        line = text.count("\n", 0, blocks[1].start()) + 1
        raise UsageError("a second script block", where=f"{path}:{line}", advice="PEP 723 allows one")
    # As many lines in front as there are in the file: so a line's number is its number in the file.
    before = "\n" * (text.count("\n", 0, blocks[0].start()) + 1)
    toml = before + "".join(
        line[2:] if line.startswith("# ") else line[1:]
        for line in blocks[0]["content"].splitlines(keepends=True)
    )

    def place(needle: str) -> str:
        line = line_of(toml, needle)
        return f"{path}:{line}" if line else str(path)

    document = loads(toml, where=str(path))
    into = Gathering(folder=path.parent)
    for key, value in document.items():
        if key == "dependencies":
            for requirement in texts(value, key, place):
                with located(place(requirement)):
                    into.pypi(requirement)
        elif key == "requires-python":
            if not isinstance(value, str):
                raise UsageError("requires-python is not a text", where=place(key))
            with located(place(key)):
                into.requires_python(value)
        elif key == "tool":
            if isinstance(value, dict) and "conjoin" in value:
                read_tool_table(value["conjoin"], into, place)
        else:
            raise UsageError(f"key {key!r} is unknown", where=place(key), advice=f"expected one of {_KEYS}")
    return into.asked()
