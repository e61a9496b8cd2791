"""Reading a file of any kind that says what is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from conjoin.config.toml import line_of, loads
from conjoin.errors import UsageError
from conjoin.spec.partial_requirements import PartialRequirements, located
from conjoin.spec.readers.text_file import read_text
from conjoin.spec.readers.tool_table import read_tool_table, texts
from conjoin.spec.requirements_parser import RequirementsParser

__all__ = ["FileKind", "read_requirements", "read_script"]

FileKind: TypeAlias = Literal["environment", "requirements", "pyproject", "script"]

_KINDS: dict[str, FileKind] = {
    ".yml": "environment",
    ".yaml": "environment",
    ".txt": "requirements",
    ".in": "requirements",
    ".toml": "pyproject",
    ".py": "script",
}


def read_requirements(
    path: str | Path,
    kind: FileKind | None = None,
    *,
    extras: Iterable[str] = (),
    groups: Iterable[str] = (),
) -> PartialRequirements:
    """Return what the file at ``path`` asks for.

    :param kind: ``environment`` (conda's environment.yml), ``requirements`` (pip's), ``pyproject`` or
        ``script`` (PEP 723); by the file's name if None.
    :param extras: of a pyproject, the optional dependencies to ask for too.
    :param groups: of a pyproject, the dependency groups (PEP 735) to ask for too.
    :raises UsageError: where the file cannot be read, with line and what was expected.
    """
    path = Path(path)
    kind = kind or _KINDS.get(path.suffix.lower())
    extras, groups = tuple(extras), tuple(groups)
    if (extras or groups) and kind != "pyproject":
        raise UsageError("only a pyproject.toml has extras and groups", where=str(path))
    if kind == "environment":
        from conjoin.spec.readers.environment_yml import read_environment_yml

        return read_environment_yml(path)
    if kind == "requirements":
        from conjoin.spec.readers.requirements_txt import read_requirements_txt

        return read_requirements_txt(path)
    if kind == "pyproject":
        from conjoin.spec.readers.pyproject import read_pyproject

        return read_pyproject(path, extras=extras, groups=groups)
    if kind == "script":
        return read_script(path)
    raise UsageError(
        "this kind of file is unknown by its name",
        where=str(path),
        advice="expected environment.yml, requirements.txt, pyproject.toml or a .py script",
    )


_OPENING = re.compile(r"# /// (?P<type>[a-zA-Z0-9-]+)")
_CLOSING = "# ///"
_KEYS = "dependencies, requires-python, tool"


class _Block(NamedTuple):
    """A block of metadata in a script.

    :ivar line: number of the line it begins with.
    :ivar content: its lines, as they stand there.
    """

    type: str
    line: int
    content: list[str]


def _blocks(text: str) -> Iterator[_Block]:
    """Yield the blocks of a script, as the regular expression in PEP 723's reference implementation does.

    That takes the square of a file's length where nothing ends a block; this reads each line once. A block
    ends with the last ``# ///`` among the comments that follow each other.
    """
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        if not lines[at].startswith("#"):
            at += 1
            continue
        end = at
        while end < len(lines) and (lines[end] == "#" or lines[end].startswith("# ")):
            end += 1
        closing = next((each for each in range(end - 1, at, -1) if lines[each] == _CLOSING), at)
        for number in range(at, closing - 1):
            if found := _OPENING.fullmatch(lines[number]):
                yield _Block(found["type"], number + 1, lines[number + 1 : closing])
                break
        at = max(end, at + 1)


def read_script(path: Path) -> PartialRequirements:
    """Return what the ``script`` block of a Python file asks for, its ``[tool.conjoin]`` included.

    :raises UsageError: with file and line where they are known; also where the file has no such block.
    """
    text = read_text(path)
    blocks = [block for block in _blocks(text) if block.type == "script"]
    if not blocks:
        raise UsageError(
            "the script says nothing of what it needs",
            where=str(path),
            advice="expected a block that begins with '# /// script' and ends with '# ///' (PEP 723)",
        )
    if len(blocks) > 1:
        raise UsageError(
            "a second script block", where=f"{path}:{blocks[1].line}", advice="PEP 723 allows one"
        )
    # As many lines in front as there are in the file: so a line's number is its number in the file.
    before = "\n" * blocks[0].line
    toml = before + "".join(f"{line[2:]}\n" for line in blocks[0].content)

    def place(needle: str) -> str:
        line = line_of(toml, needle)
        return f"{path}:{line}" if line else str(path)

    document = loads(toml, where=str(path))
    into = RequirementsParser(folder=path.parent)
    for key, value in document.items():
        if key == "dependencies":
            for requirement in texts(value, key, place):
                with located(place, requirement):
                    into.pypi(requirement)
        elif key == "requires-python":
            if not isinstance(value, str):
                raise UsageError("requires-python is not a text", where=place(key))
            with located(place, key):
                into.requires_python(value)
        elif key == "tool":
            if isinstance(value, dict) and "conjoin" in value:
                read_tool_table(value["conjoin"], into, place)
        else:
            raise UsageError(f"key {key!r} is unknown", where=place(key), advice=f"expected one of {_KEYS}")
    return into.parsed()
