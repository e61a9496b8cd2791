"""Making :class:`Requirements` of what people typed: combined, canonical, sorted, defaults written out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from conjoin.config.load import load_settings
from conjoin.config.settings import Settings
from conjoin.errors import UsageError
from conjoin.spec.configured.index import configured_indexes
from conjoin.spec.configured.request import DEFAULT_CHANNELS, with_settings
from conjoin.spec.credentials import named_places
from conjoin.spec.names import CondaName
from conjoin.spec.partial_requirements import PartialRequirements, combine, located
from conjoin.spec.requirements import ChannelPriority, CondaRequirement, Credential, Requirements
from conjoin.spec.requirements_parser import PYTHON, RequirementsParser
from conjoin.spec.syntax.python_version import joined

__all__ = ["build_requirements", "requirements_of"]

_ANY_PYTHON = CondaRequirement(CondaName(PYTHON))


def build_requirements(
    *,
    sources: Iterable[PartialRequirements] = (),
    conda: Iterable[str] = (),
    pypi: Iterable[str] = (),
    python: str | Iterable[str] = (),
    constraints: Iterable[str] = (),
    overrides: Iterable[str] = (),
    channels: Iterable[str] = (),
    channel_aliases: Mapping[str, str | Sequence[str]] | None = None,
    channel_priority: str | None = None,
    index_url: str | None = None,
    extra_index_urls: Iterable[str] = (),
    no_index: bool | None = None,
    find_links: Iterable[str] = (),
    prereleases: bool | None = None,
    only_binary: Iterable[str] = (),
    no_binary: Iterable[str] = (),
    strategy: str | None = None,
    same_versions: bool | None = None,
    prefer_conda: bool | None = None,
    exclude_newer: str | None = None,
    virtual_packages: Iterable[str] = (),
    python_source: str | None = None,
    mapping: str | Path | None = None,
    base: str | None = None,
    platforms: Iterable[str] = (),
    settings: Settings | None = None,
) -> Requirements:
    """Return the requirements that the raw texts spell, with those of ``sources`` and what is configured.

    Every parameter takes what the command line takes: ``conda`` requirements in any of conda's spellings,
    ``pypi`` requirements as PEP 508 says, ``python`` as ``3.11``, ``3.11.7`` or ``>=3.10,<3.13``,
    ``virtual_packages`` as ``__cuda=12.0``. The texts given here take precedence over ``sources`` where there
    is one value, and their channels and indexes come first; of ``sources``, an earlier before a later one.
    What neither says is as configured, and then the default.

    :param sources: what files asked for, as :func:`conjoin.spec.read_requirements` returns it.
    :param channel_aliases: what names of channels stand for: a URL, or several that count as one channel.
    :param settings: what is configured; default: :func:`conjoin.config.load.load_settings`.
    :raises UsageError: for a text that is not what it should be, and says what was expected; also in a
        configuration file.
    """
    typed = RequirementsParser()
    for texts, add in (
        (conda, typed.conda),
        (pypi, typed.pypi),
        ([python] if isinstance(python, str) else python, typed.python),
        (constraints, typed.constraint),
        (overrides, typed.override),
        (channels, typed.channel),
        (extra_index_urls, typed.extra_index),
        (find_links, typed.find_links),
        (only_binary, typed.only_binary),
        (no_binary, typed.no_binary),
        (virtual_packages, typed.virtual_package),
        (platforms, typed.platform),
    ):
        for text in texts:
            with located(""):
                add(text)
    for value, put in (
        (channel_priority, typed.channel_priority),
        (index_url, typed.index_url),
        (strategy, typed.strategy),
        (exclude_newer, typed.exclude_newer),
        (python_source, typed.python_source),
        (mapping and str(mapping), typed.mapping),
        (base, typed.base),
    ):
        if value:
            with located(""):
                put(value)
    for name, places in (channel_aliases or {}).items():
        with located(""):
            typed.channel_alias(name, [places] if isinstance(places, str) else places)
    if no_index is not None:
        typed.no_index(no_index)
    if prereleases is not None:
        typed.prereleases(prereleases)
    if same_versions is not None:
        typed.same_versions(same_versions)
    if prefer_conda is not None:
        typed.prefer_conda(prefer_conda)
    return requirements_of(combine([typed.parsed(), *sources]), settings)


def requirements_of(asked: PartialRequirements, settings: Settings | None = None) -> Requirements:
    """Return ``asked`` as requirements: sorted where order means nothing, defaults written out.

    :param settings: what is configured; default: what is for this process.
    """
    settings = load_settings() if settings is None else settings
    own = asked
    asked = with_settings(asked, settings)
    # The first to set a virtual package has precedence; sorting comes after.
    virtual = dict(reversed(asked.virtual_packages))
    aliases = dict(reversed(asked.channel_aliases))
    indexes, configured = _indexes(asked, settings)
    # `channel::name` makes its channel known, behind those that were listed.
    named = [requirement.channel for requirement in asked.conda if requirement.channel]
    channels = tuple(dict.fromkeys([*(asked.channels or DEFAULT_CHANNELS), *sorted(named)]))
    return Requirements(
        conda=tuple(sorted(_conda(asked))),
        pypi=tuple(sorted(set(asked.pypi))),
        python=joined(asked.python),
        constraints=tuple(sorted(set(asked.constraints))),
        overrides=tuple(sorted(set(asked.overrides))),
        channels=channels,
        channel_aliases=tuple(sorted((name, urls) for name, urls in aliases.items() if name in channels)),
        channel_priority=_channel_priority(asked.channel_priority or "strict", bool(named)),
        indexes=indexes,
        find_links=tuple(dict.fromkeys(asked.find_links)),
        prereleases=bool(asked.prereleases),
        only_binary=tuple(sorted({*asked.only_binary} - {":none:"})),
        no_binary=tuple(sorted({*asked.no_binary} - {":none:"})),
        strategy=asked.strategy or "highest",
        same_versions=bool(asked.same_versions),
        prefer_conda=bool(asked.prefer_conda),
        exclude_newer=asked.exclude_newer,
        virtual_packages=tuple(sorted(virtual.items())),
        mapping_hash=_mapping_hash(asked.mapping),
        base=asked.base,
        python_source=asked.python_source or "channel",
        mapping_file=asked.mapping,
        channels_given=bool(asked.channels or named),
        named_channels=own.channels,
        named_indexes=(*own.extra_indexes, *([own.index_url] if own.index_url else [])),
        platforms=tuple(dict.fromkeys(asked.platforms)),
        credentials=tuple(dict.fromkeys((*asked.credentials, *configured, *named_places(_named(own))))),
    )


def _named(own: PartialRequirements) -> tuple[str, ...]:
    """Return the channels and URLs that the request itself names: logins that are kept may be shown there.

    What is configured is known wherever it is needed.
    """
    channels = [*own.channels, *(one.channel for one in own.conda if one.channel)]
    channels += [url for _, urls in own.channel_aliases for url in urls]
    urls = [own.index_url, *own.extra_indexes, *own.find_links, *(one.url for one in own.pypi)]
    return tuple(place for place in (*channels, *urls) if place and not place.startswith("file:"))


def _indexes(
    asked: PartialRequirements, settings: Settings
) -> tuple[tuple[str, ...], tuple[Credential, ...]]:
    """Return the indexes in order, extra ones first, and the credentials of those that are uv's or pip's."""
    if asked.no_index:
        return (), ()
    if asked.index_url:
        # Whoever names the default index, typed or configured, has said it all: uv's and pip's don't count.
        return tuple(dict.fromkeys([*asked.extra_indexes, asked.index_url])), ()
    host = configured_indexes()
    extra = () if settings.said("extra-index-urls") else host.extra
    return tuple(dict.fromkeys([*asked.extra_indexes, *extra, host.default])), host.credentials


def _conda(asked: PartialRequirements) -> set[CondaRequirement]:
    """Return the conda requirements; `python` alone says nothing where Python is asked for anyway."""
    found = set(asked.conda)
    if asked.python or asked.pypi or any(item.name == PYTHON and item != _ANY_PYTHON for item in found):
        found.discard(_ANY_PYTHON)
    return found


def _channel_priority(asked: ChannelPriority, channel_named: bool) -> ChannelPriority:
    """Return the priority that is meant: a strict one would hide ``channel::name`` behind another channel."""
    return "flexible" if channel_named and asked == "strict" else asked


def _mapping_hash(path: str) -> str:
    if not path:
        return ""
    import hashlib

    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"the mapping cannot be read: {error.strerror}", where=path) from None
