"""What a piece of work asks for: :class:`Requirements`, the first word on the path of the data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from conjoin.spec.names import CondaName, ExtraName, PypiName

__all__ = [
    "ChannelPriority",
    "CondaRequirement",
    "Credential",
    "PypiRequirement",
    "PythonSource",
    "Requirements",
    "Strategy",
]

ChannelPriority: TypeAlias = Literal["strict", "flexible", "disabled"]
Strategy: TypeAlias = Literal["highest", "lowest", "lowest-direct"]
PythonSource: TypeAlias = Literal["channel", "host"]


class CondaRequirement(NamedTuple):
    """One conda requirement, in canonical form.

    :ivar name: the package.
    :ivar version: conda version expression (``>=1.2,<2``, ``1.2.*``, ``==1.2|==1.4``), empty for any.
    :ivar build: build string glob (``py311*``), empty for any.
    :ivar channel: the channel it must come from (``channel::name``), empty for any.
    :ivar subdir: the channel's folder it must come from (``channel/noarch::name``), empty for any.
    """

    name: CondaName
    version: str = ""
    build: str = ""
    channel: str = ""
    subdir: str = ""

    def match_spec(self) -> str:
        """Return it as a conda MatchSpec without its channel, as py-rattler's strict parser reads it."""
        if self.build:
            spec = f"{self.name} {self.version or '*'} {self.build}"
        else:
            spec = f"{self.name} {self.version}".strip()
        return f"{spec}[subdir={self.subdir}]" if self.subdir else spec

    def __str__(self) -> str:
        return f"{self.channel}::{self.match_spec()}" if self.channel else self.match_spec()


class PypiRequirement(NamedTuple):
    """One PyPI requirement (PEP 508), in canonical form.

    :ivar name: the project.
    :ivar extras: sorted.
    :ivar specifier: canonical PEP 440 specifier set (``<2,>=1.26``), empty for any.
    :ivar marker: canonical marker text, empty for none.
    :ivar url: direct URL (PEP 508 ``@``), VCS URL or ``file:`` URL, without credentials; empty for none.
    :ivar hashes: ``sha256:…`` digests, sorted, of which one must match; empty for any.
    :ivar editable: whether the folder that ``url`` names is to be pointed to, not copied (PEP 660).
    """

    name: PypiName
    extras: tuple[ExtraName, ...] = ()
    specifier: str = ""
    marker: str = ""
    url: str = ""
    hashes: tuple[str, ...] = ()
    editable: bool = False

    def __str__(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        target = f" @ {self.url}" if self.url else self.specifier
        marker = f" ; {self.marker}" if self.marker else ""
        return f"{self.name}{extras}{target}{marker}"


class Credential(NamedTuple):
    """A user name and password somebody wrote into a URL: kept apart, never in an id, a lock or a log."""

    url_prefix: str
    username: str
    password: str

    def __repr__(self) -> str:
        return f"Credential(url_prefix={self.url_prefix!r}, username={self.username!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """Everything that decides which packages are chosen, in canonical form (docs/adr/0003-what-ids-cover.md).

    Made by :func:`conjoin.spec.build.build_requirements`; every field is canonical
    already: names normalised, specifiers canonical, lists sorted where their order means nothing.

    :ivar conda: conda requirements, sorted; ``python`` without build and channel is in :attr:`python`.
    :ivar pypi: PyPI requirements, sorted.
    :ivar python: conda version expression for Python, empty for any.
    :ivar constraints: PyPI requirements that bound, but do not ask for, a project.
    :ivar overrides: PyPI requirements that replace what dependencies say of a project.
    :ivar channels: conda channels in order (names or URLs, without credentials), defaults written out.
    :ivar channel_aliases: what the names among :attr:`channels` stand for, where that is configured: URLs
        that count as one channel, sorted by name.
    :ivar channel_priority: as conda's.
    :ivar indexes: URLs of PyPI indexes in order of priority (extra ones first), defaults written out.
    :ivar find_links: URLs or paths of pages and folders with wheels, in order.
    :ivar prereleases: whether pre-releases of every project are admitted (``--pre``).
    :ivar only_binary: projects (or ``:all:``) that may not be built.
    :ivar no_binary: projects (or ``:all:``) that must be built.
    :ivar strategy: which versions to prefer.
    :ivar same_versions: whether every package has one version on all platforms that have it.
    :ivar prefer_conda: whether what PyPI packages depend on comes from conda wherever it can.
    :ivar exclude_newer: RFC 3339 instant in UTC (``2026-11-20T00:00:00Z``), empty for none.
    :ivar virtual_packages: ``(name, "version" or "version=build")`` the user set, sorted.
    :ivar mapping_hash: sha256 of the user's conda<->PyPI mapping, empty for none.
    :ivar mapping_file: path of that mapping; host-specific, so not part of the identity.
    :ivar base: ``req_id:full_id`` that ``--using`` extends, empty for none.
    :ivar python_source: ``host`` where the user asked for this host's interpreter, else ``channel``.
    :ivar channels_given: whether somebody named the channels, typed or configured (else they are defaults).
    :ivar named_channels: of :attr:`channels`, those the request itself lists; not part of the identity.
    :ivar named_indexes: of :attr:`indexes`, those the request itself names; not part of the identity.
    :ivar platforms: target platforms the input named, in order; not part of the identity.
    :ivar credentials: taken out of URLs; not part of the identity.
    """

    conda: tuple[CondaRequirement, ...] = ()
    pypi: tuple[PypiRequirement, ...] = ()
    python: str = ""
    constraints: tuple[PypiRequirement, ...] = ()
    overrides: tuple[PypiRequirement, ...] = ()
    channels: tuple[str, ...] = ()
    channel_aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    channel_priority: ChannelPriority = "strict"
    indexes: tuple[str, ...] = ()
    index_strategy: Literal["first-index"] = "first-index"
    find_links: tuple[str, ...] = ()
    prereleases: bool = False
    only_binary: tuple[str, ...] = ()
    no_binary: tuple[str, ...] = ()
    strategy: Strategy = "highest"
    same_versions: bool = False
    prefer_conda: bool = False
    exclude_newer: str = ""
    virtual_packages: tuple[tuple[str, str], ...] = ()
    mapping_hash: str = ""
    base: str = ""
    python_source: PythonSource = "channel"
    # Not part of the identity:
    mapping_file: str = field(default="", compare=False)
    channels_given: bool = field(default=False, compare=False)
    named_channels: tuple[str, ...] = field(default=(), compare=False)
    named_indexes: tuple[str, ...] = field(default=(), compare=False)
    platforms: tuple[str, ...] = field(default=(), compare=False)
    credentials: tuple[Credential, ...] = field(default=(), compare=False, repr=False)
