"""The engine in a bare container: hydrates what another process brings, which it talks to in lines of JSON.

``conjoin.bootstrap`` starts it with the toolkit alone on ``sys.path``, and tells it:

* ``{"work": {...}}``: what to make of which lock, and where;
* ``{"path": FOLDER}``: another piece of the toolkit is there;
* ``{"go": true}``: all of the toolkit is there;
* ``{"ready": SHA256}``: a package lies in the store, verified.

It answers ``{"want": {"sha256", "file", "size"}}`` for each package that it misses, and in the end
``result``: the prefix, or an error. Whatever libraries print goes to stderr.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from conjoin.errors import ConjoinError
from conjoin.lock.format import read_lock
from conjoin.lock.model import LockedPackage
from conjoin.prefix.activation import environment_variables
from conjoin.prefix.hydrate import HydrateOptions, hydrate
from conjoin.store.locks import refuse_other_digest
from conjoin.store.packages import Packages
from conjoin.store.store import Store
from conjoin.store.transfer.fetch import Fetcher

__all__ = ["main"]


class _Work(msgspec.Struct, frozen=True):
    """What to make.

    :ivar lock: path of the lock file.
    :ivar digest: of the whole lock, as the parent read it.
    :ivar store: the folder packages are brought to.
    :ivar prefix: where to.
    :ivar python: of the container: path, version and ABI, for locks that name a Python of the host.
    :ivar variables: tell those that a program of the prefix needs, beginning with these; None: tell none.
    """

    lock: str
    digest: str
    platform: str
    store: str
    prefix: str
    python: tuple[str, str, str]
    variables: dict[str, str] | None


class _Parent:
    """The process that feeds this one; if it dies, so does this one."""

    def __init__(self, said: BinaryIO, answers: BinaryIO) -> None:
        self._said = said
        self._answers = answers
        self._lock = threading.Lock()
        self._ready: dict[str, threading.Event] = {}
        self._go = threading.Event()

    def read_work(self) -> _Work:
        told = msgspec.json.decode(self._said.readline(), type=dict[str, _Work])
        threading.Thread(target=self._listen, daemon=True).start()
        return told["work"]

    def wait_for_toolkit(self) -> None:
        self._go.wait()
        importlib.invalidate_caches()

    def want(self, package: LockedPackage) -> None:
        """Ask for a package and wait until it is there."""
        with self._lock:
            ready = self._ready.setdefault(package.sha256, threading.Event())
        self.tell("want", {"sha256": package.sha256, "file": package.file, "size": package.size})
        ready.wait()

    def tell(self, word: str, value: object) -> None:
        with self._lock:
            self._answers.write(msgspec.json.encode({word: value}) + b"\n")
            self._answers.flush()

    def _listen(self) -> None:
        for line in self._said:
            for word, value in msgspec.json.decode(line).items():
                if word == "path":
                    sys.path.insert(0, value)
                elif word == "go":
                    self._go.set()
                elif word == "ready":
                    with self._lock:
                        self._ready.setdefault(value, threading.Event()).set()
        os._exit(1)  # whatever is being made is known to be incomplete


class _ParentFetcher(Fetcher):
    """Fetches by asking the parent: without the base's connections and credentials, which are not here."""

    def __init__(self, packages: Packages, parent: _Parent) -> None:
        self._packages = packages
        self._parent = parent

    def fetch(self, package: LockedPackage) -> Path:
        """Wait until the parent has brought a package, which it verified, and return its path."""
        self._parent.want(package)
        return self._packages.path(package.sha256, package.file)

    def stop(self) -> None:
        """Nothing: the parent gives up when it hears of the error."""

    def close(self) -> None:
        """Nothing is open."""


def main() -> None:
    """Hydrate what the parent tells, tell it the prefix or the error, and end this process."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    parent = _Parent(sys.stdin.buffer, answers)
    work = parent.read_work()
    parent.wait_for_toolkit()
    try:
        result: dict[str, Any] = _make(work, parent)
    except ConjoinError as error:
        result = {
            "error": {
                "what": error.what,
                "where": error.where,
                "advice": error.advice,
                "exit_code": error.exit_code,
            }
        }
    except Exception as error:
        import traceback

        traceback.print_exc()
        result = {
            "error": {
                "what": f"this is a bug in conjoin: {type(error).__name__}: {error}",
                "where": None,
                "advice": "please report it",
                "exit_code": ConjoinError.exit_code,
            }
        }
    parent.tell("result", result)
    # The parent goes on with what it was started for: nothing here is worth waiting for.
    os._exit(0)


def _make(work: _Work, parent: _Parent) -> dict[str, Any]:
    lock = read_lock(Path(work.lock))
    refuse_other_digest(lock, work.digest, work.lock)
    store = Store(work.store)
    path, version, abi = work.python

    def find_python(package: LockedPackage) -> Path | None:
        is_it = (package.implementation, package.version, package.abi) == ("cpython", version, abi)
        return Path(path) if is_it else None

    prefix = hydrate(
        lock,
        work.platform,
        HydrateOptions(
            prefix=Path(work.prefix),
            find_python=find_python,
            make_fetcher=lambda _received: _ParentFetcher(store.packages, parent),
        ),
        store=store,
    )
    variables = environment_variables(prefix, work.variables) if work.variables is not None else {}
    return {"prefix": str(prefix), "variables": variables}
