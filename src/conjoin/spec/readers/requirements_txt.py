"""requirements.txt, as pip reads it, and three extensions for the conda side.

Beside PEP 508 lines and pip's options: ``--conda-pkg SPEC``, ``--conda-channel CHANNEL``,
``--sys-pkg __NAME=VERSION``.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from conjoin.errors import UsageError
from conjoin.spec.credentials import without_credentials
from conjoin.spec.partial_requirements import PartialRequirements, combine, located
from conjoin.spec.readers.text_file import read_text
from conjoin.spec.requirements_parser import RequirementsParser
from conjoin.spec.syntax.local_path import exists, local_path
from conjoin.spec.syntax.pypi_requirement import is_location
from conjoin.untrusted import shortened

__all__ = ["RequirementLines", "read_constraints", "read_requirements_txt"]

# One white space, not all: the others are stripped, and to try each of a thousand takes a million steps.
_COMMENT = re.compile(r"(^|\s)#.*$")
# pip's manual, "Using environment variables": upper case, braces, no default values.
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z0-9_]+)\}")
_PER_REQUIREMENT = re.compile(r"\s(?=--(?:hash|config-settings?|global-option|no-binary|only-binary)\b)")
_URL = re.compile(r"[a-z][a-z0-9+.-]+://|file:", re.IGNORECASE)
_PYTHON = re.compile(r"python\s*(?P<version>[=<>!~].*)?", re.IGNORECASE)

_SHORT = {
    "-i": "--index-url",
    "-f": "--find-links",
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
}
_FLAGS = frozenset({"--pre", "--no-index", "--require-hashes", "--prefer-binary"})
_LEFT_ASIDE = frozenset({"--require-hashes", "--prefer-binary", "--trusted-host", "--use-feature"})
_VALUES = frozenset(
    {
        *_SHORT.values(),
        "--pypi-url",
        "--extra-index-url",
        "--no-binary",
        "--only-binary",
        "--conda-pkg",
        "--conda-channel",
        "--sys-pkg",
        "--trusted-host",
        "--use-feature",
    }
)


def read_requirements_txt(
    path: Path, environ: Mapping[str, str] | None = None, *, text: str | None = None
) -> PartialRequirements:
    """Return what a requirements.txt asks for, the files it names included.

    :param environ: what ``${VARIABLE}`` is read from, the environment of this process if None.
    :param text: its content, where somebody has read it already.
    :raises UsageError: with file and line, for what cannot be read.
    """
    return _File(path, environ, (), "pypi").read(text)


def read_constraints(
    path: Path, *, overrides: bool = False, environ: Mapping[str, str] | None = None
) -> PartialRequirements:
    """Return the constraints (or, as ``overrides``, the overrides) that a file in pip's format lists.

    :raises UsageError: with file and line, for what cannot be read.
    """
    return _File(path, environ, (), "overrides" if overrides else "constraints").read()


@dataclass
class RequirementLines:
    """Reads lines of pip's format, also those of an environment.yml's ``pip:``.

    :ivar into: where the pieces go.
    :ivar as_: ``pypi``, ``constraints`` or ``overrides``: what a plain requirement becomes.
    :ivar open_files: the files being read, to notice a file that names itself.
    :ivar nested: what the files named by ``-r`` and ``-c`` ask for.
    """

    into: RequirementsParser
    as_: str = "pypi"
    environ: Mapping[str, str] | None = None
    open_files: tuple[Path, ...] = ()
    nested: list[PartialRequirements] = field(default_factory=list)

    def line(self, text: str) -> None:
        """Read one logical line: comments gone, continuations joined.

        :raises UsageError: without a place, where it cannot be read.
        """
        text = _expanded(text.strip(), os.environ if self.environ is None else self.environ)
        if text.startswith("-"):
            self._options(text)
        elif text:
            self._requirement(text)

    def _options(self, text: str) -> None:
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise UsageError(f"the line cannot be split: {str(error).lower()}") from None
        while words:
            option, equals, value = words.pop(0).partition("=")
            if not option.startswith("--") and option[:2] in _SHORT and len(option) > 2:
                option, value, equals = option[:2], option[2:] + equals + value, "="  # -ifoo
            option = _SHORT.get(option, option)
            if option in _FLAGS:
                if equals:
                    raise UsageError(f"{option} takes no value")
            elif option in _VALUES:
                if not equals:
                    value = self._value(option, words)
            else:
                raise UsageError(
                    f"option {option} is unknown",
                    advice="expected one of pip's for such files, --conda-pkg, --conda-channel or --sys-pkg",
                )
            self._option(option, value)

    def _value(self, option: str, words: list[str]) -> str:
        if not words:
            raise UsageError(f"{option} needs a value")
        if option in ("--conda-pkg", "--sys-pkg", "--editable"):
            value = " ".join(words)  # `--conda-pkg numpy >=1.2`: people do not quote it
            words.clear()
            return value
        return words.pop(0)

    def _option(self, option: str, value: str) -> None:
        into = self.into
        if option in ("--requirement", "--constraint"):
            if _URL.match(value):
                raise UsageError(
                    f"{option} {without_credentials(value)}: files are read from disk alone",
                    advice="download it first",
                )
            path = local_path(value, into.folder)
            if not value.startswith("~"):  # shown in errors as it was typed
                path = (into.folder or Path()) / value
            if not exists(path):
                raise UsageError(
                    f"{shortened(value)!r} does not exist", advice=f"{option} needs the path of a file"
                )
            as_ = "constraints" if option == "--constraint" else self.as_
            self.nested.append(_File(path, self.environ, self.open_files, as_).read())
        elif option == "--editable":
            if self.as_ != "pypi":
                raise UsageError(f"-e {without_credentials(value)} is no constraint")
            into.editable(value)
        elif option in _LEFT_ASIDE:
            into.note(f"{option} is left aside")
        elif option in ("--pre", "--no-index"):
            {"--pre": into.prereleases, "--no-index": into.no_index}[option]()
        else:
            {
                "--index-url": into.index_url,
                "--pypi-url": into.index_url,
                "--extra-index-url": into.extra_index,
                "--find-links": into.find_links,
                "--no-binary": into.no_binary,
                "--only-binary": into.only_binary,
                "--conda-pkg": into.conda,
                "--conda-channel": into.channel,
                "--sys-pkg": into.virtual_package,
            }[option](value)

    def _requirement(self, text: str) -> None:
        requirement, *options = _PER_REQUIREMENT.split(text)
        requirement = requirement.strip()
        hashes = []
        for option in options:
            name, _, value = option.strip().replace("=", " ", 1).partition(" ")
            if name != "--hash":
                raise UsageError(f"{name} is not supported behind a requirement", advice="only --hash is")
            hashes.append(value.strip())
        if self.as_ != "pypi":
            {"constraints": self.into.constraint, "overrides": self.into.override}[self.as_](requirement)
        elif match := _PYTHON.fullmatch(requirement):
            # No project of PyPI's: the version of Python, as Netflix's extension reads it.
            version = match["version"] or ""
            if version.startswith("==") and "," not in version:
                self.into.python(version.lstrip("="))
            else:
                self.into.requires_python(version)
        elif is_location(requirement):
            self.into.pypi_url(requirement, hashes=tuple(hashes))
        else:
            self.into.pypi(requirement, hashes=tuple(hashes))


class _File:
    """One file of pip's format and the files it names."""

    def __init__(
        self, path: Path, environ: Mapping[str, str] | None, open_files: tuple[Path, ...], as_: str
    ) -> None:
        self.path = path
        self.environ = environ
        self.open_files = open_files
        self.as_ = as_

    def read(self, content: str | None = None) -> PartialRequirements:
        resolved = local_path(str(self.path))
        if resolved in self.open_files:
            raise UsageError(f"{self.path} names itself", advice="remove the circle of -r and -c lines")
        into = RequirementsParser(folder=self.path.parent)
        lines = RequirementLines(into, self.as_, self.environ, (*self.open_files, resolved))
        for number, text in _logical_lines(read_text(self.path) if content is None else content):
            with located(f"{self.path}:{number}"):
                lines.line(text)
        return combine([into.parsed(), *lines.nested])


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield (number of the first line, text) with continuations joined and comments removed, as pip does."""
    held: list[str] = []
    start = 1
    for number, line in enumerate(text.splitlines(), 1):
        if not held:
            start = number
        # A comment line ends a continuation, whatever it ends with itself (pip: join_lines).
        is_comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            held.append(line[:-1])
            continue
        held.append("" if is_comment else line)
        if joined := _COMMENT.sub("", " ".join(held)).strip():
            yield start, joined
        held = []
    if joined := _COMMENT.sub("", " ".join(held)).strip():
        yield start, joined


def _expanded(text: str, environ: Mapping[str, str]) -> str:
    """Put in ``${VARIABLE}``; one that is not set stays as it is, as in pip."""
    return _VARIABLE.sub(lambda match: environ.get(match["name"], match.group()), text)
