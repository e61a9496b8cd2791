"""What the launcher writes on the command line of a task that is sent elsewhere, and what that task reads.

Everything is quoted twice on its way and must come out as it went in: so one call, of plain words.
Standard library alone: a bare container reads it too.
"""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple, Sequence

__all__ = ["ENGINE_FOLDER", "EXECUTABLE", "LOCK_FOLDER", "RemoteTask", "lock_file"]

EXECUTABLE = "./__conda_python"
"""The Python of a remote task, in the folder that the task's code is unpacked to."""

ENGINE_FOLDER = "conjoin_engine"
"""In the code package: what hydrating is written in, where no task's imports find it."""

LOCK_FOLDER = "conjoin"
"""In the code package, among what is no code: the locks of this flow."""

_PROGRAM = "metaflow_extensions.conjoin.plugins.environment.remote.bootstrap"
_FETCH = "--fetch"
_TOOLKIT = "--toolkit-sha256"

# A blank would be a second word, and braces side by side mean something to Argo Workflows and to Airflow.
_PLAIN = re.compile(r"(?:[A-Za-z0-9_./:=+~-]|@\{\w+\}|@(?!\{))+")


class RemoteTask(NamedTuple):
    """Which environment a remote task makes for itself, and out of what.

    :ivar store: the store's address.
    :ivar platform: what the task runs on, in conda's words.
    :ivar environment: ``req_id:full_id@sha256:DIGEST``; or a name that is looked up when the task starts.
    :ivar fetched: whether it is such a name.
    :ivar datastore_root: where the run's parameters are; for names alone.
    :ivar toolkit: sha256 of the toolkit's descriptions: whoever may write the store is not trusted with it.
    """

    store: str
    platform: str
    environment: str
    fetched: bool = False
    datastore_root: str = ""
    toolkit: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The command that makes the environment.

        :raises ValueError: naming what cannot stand on a command line.
        """
        words = [self.store, self.platform, self.environment]
        if self.fetched:
            words += [_FETCH, self.datastore_root]
        for digest in self.toolkit:
            words += [_TOOLKIT, digest]
        for word in words:
            if word and not _PLAIN.fullmatch(word):
                raise ValueError(word)
        return " ".join(["python", "-m", _PROGRAM, *map(shlex.quote, words)])

    @classmethod
    def read(cls, words: Sequence[str]) -> RemoteTask:
        """Return what a command line says (see :attr:`command`), without the program."""
        store, platform, environment, *rest = words
        fetched = rest[:1] == [_FETCH]
        root = "".join(rest[1:2]) if fetched else ""
        toolkit = [digest for word, digest in zip(rest, rest[1:]) if word == _TOOLKIT]
        return cls(store, platform, environment, fetched, root, tuple(toolkit))


def lock_file(environment: str) -> str:
    """Return the name of a lock in :data:`LOCK_FOLDER`, by ``req_id:full_id``, whatever it is pinned to."""
    return environment.partition("@")[0].replace(":", "_") + ".json"
