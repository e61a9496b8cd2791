"""Raw texts of one source in, canonical pieces out, secrets set apart on the way."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_args

from conjoin.errors import UsageError
from conjoin.spec.credentials import take_credentials, without_credentials
from conjoin.spec.names import pypi_name
from conjoin.spec.partial_requirements import PartialRequirements
from conjoin.spec.platform import platform_name
from conjoin.spec.requirements import ChannelPriority, Credential, PythonSource, Strategy
from conjoin.spec.syntax.index_urls import find_links_url, index_url
from conjoin.spec.syntax.local_path import local_path
from conjoin.spec.syntax.pypi_requirement import is_location, pypi_requirement, requirement_of_url
from conjoin.spec.syntax.python_version import python_version, requires_python
from conjoin.untrusted import shortened

__all__ = ["RequirementsParser", "instant"]

PYTHON = "python"
_LONGEST = 8192
"""Characters of one text: a URL of a signed store, or a marker for a hundred machines, has half of them."""
_SHOWN = 80
_ALIAS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")


class RequirementsParser:
    """What a source says, piece by piece. Every method takes a text as a user typed it.

    Each raises :class:`UsageError` for a text that is not what it should be; wrap calls in
    :func:`~conjoin.spec.partial_requirements.located` to say where it stands.

    :param folder: what relative paths start from, the current directory if None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._lists: dict[str, list[Any]] = {}
        self._values: dict[str, Any] = {}
        self._credentials: list[Credential] = []

    def conda(self, text: str) -> None:
        """Add a conda requirement; one on ``python`` alone goes to the Python version."""
        from conjoin.spec.syntax.conda_requirement import conda_requirement

        requirement = conda_requirement(self._public(text), folder=self.folder)
        # A build or channel of python is a wish about the package, not about the version alone.
        if requirement.name == PYTHON and not (
            requirement.build or requirement.channel or requirement.subdir or not requirement.version
        ):
            self._add("python", requirement.version)
        else:
            self._add("conda", requirement)

    def pypi(self, text: str, *, hashes: tuple[str, ...] = ()) -> None:
        """Add a PyPI requirement (PEP 508), or what pip takes in its place: a URL, a path, ``-e PATH``."""
        option, _, value = text.strip().partition(" ")
        if option in ("-e", "--editable"):
            self.editable(value)
            return
        if is_location(text.strip()):
            self.pypi_url(text, hashes=hashes)
            return
        self._add("pypi", pypi_requirement(self._public(text), hashes=hashes, folder=self.folder))

    def pypi_url(self, text: str, *, hashes: tuple[str, ...] = ()) -> None:
        """Add the requirement that a bare URL or path stands for."""
        self._add("pypi", requirement_of_url(self._public(text), folder=self.folder, hashes=hashes))

    def editable(self, text: str) -> None:
        """Add a project's folder of this machine that is to be pointed to (PEP 660), as ``-e`` does."""
        text = text.strip()
        named = "@" in text and not is_location(text)
        read = pypi_requirement if named else requirement_of_url
        requirement = read(self._public(text), folder=self.folder)
        if not requirement.url.startswith("file:"):
            self.note(f"-e is left aside: {requirement.url} is built into a wheel")
            self._add("pypi", requirement)
            return
        self._add("pypi", requirement._replace(editable=True))

    def constraint(self, text: str) -> None:
        """Add a PyPI requirement that bounds a project without asking for it."""
        self._add("constraints", pypi_requirement(self._public(text), folder=self.folder))

    def override(self, text: str) -> None:
        """Add a PyPI requirement that replaces what dependencies say of the project."""
        self._add("overrides", pypi_requirement(self._public(text), folder=self.folder))

    def python(self, text: str) -> None:
        """Bound the Python version, as ``--python`` does."""
        if version := python_version(text):
            self._add("python", version)

    def requires_python(self, text: str) -> None:
        """Bound the Python version, as PEP 621's ``requires-python`` does."""
        if version := requires_python(text):
            self._add("python", version)

    def channel(self, text: str) -> None:
        """Add a conda channel."""
        from conjoin.spec.syntax.conda_requirement import channel_name

        self._add("channels", channel_name(self._public(text), folder=self.folder))

    def channel_alias(self, name: str, places: Sequence[str]) -> None:
        """Let the name of a channel stand for a URL, or for several that count as one channel."""
        if not _ALIAS.fullmatch(name.strip()):
            raise UsageError(
                f"{name!r} is not the name of a channel", advice="expected a name as in conda-forge"
            )
        from conjoin.spec.syntax.conda_requirement import channel_name

        urls = tuple(channel_name(self._public(text), folder=self.folder) for text in places)
        for text, url in zip(places, urls, strict=True):
            if "://" not in url:
                raise UsageError(
                    f"the channel {name} stands for {without_credentials(text)!r}, which is a name",
                    advice="expected a URL or a path",
                )
        self._add("channel_aliases", (name.strip(), urls))

    def channel_priority(self, text: str) -> None:
        """Set the channel priority."""
        self._values["channel_priority"] = _one_of("a channel priority", text, get_args(ChannelPriority))

    def index_url(self, text: str) -> None:
        """Set the index that replaces the default one."""
        self._values["index_url"] = index_url(self._public(text))

    def extra_index(self, text: str) -> None:
        """Add an index that is asked before the default one."""
        self._add("extra_indexes", index_url(self._public(text)))

    def no_index(self, given: bool = True) -> None:
        """Ask no index at all."""
        self._values["no_index"] = given

    def find_links(self, text: str) -> None:
        """Add a page or folder with distributions."""
        self._add("find_links", find_links_url(self._public(text), folder=self.folder))

    def prereleases(self, given: bool = True) -> None:
        """Admit pre-releases of every project."""
        self._values["prereleases"] = given

    def only_binary(self, text: str) -> None:
        """Add projects (comma separated, or ``:all:``) that may not be built; ``:none:`` clears."""
        self._projects("only_binary", text)

    def no_binary(self, text: str) -> None:
        """Add projects (comma separated, or ``:all:``) that must be built; ``:none:`` clears."""
        self._projects("no_binary", text)

    def strategy(self, text: str) -> None:
        """Set which versions to prefer."""
        self._values["strategy"] = _one_of("a strategy", text, get_args(Strategy))

    def same_versions(self, given: bool = True) -> None:
        """Hold each package at one version on all platforms."""
        self._values["same_versions"] = given

    def prefer_conda(self, given: bool = True) -> None:
        """Take what PyPI packages depend on from conda wherever it can be."""
        self._values["prefer_conda"] = given

    def exclude_newer(self, text: str) -> None:
        """Set the instant after which uploads do not count."""
        self._values["exclude_newer"] = instant(text)

    def virtual_package(self, text: str) -> None:
        """Set a virtual package of the target, as in ``__cuda=12.0``."""
        from conjoin.spec.platform import virtual_package

        self._add("virtual_packages", virtual_package(text))

    def python_source(self, text: str) -> None:
        """Set where Python comes from."""
        self._values["python_source"] = _one_of("a source of Python", text, get_args(PythonSource))

    def mapping(self, text: str) -> None:
        """Set the file that maps conda names to PyPI names."""
        self._values["mapping"] = str(local_path(text, self.folder))

    def base(self, text: str) -> None:
        """Set the environment (``req_id:full_id``) that this one extends."""
        self._values["base"] = text

    def platform(self, text: str) -> None:
        """Add a target platform."""
        self._add("platforms", platform_name(text))

    def note(self, text: str) -> None:
        """Say what was read and left aside."""
        self._add("notes", text)

    def parsed(self) -> PartialRequirements:
        """Return all that was said."""
        pieces: dict[str, Any] = {name: tuple(dict.fromkeys(items)) for name, items in self._lists.items()}
        return PartialRequirements(
            **pieces, **self._values, credentials=tuple(dict.fromkeys(self._credentials))
        )

    def _projects(self, name: str, text: str) -> None:
        for project in filter(None, (part.strip() for part in text.split(","))):
            if project == ":none:":
                # What stood before is gone; that it was said keeps what is configured away.
                self._lists[name] = [project]
            else:
                self._add(name, project if project == ":all:" else str(pypi_name(project)))

    def _add(self, name: str, item: object) -> None:
        self._lists.setdefault(name, []).append(item)

    def _public(self, text: str) -> str:
        if len(text) > _LONGEST:
            raise UsageError(
                f"this has {len(text)} characters: {shortened(without_credentials(text[:_SHOWN]))!r}",
                advice=f"nothing that can be asked for has more than {_LONGEST}",
            )
        public, credentials = take_credentials(text)
        self._credentials += credentials
        return public


def _one_of(what: str, text: str, choices: Iterable[str]) -> str:
    if text.strip().lower() not in choices:
        raise UsageError(f"{text!r} is not {what}", advice=f"expected {', '.join(choices)}")
    return text.strip().lower()


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
# RFC 3339, section 5.6, the offset and the seconds optional.
_MOMENT = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})[Tt ](?P<minute>\d{2}:\d{2})(?P<second>:\d{2})?"
    r"(?:\.(?P<fraction>\d{1,6})\d*)?(?P<offset>[Zz]|[+-]\d{2}:\d{2})?"
)


def instant(text: str) -> str:
    """Return a date or an RFC 3339 date-time as RFC 3339 in UTC (``2026-11-20T00:00:00Z``).

    A bare date includes that day, as uv has it; unlike uv, days and times without offset are UTC's: the
    host's time zone must not decide what is chosen.

    >>> instant("2026-11-20"), instant("2026-11-20T08:00:00+02:00")
    ('2026-11-21T00:00:00Z', '2026-11-20T06:00:00Z')

    :raises UsageError: where it is none.
    """
    try:
        moment = _moment(text.strip())
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise UsageError(f"{text!r} is not a date", advice="expected 2026-11-20 or 2026-11-20T12:00:00Z")
    return moment.isoformat(timespec="microseconds" if moment.microsecond else "seconds").replace(
        "+00:00", "Z"
    )


def _moment(text: str) -> datetime | None:
    if _DAY.fullmatch(text):
        return datetime.fromisoformat(text).replace(tzinfo=timezone.utc) + timedelta(days=1)
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    # Python 3.10 reads neither `Z` nor a fraction of other than three or six digits.
    offset = "+00:00" if (match["offset"] or "Z") in "Zz" else match["offset"]
    fraction = (match["fraction"] or "").ljust(6, "0")
    time = f"{match['minute']}{match['second'] or ':00'}.{fraction}{offset}"
    return datetime.fromisoformat(f"{match['day']}T{time}").astimezone(timezone.utc)
