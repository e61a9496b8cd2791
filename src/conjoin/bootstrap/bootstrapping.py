"""The main path: a store and the name of an environment become a prefix, in a container that has nothing."""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import os
import platform as platform_module
import queue
import sys
import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple

from conjoin.bootstrap.download import Downloads, disk_errors, write_all
from conjoin.bootstrap.engine import Engine, engine_code
from conjoin.bootstrap.grammar import HEX_64
from conjoin.bootstrap.locked import LockedEnvironment, find_locked
from conjoin.bootstrap.machine import check_machine, host_platform, python_tag
from conjoin.bootstrap.stores.open_source import open_source
from conjoin.bootstrap.toolkit import read_python, read_toolkit
from conjoin.errors import ConjoinError, IntegrityError, Unreachable, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from conjoin.bootstrap.toolkit import ToolkitFile

__all__ = ["Ready", "bootstrap", "cache_folder"]

AT_ONCE = 12
"""Objects on their way at the same time."""


class Ready(NamedTuple):
    """An environment that can be used.

    :ivar prefix: its absolute path.
    :ivar variables: what a program of it needs, all of them; empty where nobody asked.
    :ivar requests: made of the store.
    :ivar received: bytes that came from there.
    """

    prefix: str
    req_id: str
    full_id: str
    platform: str
    variables: dict[str, str]
    requests: int
    received: int


def bootstrap(
    store: str,
    env: str,
    *,
    platform: str | None = None,
    prefix: str | None = None,
    cache: str | None = None,
    endpoint: str | None = None,
    id_file: str | None = None,
    variables: Mapping[str, str] | None = None,
    toolkit: Sequence[str] = (),
) -> Ready:
    """Make the prefix of an environment out of what a store has, unless it is there.

    :param store: ``s3://bucket/prefix``, ``gs://``, ``az://``, ``https://``, ``file://`` or a folder.
    :param env: a lock file's path, ``req_id:full_id``, or a name in the store; with ``@sha256:DIGEST`` after
        it, that lock or an error.
    :param platform: the environment's; default: this machine's.
    :param prefix: where to; default: a folder named by the ids in ``CONJOIN_ENVS``, else the user's data.
    :param cache: of the node; default: ``CONJOIN_CACHE``, else the user's cache.
    :param endpoint: the store's server, where it is not the cloud's own.
    :param id_file: written with ``req_id:full_id`` when all is done.
    :param variables: beginning with these, tell what a program of the prefix needs.
    :param toolkit: sha256 of the toolkit's descriptions, of which each that is used has to have one; default:
        what the store has is trusted.
    :raises ConjoinError: with one line that says what, where, and what to do; nothing half-made is taken for
        complete, and running this again goes on where it was.
    """
    source = open_source(store, endpoint)
    downloads = Downloads(source)
    for digest in toolkit:
        if not HEX_64.fullmatch(digest):
            raise UsageError(f"{digest!r} is no sha256", advice="expected 64 hex digits")
    platform = platform or host_platform()
    check_machine(platform, ())
    wanted = find_locked(downloads.document, env, platform, source.place)
    check_machine(platform, wanted.packages)
    cache = cache_folder(cache)
    target = os.path.abspath(os.path.expanduser(prefix)) if prefix else _default_prefix(wanted)
    if id_file:
        _forget(id_file)
    there = _marker(target)
    if there == _marker_of(wanted) and variables is None:
        told = {"prefix": target, "variables": {}}  # type: dict[str, Any]
    else:
        work = _Work(wanted, downloads, source.place, cache, target, variables, frozenset(toolkit))
        try:
            told = work.run(fetch=not _holds(there, wanted))
        except BaseException:
            downloads.stop()
            work.give_up()
            raise
    if id_file:
        _write(id_file, wanted.ids + "\n")
    return Ready(
        prefix=told["prefix"],
        req_id=wanted.req_id,
        full_id=wanted.full_id,
        platform=platform,
        variables=told["variables"],
        requests=downloads.requests,
        received=downloads.received,
    )


def cache_folder(given: str | None) -> str:
    """Return the folder that bootstraps on this node share: ``given``, ``CONJOIN_CACHE``, the user's cache.

    Where there is no home that can be written, which is usual in containers: a folder for temporary files.

    :raises Unreachable: where none can be made.
    """
    asked = given or os.environ.get("CONJOIN_CACHE")
    if asked:
        return _made(os.path.abspath(os.path.expanduser(asked)))
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    try:
        return _made(os.path.join(os.path.abspath(base), "conjoin"))
    except Unreachable:
        own = os.path.join(tempfile.gettempdir(), f"conjoin-{os.getuid()}")
        found = _made(own)
        if os.stat(found).st_uid != os.getuid() or os.path.islink(found):
            raise Unreachable("this folder is somebody else's", where=found, advice="give --cache") from None
        return found


def _default_prefix(wanted: LockedEnvironment) -> str:
    """Return where an environment goes if nobody says it."""
    base = os.environ.get("CONJOIN_ENVS")
    if not base:
        data = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
        base = os.path.join(data, "conjoin", "envs")
    return os.path.join(os.path.abspath(base), f"metaflow_{wanted.req_id}_{wanted.full_id}")


def _marker(prefix: str) -> dict[str, Any]:
    """Return what a prefix that is there says of itself (see hydrate's ``prefix``); nothing where none is."""
    try:
        with open(os.path.join(prefix, "conda-meta", "conjoin"), "rb") as file:
            told = json.loads(file.read().decode())
    except (OSError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _marker_of(wanted: LockedEnvironment) -> dict[str, Any]:
    """Return what a complete prefix of an environment says of itself."""
    return {
        "req_id": wanted.req_id,
        "full_id": wanted.full_id,
        "platform": wanted.platform,
        "platform_digest": wanted.platform_digest,
        "complete": True,
        "schema": 2,
    }


def _holds(there: Mapping[str, Any], wanted: LockedEnvironment) -> bool:
    """Return whether a prefix has these packages, of whichever lock it was made: the engine takes it over."""
    names = ("platform", "platform_digest", "complete", "schema")
    expected = _marker_of(wanted)
    return all(there.get(name) == expected[name] for name in names)


def _made(folder: str) -> str:
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise Unreachable(
            f"the cache's folder cannot be made ({error.strerror})", where=folder, advice="give --cache"
        ) from None
    return folder


class _Work:
    """Everything at once: the toolkit and the packages come, the engine starts as soon as it can."""

    def __init__(
        self,
        wanted: LockedEnvironment,
        downloads: Downloads,
        place: str,
        cache: str,
        target: str,
        variables: Mapping[str, str] | None,
        trusted: frozenset[str],
    ) -> None:
        self._trusted = trusted
        self._wanted = wanted
        self._downloads = downloads
        self._place = place
        self._cache = cache
        self._store = os.path.join(cache, "store")
        self._target = target
        self._variables = variables
        self._events = queue.Queue()  # type: queue.Queue[tuple[str, Any]]
        self._pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE, thread_name_prefix="conjoin-fetch")
        self._packages = {}  # type: dict[str, concurrent.futures.Future[None]]
        self._engine = None  # type: Engine | None

    def run(self, *, fetch: bool) -> dict[str, Any]:
        """Return what the engine says in the end.

        :param fetch: begin to fetch packages, and do not wait until the engine wants them.
        """
        python, wheels = self._toolkit()
        kept = {}  # type: dict[str, str]
        pieces = dict(wheels, python=python) if python is not None else wheels
        for project, piece in pieces.items():
            self._submit(project, self._bringing(piece))
        for package in self._wanted.files:
            if fetch and not self._is_here(package):
                self._bring(package)
        missing = set(pieces)
        while True:
            word, value = self._events.get()
            if word in missing:
                missing.discard(word)
                kept[word] = value
                if self._engine is not None:
                    self._engine.tell("path", value)
                elif "msgspec" in kept and (python is None or "python" in kept):
                    program = os.path.join(kept["python"], python.executable) if python else sys.executable
                    self._start(program, [kept[each] for each in kept if each != "python"])
                if not missing and self._engine is not None:
                    self._engine.tell("go", True)
            elif word == "want":
                self._bring(value).add_done_callback(self._telling("here", value["sha256"]))
            elif word == "here" and self._engine is not None:
                self._engine.tell("ready", value)
            elif word in ("failed", "end"):
                raise value
            elif word == "result":
                return self._result(value)

    def give_up(self) -> None:
        """Stop everything soon."""
        if self._engine is not None:
            self._engine.kill()
        for future in list(self._packages.values()):
            future.cancel()
        self._pool.shutdown(wait=False)

    def _toolkit(self) -> tuple[ToolkitFile | None, dict[str, ToolkitFile]]:
        """Return the packed Python, if this one is not enough, and the wheels that are needed."""
        here, platform = python_tag(), self._wanted.platform
        toolkit = read_toolkit(self._description, platform, self._place)
        wheels = toolkit.wheels(here)
        python = None
        if wheels is None:
            python = read_python(self._description, platform, self._place, here)
            wheels = toolkit.wheels(python.pythons[0])
            if wheels is None:
                raise ConjoinError(
                    f"the toolkit has no wheels for its own Python {python.pythons[0]}",
                    where=self._place,
                    advice="make it again with `conjoin toolkit --force`",
                )
        # The big one that not every environment needs.
        if not any(each.get("kind") != "conda" for each in self._wanted.packages):
            wheels.pop("uv", None)
        return python, wheels

    def _description(self, key: str) -> bytes | None:
        """Return what describes the toolkit; whoever may write the store could put programs of theirs there.

        :raises IntegrityError: where it is not one of those that were passed on.
        """
        text = self._downloads.document(key)
        if text is not None and self._trusted:
            found = hashlib.sha256(text).hexdigest()
            if found not in self._trusted:
                raise IntegrityError(
                    f"the toolkit is not the one that was passed on: {key} has sha256 {found}",
                    where=self._place,
                    advice="if it was made anew since, start again from where the digest comes from; else ask"
                    " whoever runs the store",
                )
        return text

    def _bringing(self, wheel: ToolkitFile) -> Callable[[], str]:
        return lambda: wheel.bring(self._downloads, self._wanted.platform, self._cache)

    def _telling(self, word: str, value: str) -> Callable[[Any], None]:
        return lambda _: self._events.put((word, value))

    def _submit(self, word: str, work: Callable[[], Any]) -> concurrent.futures.Future[None]:
        def done() -> None:
            try:
                self._events.put((word, work()))
            except BaseException as error:
                self._events.put(("failed", error))
                raise

        return self._pool.submit(done)

    def _bring(self, package: Mapping[str, Any]) -> concurrent.futures.Future[None]:
        """Begin to fetch a package, unless that was begun already."""
        sha256 = package["sha256"]
        found = self._packages.get(sha256)
        if found is None:
            path, key = self._path(package), _key(package)
            fetch = self._downloads.file
            found = self._submit("package", lambda: fetch(key, path, sha256, int(package.get("size", 0))))
            self._packages[sha256] = found
        return found

    def _is_here(self, package: Mapping[str, Any]) -> bool:
        """Return whether a package need not be fetched, as far as one can see; the engine looks closer."""
        sha256 = package["sha256"]
        if package["kind"] == "conda":
            extracted = os.path.join(self._cache, "conda", sha256[:2], sha256, "manifest.json")
            if os.path.isfile(extracted):
                return True
        try:
            found = os.stat(self._path(package)).st_size
        except OSError:
            return False
        return found == int(package.get("size", 0)) or not package.get("size")

    def _path(self, package: Mapping[str, Any]) -> str:
        return os.path.join(self._store, *_key(package).split("/"))

    def _start(self, program: str, path: list[str]) -> None:
        # By its bytes: another lock of these packages, on its way at the same time, is another file.
        name = hashlib.sha256(self._wanted.text).hexdigest()
        lock = os.path.join(self._cache, "locks", name + ".json")
        _write(lock, self._wanted.text)
        mine = (
            os.path.realpath(sys.executable),
            platform_module.python_version(),
            "cp" + python_tag().replace(".", "") if sys.implementation.name == "cpython" else "",
        )
        work = {
            "lock": lock,
            "digest": self._wanted.digest,
            "platform": self._wanted.platform,
            "store": self._store,
            "prefix": self._target,
            "python": mine,
            "variables": None if self._variables is None else dict(self._variables),
        }
        path = [*path, engine_code(self._cache)]
        self._engine = Engine(
            program, path, work, self._environment(), lambda *event: self._events.put(event)
        )

    def _environment(self) -> dict[str, str]:
        found = {name: value for name, value in os.environ.items() if not name.startswith("CONJOIN_")}
        found.update(
            CONJOIN_STORE=self._store,
            CONJOIN_CACHE=self._cache,
            CONJOIN_STATE=os.path.join(self._cache, "state"),
            CONJOIN_ENVS=os.path.dirname(self._target),
            CONJOIN_CONFIG=os.devnull,
            CONJOIN_PROJECT=os.devnull,
        )
        return found

    def _result(self, told: dict[str, Any]) -> dict[str, Any]:
        assert self._engine is not None
        self._engine.end()
        self._pool.shutdown(wait=True)
        error = told.get("error")
        if error is not None:
            raise _error_of(error)
        return told


def _error_of(told: dict[str, Any]) -> ConjoinError:
    for kind in ConjoinError.__subclasses__():
        if kind.exit_code == told["exit_code"]:
            return kind(told["what"], where=told["where"], advice=told["advice"])
    return ConjoinError(told["what"], where=told["where"], advice=told["advice"])


def _key(package: Mapping[str, Any]) -> str:
    return "packages/{}/{}/{}".format(package["sha256"][:2], package["sha256"], package["file"])


def _forget(path: str) -> None:
    with disk_errors(path):
        if os.path.exists(path):
            os.unlink(path)


def _write(path: str, content: str | bytes) -> None:
    with disk_errors(path):
        folder = os.path.dirname(os.path.abspath(path))
        os.makedirs(folder, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".", suffix=".part")
        try:
            try:
                write_all(descriptor, content.encode() if isinstance(content, str) else content, path)
            finally:
                os.close(descriptor)
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
