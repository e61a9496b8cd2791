"""What one source (a file, a command line) asks for, before sources are combined and defaults written out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from conjoin.errors import UsageError
from conjoin.spec.credentials import without_credentials
from conjoin.spec.requirements import (
    ChannelPriority,
    CondaRequirement,
    Credential,
    PypiRequirement,
    PythonSource,
    Strategy,
)
from conjoin.untrusted import PARSER_FAILURES, reason_of

__all__ = ["PartialRequirements", "combine", "located"]


class PartialRequirements(NamedTuple):
    """The canonical pieces of one source.

    Fields are those of :class:`~conjoin.spec.requirements.Requirements`, but for:

    :ivar python: conda version expressions that must all hold.
    :ivar index_url: the index that replaces the default one, empty for none.
    :ivar extra_indexes: indexes asked before the default one.
    :ivar no_index: whether no index is asked at all, find-links alone (``--no-index``); None if not said.
    :ivar prereleases: None if not said.
    :ivar same_versions: None if not said.
    :ivar prefer_conda: None if not said.
    :ivar only_binary: with ``:none:`` in front where the source takes back what others say; so
        :attr:`no_binary`.
    :ivar mapping: path of a conda<->PyPI mapping file, empty for none.
    :ivar notes: what was read and left aside, one sentence each.
    """

    conda: tuple[CondaRequirement, ...] = ()
    pypi: tuple[PypiRequirement, ...] = ()
    python: tuple[str, ...] = ()
    constraints: tuple[PypiRequirement, ...] = ()
    overrides: tuple[PypiRequirement, ...] = ()
    channels: tuple[str, ...] = ()
    channel_aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    channel_priority: ChannelPriority | None = None
    index_url: str = ""
    extra_indexes: tuple[str, ...] = ()
    no_index: bool | None = None
    find_links: tuple[str, ...] = ()
    prereleases: bool | None = None
    only_binary: tuple[str, ...] = ()
    no_binary: tuple[str, ...] = ()
    strategy: Strategy | None = None
    same_versions: bool | None = None
    prefer_conda: bool | None = None
    exclude_newer: str = ""
    virtual_packages: tuple[tuple[str, str], ...] = ()
    python_source: PythonSource | None = None
    mapping: str = ""
    base: str = ""
    platforms: tuple[str, ...] = ()
    credentials: tuple[Credential, ...] = ()
    notes: tuple[str, ...] = ()


def combine(sources: Iterable[PartialRequirements]) -> PartialRequirements:
    """Return what all ``sources`` ask for together.

    Lists are joined, an earlier source's channels and indexes before a later one's; of single values the
    first source that says anything wins. So: the most specific source (the command line) comes first.
    """
    every = tuple(sources)
    merged: dict[str, Any] = {}
    for name, default in PartialRequirements._field_defaults.items():
        values = [getattr(source, name) for source in every]
        if isinstance(default, tuple):
            merged[name] = tuple(dict.fromkeys(item for value in values for item in value))
        else:
            merged[name] = next((value for value in values if value not in (None, "")), default)
    return PartialRequirements(**merged)


@contextmanager
def located(where: str | Callable[[str], str], needle: str = "") -> Iterator[None]:
    """Give the errors that arise inside the file and line they are about, where they do not know better.

    What they quote of the line loses its passwords here, whoever raised them. Whatever else a parser below
    raises becomes such an error, too.

    :param where: the place, empty where the text was typed; or what finds it, asked only if there is an
        error: to look for every line of a long file would take its square.
    :param needle: what to look for.
    :raises UsageError: with the place.
    """

    def place() -> str | None:
        return (where(needle) if callable(where) else where) or None

    try:
        yield
    except UsageError as error:
        error.reword(without_credentials)
        if error.where is None and (found := place()):
            error.add_place(found)
        raise
    except PARSER_FAILURES as failure:
        # Of a parser below, for a text that nobody thought of: its own words are all there is to say.
        reason = without_credentials(reason_of(failure))
        raise UsageError(f"this cannot be read ({reason})", where=place()) from None
