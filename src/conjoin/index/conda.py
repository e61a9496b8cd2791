"""What the conda channels have for one platform: a thin, cached face over py-rattler's gateway."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from packaging.version import InvalidVersion, Version

from conjoin.errors import Unreachable, UsageError
from conjoin.index.channel_guard import LONGEST_REQUEST, in_time
from conjoin.net.credentials import Credentials
from conjoin.net.http_cache import make_private
from conjoin.net.urls import without_secrets
from conjoin.spec.names import CondaName
from conjoin.spec.requirements import Credential
from conjoin.untrusted import panics, split_url
from conjoin.writing import DiskError

if TYPE_CHECKING:
    from rattler import Channel, Gateway, MultiSource, RepoDataRecord
    from rattler.networking import Client

__all__ = [
    "ChannelUnreachable",
    "CondaChannels",
    "CondaPackage",
    "channel_error",
    "client_for",
    "record_document",
]

_CLOUDS = ("s3", "gcs", "oci")
_TRIES = 3
_T = TypeVar("_T")


_DEFAULTS = ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")
"""What conda users know as `defaults` on POSIX platforms."""
_DEFAULTS_WINDOWS = (*_DEFAULTS, "https://repo.anaconda.com/pkgs/msys2")

_NAME_END = re.compile(r"[ =<>!~\[;]")
_URL = re.compile(r"(?<![a-z])[a-z]+://[^\s`'\")]+")
_IS_NETWORK = re.compile(
    r"cache|request|connect|network|timed out|time out|dns|status code|io error|os error", re.I
)
_LONGEST_CAUSE = 300
_REFUSED = re.compile(r"HTTP status client error \((401|403|407)\b")
_MISSING_SUBDIR = re.compile(r"could not find subdir '(?P<subdir>[^']+)' in channel '(?P<channel>[^']+)'")


class CondaPackage(msgspec.Struct, frozen=True):
    """Everything the channels have under one conda name.

    :ivar versions: PEP 440 version -> the conda spellings equal to it; versions that are not PEP 440 are
        left out, since nothing on PyPI can ask for them.
    :ivar purls: the union over all records.
    :ivar needs_python: whether its records depend on Python, or are `noarch: python`.
    """

    name: CondaName
    versions: dict[Version, tuple[str, ...]]
    purls: frozenset[str]
    needs_python: bool


class CondaChannels:
    """The configured channels, seen from one platform.

    :param channels: names or URLs in order of priority.
    :param platform: target platform, e.g. ``linux-64``; ``noarch`` is always asked as well.
    :param cache_dir: folder for repodata.
    :param offline: use what the cache has, however old, and never the network.
    :param credentials: taken out of channel URLs; see :mod:`conjoin.net.credentials` for others.
    :param aliases: what names among ``channels`` stand for: URLs that count as one channel.
    """

    def __init__(
        self,
        channels: Sequence[str],
        platform: str,
        *,
        cache_dir: Path,
        offline: bool = False,
        credentials: Sequence[Credential] = (),
        aliases: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.channels = tuple(channels)
        self._aliases = dict(aliases or {})
        self.platform = platform
        self.platforms = (platform, "noarch")
        self._cache_dir = cache_dir
        self._offline = offline
        self._credentials = Credentials(
            credentials, [url for urls in self._aliases.values() for url in urls] + [*channels]
        )
        self._gateway: Gateway | None = None
        self._sources: list[Channel | MultiSource] | None = None
        self._records: dict[CondaName, list[RepoDataRecord]] = {}
        self._packages: dict[CondaName, CondaPackage | None] = {}
        self._noarch: dict[CondaName, CondaPackage] = {}
        self._next: tuple[dict[CondaName, None], asyncio.Task[None]] | None = None

    def seen_from(self, platform: str) -> CondaChannels:
        """Return the same channels as seen from another platform; what both read is read once."""
        other = CondaChannels(
            self.channels,
            platform,
            cache_dir=self._cache_dir,
            offline=self._offline,
            aliases=self._aliases,
        )
        other._credentials, other._gateway = self._credentials, self.gateway
        other._noarch = self._noarch
        return other

    @property
    def gateway(self) -> Gateway:
        """The gateway that fetches and caches repodata."""
        if self._gateway is None:
            from rattler import Gateway, SourceConfig

            client = client_for(self._urls(), self._credentials)
            self._cache_dir.mkdir(parents=True, exist_ok=True)
            if client is not None:
                make_private(self._cache_dir)  # what a login was shown is not for everybody
            action = "force-cache-only" if self._offline else "cache-or-fetch"
            self._gateway = Gateway(
                cache_dir=self._cache_dir,
                default_config=SourceConfig(cache_action=action),  # type: ignore[arg-type]
                client=client,
            )
        return self._gateway

    def _urls(self) -> list[str]:
        """Return the URLs of all channels, those that were named included."""
        from rattler import Channel, MultiSource

        channels = [
            channel
            for source in self.sources
            for channel in (source.sources if isinstance(source, MultiSource) else [source])
        ]
        return [channel.base_url for channel in channels if isinstance(channel, Channel)]

    @property
    def sources(self) -> list[Channel | MultiSource]:
        """The channels as py-rattler's solver takes them.

        :raises UsageError: where a channel's name cannot be read.
        """
        if self._sources is None:
            self._sources = [self._source(channel) for channel in self.channels]
        return self._sources

    def _source(self, channel: str) -> Channel | MultiSource:
        from rattler import Channel, MultiSource

        try:
            with panics():
                if channel in self._aliases:
                    urls = self._aliases[channel]
                    return MultiSource(channel, [Channel(url) for url in urls])
                if channel == "defaults":
                    urls = _DEFAULTS_WINDOWS if self.platform.startswith("win") else _DEFAULTS
                    return MultiSource("defaults", [Channel(url) for url in urls])
                return Channel(channel)
        except Exception as error:
            raise UsageError(
                f"{without_secrets(channel)!r} is not a channel: {error}",
                advice="name a channel (conda-forge), a URL or a folder",
            ) from error

    @property
    def several_as_one(self) -> dict[str, str]:
        """Of URLs that count as one channel with others, the URL that the solver takes its name for."""
        from rattler import Channel, MultiSource

        return {
            member.base_url: Channel(channel).base_url
            for channel, source in zip(self.channels, self.sources, strict=True)
            if isinstance(source, MultiSource)
            for member in source.sources
            if isinstance(member, Channel)
        }

    async def records(self, names: Iterable[CondaName]) -> dict[CondaName, list[RepoDataRecord]]:
        """Return all records under each name; an empty list for a name that no channel has.

        :raises Unreachable: where a channel does not answer or does not exist.
        """
        wanted = list(dict.fromkeys(names))
        missing = [name for name in wanted if name not in self._records]
        if missing and self.channels:
            if self._next is None:
                self._next = {}, asyncio.ensure_future(self._query_next())
                # Whoever asked may be gone by then, and nobody has to hear of it.
                self._next[1].add_done_callback(lambda done: done.cancelled() or done.exception())
            together, query = self._next
            together.update(dict.fromkeys(missing))
            await asyncio.shield(query)
        return {name: self._records.get(name, []) for name in wanted}

    async def _query_next(self) -> None:
        """Read the records of all names that are asked for in one turn of the event loop, in one query."""
        assert self._next is not None
        await asyncio.sleep(0)
        names = list(self._next[0])
        self._next = None
        try:
            with panics():
                answers = await self.in_time(
                    self.gateway.query(
                        self.sources,
                        self.platforms,  # type: ignore[arg-type]
                        names,
                        recursive=False,
                    )
                )
        except Unreachable:
            raise
        except Exception as error:
            raise channel_error(error, self.channels) from error
        for name in names:
            self._records[name] = []
        for answer in answers:
            for record in answer:
                self._records[CondaName(record.name.normalized)].append(record)

    async def in_time(self, work: Coroutine[Any, Any, _T], *, solves: bool = False) -> _T:
        """Return what some work of the gateway's returns, if the channels send.

        :param solves: the work solves as well.
        :raises Unreachable: where they do not, or drip.
        """
        try:
            where = f"channel {' or '.join(map(without_secrets, self.channels))}"
            return await in_time(work, self._cache_dir, where, solves=solves)
        except DiskError:
            raise
        except Unreachable as error:
            raise ChannelUnreachable(error.what, where=error.where, advice=error.advice) from None

    async def names(self) -> list[CondaName]:
        """Return every name that a channel has for the platform or for all.

        :raises Unreachable: where a channel does not answer or does not exist.
        """
        try:
            with panics():
                found = await self.in_time(self.gateway.names(self.sources, self.platforms))  # type: ignore[arg-type]
        except Unreachable:
            raise
        except Exception as error:
            raise channel_error(error, self.channels) from error
        return [CondaName(name.normalized) for name in found]

    async def platforms_of(self, name: CondaName, platforms: Sequence[str]) -> list[str]:
        """Return for which of other platforms the channels have a package.

        :raises Unreachable: where a channel does not answer or does not exist.
        """
        others = [each for each in platforms if each not in self.platforms]
        try:
            with panics():
                answers = await self.in_time(
                    self.gateway.query(
                        self.sources,
                        others,  # type: ignore[arg-type]
                        [name],
                        recursive=False,
                    )
                )
        except Unreachable:
            raise
        except Exception as error:
            raise channel_error(error, self.channels) from error
        found = {record.subdir for answer in answers for record in answer}
        return [each for each in others if each in found]

    async def packages(self, names: Iterable[CondaName]) -> dict[CondaName, CondaPackage]:
        """Return what the channels have under each name that they know.

        :raises Unreachable: where a channel does not answer or does not exist.
        """
        wanted = list(dict.fromkeys(names))
        records = await self.records(name for name in wanted if name not in self._packages)
        for name, found in records.items():
            self._packages[name] = self._package(name, found) if found else None
        known = ((name, self._packages[name]) for name in wanted)
        return {name: package for name, package in known if package is not None}

    def _package(self, name: CondaName, records: Sequence[RepoDataRecord]) -> CondaPackage:
        if any(record.subdir != "noarch" for record in records):
            return _package(name, records)
        # What is there for all platforms alone is the same seen from each.
        if name not in self._noarch:
            self._noarch[name] = _package(name, records)
        return self._noarch[name]


@lru_cache(maxsize=1 << 15)
def _version(spelling: str) -> Version:
    return Version(spelling)  # the same releases for one platform after the other


def _package(name: CondaName, records: Sequence[RepoDataRecord]) -> CondaPackage:
    versions: dict[Version, list[str]] = {}
    spellings: set[str] = set()
    purls: set[str] = set()
    needs_python = False
    for record in records:
        spelling = str(record.version)
        if spelling not in spellings:
            spellings.add(spelling)
            try:
                versions.setdefault(_version(spelling), []).append(spelling)
            except InvalidVersion:
                continue
        document = record.to_json()
        if '"purls"' in document:
            purls.update(json.loads(document).get("purls") or ())
        if not needs_python:
            needs_python = record.noarch.python or any(
                _NAME_END.split(dependency.rpartition("::")[2], maxsplit=1)[0] in {"python", "python_abi"}
                for dependency in record.depends
            )
    return CondaPackage(
        name,
        {version: tuple(sorted(spelled)) for version, spelled in versions.items()},
        frozenset(purls),
        needs_python,
    )


class ChannelUnreachable(Unreachable):
    """A conda channel does not answer, or does not exist. Exit code 4."""


def channel_error(error: Exception, channels: Sequence[str] = ()) -> ChannelUnreachable:
    """Turn py-rattler's gateway error into one that says which channel did not answer.

    :param channels: those that were asked, where the error itself does not tell.
    """
    text = str(error)
    missing = _MISSING_SUBDIR.search(text)
    if missing:
        return ChannelUnreachable(
            f"no {missing['subdir']}/repodata.json there",
            where=f"channel {without_secrets(missing['channel'])}",
            advice="check the channel's name or URL",
        )
    url = _URL.search(text)
    if refused := _REFUSED.search(text):
        return ChannelUnreachable(
            f"the channel refuses access (HTTP status {refused[1]})",
            where=without_secrets(url[0]) if url else None,
            advice="put a user name and password into the channel's URL or into ~/.netrc",
        )
    cause = text.strip().splitlines()[-1].removeprefix("Caused by: ").strip()
    cause = cause if len(cause) <= _LONGEST_CAUSE else f"{cause[:_LONGEST_CAUSE]}..."
    where = without_secrets(url[0]) if url else f"channel {' or '.join(map(without_secrets, channels))}"
    if url is None and not _IS_NETWORK.search(text):
        return ChannelUnreachable(
            f"what it says of its packages cannot be read ({cause})",
            where=where if channels else "a channel",
            advice="tell who keeps the channel, or leave it out",
        )
    return ChannelUnreachable(
        f"the channel does not answer ({_URL.sub(lambda found: without_secrets(found[0]), cause)})",
        where=where if url or channels else None,
        advice="check the network, or name a channel that can be reached with -c",
    )


def record_document(record: RepoDataRecord) -> dict[str, Any]:
    """Return a record as its JSON document, as the channel has it, its URLs without credentials."""
    document: dict[str, Any] = json.loads(record.to_json())
    for key in ("url", "channel"):
        document[key] = without_secrets(document.get(key) or "")
    return document


def client_for(channels: Sequence[str], credentials: Credentials) -> Client | None:
    """Return a client for channels, None where py-rattler's own will do: nobody has to log in anywhere.

    :param channels: their URLs.
    """
    there = [channel.rstrip("/") for channel in channels if channel.startswith(("http:", "https:"))]
    for channel in there:
        credentials.ask_keyring(channel)  # before: py-rattler does not tell us that it was refused
    logins = {channel: login for channel in there if (login := credentials.find(channel))}
    in_clouds = any(split_url(channel).scheme in _CLOUDS for channel in channels)
    if not logins and not in_clouds:
        return None
    from rattler.networking import (
        AddHeadersMiddleware,
        AuthenticationMiddleware,
        Client,
        GCSMiddleware,
        MirrorMiddleware,
        OciMiddleware,
        RetryMiddleware,
        S3Middleware,
    )

    # What a channel's token does to its URL is done on the way out: a channel that is named with its token
    # would leave it in the names and files of py-rattler's cache.
    tokens = {
        channel: [credentials.address(channel)]
        for channel, login in logins.items()
        if login.kind == "conda-token"
    }
    parts = [split_url(channel) for channel in there]

    def headers_for(host: str, path: str) -> dict[str, str] | None:
        same = [each for each in parts if each.hostname == host]
        below = [each for each in same if f"{path}/".startswith(f"{each.path}/")]
        longest = max((len(each.path) for each in below), default=0)
        asked = [each for each in below if len(each.path) == longest] or same
        headers = {credentials.authorization(each._replace(path=path).geturl()) for each in asked}
        # Of two ports of one host we are not told which is asked: no login is shown to the other one.
        header = headers.pop() if len(headers) == 1 else None
        return {"Authorization": header} if header else None

    layers: list[Any] = [RetryMiddleware(_TRIES), AddHeadersMiddleware(headers_for)]
    if tokens:
        layers.insert(1, MirrorMiddleware(tokens))
    if in_clouds:
        # rattler's own look into its store: for clouds alone, elsewhere it would be a second answer.
        layers += [AuthenticationMiddleware(), OciMiddleware(), S3Middleware(), GCSMiddleware()]
    return Client(layers, timeout=LONGEST_REQUEST)
