"""conda requirements, in every spelling that conda users write, as :class:`CondaRequirement`.

``numpy``, ``numpy=1.26``, ``numpy 1.26.* py311*``, ``conda-forge::numpy>=1.2,<2``,
``numpy[version='>=1.2',build=py*]``: CEP 29 and what conda itself reads besides.
"""

from __future__ import annotations

import re
from pathlib import Path

from conjoin.errors import UsageError
from conjoin.spec.credentials import without_credentials
from conjoin.spec.names import conda_name
from conjoin.spec.platform import PLATFORMS
from conjoin.spec.requirements import CondaRequirement
from conjoin.spec.syntax.conda_version import VersionAndBuild, conda_version, conda_version_and_build
from conjoin.spec.syntax.local_path import local_path
from conjoin.untrusted import split_url

__all__ = ["channel_name", "conda_requirement"]

_NAME = re.compile(r"\s*([A-Za-z0-9_][A-Za-z0-9_.-]*)")
_BRACKETS = re.compile(r"(?P<before>[^\[\]]*)\[(?P<inside>.*)\]\s*", re.DOTALL)
_PAIR = re.compile(
    r"""\s*(?P<key>\w+)\s*=\s*(?:'(?P<q1>[^']*)'|"(?P<q2>[^"]*)"|(?P<bare>[^,\s'"]*))\s*(?:,|$|\s)"""
)
_CHANNEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*|[A-Za-z][A-Za-z0-9+.-]*://\S+")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_SUBDIRS = frozenset({*PLATFORMS, "noarch"})

_EXPECTED = (
    "expected [channel::]name [version [build]], as in numpy, numpy>=1.2,<2 or conda-forge::numpy=1.26"
)


def conda_requirement(text: str, *, folder: Path | None = None) -> CondaRequirement:
    """Return the conda requirement that ``text`` spells, in canonical form, without credentials.

    >>> conda_requirement("conda-forge::NumPy =1.26").match_spec()
    'numpy 1.26.*'

    :param folder: what a channel that is a relative path starts from, the current directory if None.
    :raises UsageError: where it is none, or says what a requirement cannot (a hash, a glob for a name).
    """
    text = _unquoted(without_credentials(text).strip())
    brackets: dict[str, str] = {}
    outside = text
    if match := _BRACKETS.fullmatch(text):
        outside, brackets = match["before"], _brackets(text, match["inside"])
    channel, colons, rest = outside.rpartition("::")
    if colons and not channel.strip():
        raise _error(text, "the channel before '::' is missing")
    channel = brackets.pop("channel", channel).strip()
    name = _NAME.match(rest)
    if name is None:
        raise _error(text)
    behind = rest[name.end() :]
    if ";" in behind:
        raise _error(text, "conda requirements have no markers")
    if behind and not behind[0].isspace() and behind[0] not in "=<>!~(":
        raise _error(text)
    parts = _version_and_build(text, behind)
    version = brackets.pop("version", None)
    build = brackets.pop("build", None)
    subdir = brackets.pop("subdir", "")
    if brackets:
        keys = ", ".join(sorted(brackets))
        raise UsageError(
            f"{text!r}: {keys} cannot be asked for", advice="known are version, build, channel and subdir"
        )
    channel, channel_subdir = _split_channel(channel)
    subdir = subdir or channel_subdir
    if subdir and subdir not in _SUBDIRS:
        raise _error(text, f"{subdir!r} is not a platform")
    return CondaRequirement(
        name=conda_name(name[1]),
        version=parts.version if version is None else conda_version(version),
        build=parts.build if build is None else _version_and_build(text, f"* {build}").build,
        channel=channel_name(channel, folder=folder) if channel else "",
        subdir=subdir,
    )


def channel_name(text: str, *, folder: Path | None = None) -> str:
    """Return a conda channel (a name or URL) in its canonical spelling: without credentials and last slash.

    A path becomes a ``file:`` URL.

    :param folder: what a relative path starts from, the current directory if None.
    :raises UsageError: where it is neither name, URL nor path.
    """
    channel = _unquoted(without_credentials(text).strip())
    if (
        channel.startswith(("/", "./", "../", "~/", ".\\", "..\\"))
        or channel in (".", "..")
        or _DRIVE.match(channel)
    ):
        return local_path(channel, folder).as_uri()
    channel = channel.rstrip("/")
    if not _CHANNEL.fullmatch(channel):
        raise UsageError(
            f"{channel!r} is not a conda channel",
            advice="expected a name such as conda-forge, a URL or a path",
        )
    scheme, separator, rest = channel.partition("://")
    if separator:
        split_url(channel, shown=channel)
        host, slash, path = rest.partition("/")
        return f"{scheme.lower()}://{host.lower()}{slash}{path}"
    return channel


def _version_and_build(text: str, behind: str) -> VersionAndBuild:
    try:
        return conda_version_and_build(behind)
    except UsageError as error:
        raise UsageError(f"{text!r}: {error.what}", advice=error.advice) from None


def _split_channel(channel: str) -> tuple[str, str]:
    """Split a subdir off a channel, as ``conda-forge/noarch`` and channel URLs may carry one."""
    before, _, last = channel.rstrip("/").rpartition("/")
    return (before, last) if before and last in _SUBDIRS else (channel, "")


def _brackets(text: str, inside: str) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    inside = inside.rstrip()
    while at < len(inside):
        match = _PAIR.match(inside, at)
        if match is None or match.end() == at:
            raise _error(text, "expected key=value pairs between [ and ]")
        value = next(v for v in (match["q1"], match["q2"], match["bare"]) if v is not None)
        found[{"build_string": "build"}.get(match["key"], match["key"])] = value
        at = match.end()
    return found


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1].strip()
    return text


def _error(text: str, what: str = "") -> UsageError:
    said = f"{text!r} is not a conda requirement"
    return UsageError(f"{said}: {what}" if what else said, advice=_EXPECTED)
