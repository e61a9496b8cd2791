"""What is configured, written out into what is asked: the one place where settings reach a request.

The command line, :meth:`conjoin.requirements.Requirements.from_file` and the
Metaflow glue all come through here, so the same question has the same ``req_id`` whoever asks it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from conjoin.config.settings import Layer, Said, Settings
from conjoin.config.table import SETTINGS, Kind, Setting
from conjoin.config.values import Value, of_text
from conjoin.spec.partial_requirements import PartialRequirements, combine, located
from conjoin.spec.requirements_parser import RequirementsParser

__all__ = ["DEFAULT_CHANNELS", "FIELDS", "check_settings", "parse_setting", "read_words", "with_settings"]

FIELDS = {
    "channels": "channels",
    "channel-aliases": "channel_aliases",
    "channel-priority": "channel_priority",
    "index-url": "index_url",
    "extra-index-urls": "extra_indexes",
    "find-links": "find_links",
    "platforms": "platforms",
    "virtual-packages": "virtual_packages",
    "python-source": "python_source",
    "mapping": "mapping",
    "strategy": "strategy",
    "same-versions": "same_versions",
    "prefer-conda": "prefer_conda",
    "exclude-newer": "exclude_newer",
    "prereleases": "prereleases",
    "only-binary": "only_binary",
    "no-binary": "no_binary",
}
"""Settings that are part of a request, and where :class:`PartialRequirements` has them."""

DEFAULT_CHANNELS = ("conda-forge",)
"""Where conda packages come from if nobody names a channel."""

_ADDING = ("channel-aliases", "extra-index-urls", "virtual-packages")
"""Of these, what is asked goes before what is configured; of all others it takes its place."""


def with_settings(asked: PartialRequirements, settings: Settings) -> PartialRequirements:
    """Return ``asked`` with what nobody asked for as it is configured.

    A request that names its default index, or asks none, means the same on every host: what is configured of
    indexes is left aside.

    :raises UsageError: for a setting that is not what it should be, with its place.
    """
    own_indexes = bool(asked.index_url) or asked.no_index
    pieces = []
    for name, field in FIELDS.items():
        if own_indexes and name in ("index-url", "extra-index-urls"):
            continue
        if name in _ADDING or getattr(asked, field) in ("", (), None):
            pieces += [_asked_of(name, said) for said in settings.said(name)]
    return combine([asked, *pieces])


def check_settings(settings: Settings) -> None:
    """Look at every setting of a request, used or not.

    :raises UsageError: for the first that is not what it should be, with its place.
    """
    for setting in SETTINGS:
        if setting.name in FIELDS:
            for said in settings.said(setting.name):
                _asked_of(setting.name, said)


def read_words(setting: Setting, words: Sequence[str], *, folder: Path, portable: bool = False) -> Value:
    """Return the value that words on a command line spell, to be written into a file.

    :param folder: the file's; paths are relative to the current directory as typed, and absolute in the file.
    :param portable: they are relative to ``folder`` in the file, as a project's should be.
    :raises UsageError: where they spell none.
    """
    if setting.kind in (Kind.PLACE, Kind.FOLDER) or setting.name in ("find-links", "mapping"):
        words = [_path(word, folder if portable else None) for word in words]
    elif setting.name == "channels":
        words = [_path(word, folder if portable else None) if word[:1] == "." else word for word in words]
    value = of_text(setting, words)
    layer = Layer("typed", {setting.name: value}, {setting.name: setting.name}, folder)
    check_settings(Settings([layer]))
    return value


def _path(text: str, relative_to: Path | None) -> str:
    if "://" in text or text.startswith(("~", "file:")) or Path(text).is_absolute():
        return text
    absolute = Path(text).absolute()
    return f"./{os.path.relpath(absolute, relative_to)}" if relative_to else str(absolute)


def parse_setting(into: RequirementsParser, name: str, value: Value, place: Callable[[str], str]) -> None:
    """Add a setting's value to what a source asks for.

    :param place: where a text stands.
    :raises UsageError: where it is not what it should be, with its place.
    """
    add = _ways(into)[name]
    if isinstance(value, dict):
        for key, texts in value.items():
            with located(place(key)):
                add(key, texts)
        return
    for one in value if isinstance(value, tuple) else (value,):
        with located(place(one if isinstance(one, str) else name)):
            add(one)


def _asked_of(name: str, said: Said) -> PartialRequirements:
    into = RequirementsParser(folder=said.folder)
    parse_setting(into, name, said.value, lambda _: said.where)
    return into.parsed()


def _ways(into: RequirementsParser) -> dict[str, Callable[..., Any]]:
    """Return what takes each setting's texts, flag, or name and texts of an entry."""
    return {
        "channels": into.channel,
        "channel-aliases": into.channel_alias,
        "channel-priority": into.channel_priority,
        "index-url": into.index_url,
        "extra-index-urls": into.extra_index,
        "find-links": into.find_links,
        "platforms": into.platform,
        "virtual-packages": lambda name, texts: into.virtual_package(f"{name}={texts[0]}"),
        "python-source": into.python_source,
        "mapping": into.mapping,
        "strategy": into.strategy,
        "same-versions": into.same_versions,
        "prefer-conda": into.prefer_conda,
        "exclude-newer": into.exclude_newer,
        "prereleases": into.prereleases,
        "only-binary": into.only_binary,
        "no-binary": into.no_binary,
    }
