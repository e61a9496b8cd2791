"""What uv asks every interpreter it meets, answered out of a cache in the place of a prefix's Python.

uv starts the interpreter to learn its version, tags and folders, and remembers the answer by the
interpreter's path: so for a new prefix it asks anew, which costs more than linking 64 wheels. The same conda
packages on the same host give the same answer but for the prefix's path, so it is kept, and given by a shell
script. What uv is told is word for word what that Python said; anything but this question reaches Python.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from conjoin.lock.model import LockedPackage
from conjoin.writing import replace

__all__ = ["InterpreterCache"]

# At the start of a JSON string, as the prefix is in all paths below it.
_PREFIX = '"@PREFIX@'

_OTHER_QUESTIONS = """#!/bin/sh
case "$*" in *get_interpreter_info*) ;; *) exec {python} "$@" ;; esac
"""
_ASK = """answer=$({python} "$@") || exit
printf '%s\\n' "$answer" > {note}
printf '%s\\n' "$answer"
"""
_TELL = """printf '%s\\n' {answer}
"""


class InterpreterCache:
    """What uv is told of the Python of one prefix that conda packages brought, and was told of others alike.

    :ivar python: that Python.
    :param root: where answers are kept.
    :param work: a folder of this process alone.
    :param packages: the conda packages of the prefix.
    """

    def __init__(self, prefix: Path, *, root: Path, work: Path, packages: Iterable[LockedPackage]) -> None:
        self._prefix = str(prefix)
        self.python = prefix / "bin" / "python"
        self._root = root
        self._work = work
        self._packages = tuple(packages)

    def executable(self) -> Path:
        """Return what to give uv as the interpreter; Python itself where nothing can answer in its place."""
        if not self._is_possible():
            return self.python
        python = shlex.quote(str(self.python))
        answer = self._remembered()
        if answer is None:
            last = _ASK.format(python=python, note=shlex.quote(str(self._note)))
        else:
            last = _TELL.format(answer=shlex.quote(answer))
        script = self._work / "python"
        text = _OTHER_QUESTIONS.format(python=python) + last
        replace(script, text.encode(), durable=False, mode=0o755)
        return script

    def learn(self) -> None:
        """Keep what Python answered, if it was asked, and if every path it named lies in the prefix."""
        try:
            text = self._note.read_text("utf-8").strip()
            answer = json.loads(text)
        except (OSError, ValueError):
            return
        if not isinstance(answer, dict) or answer.get("result") != "success" or _PREFIX in text:
            return
        kept = text.replace(_quoted(self._prefix), _PREFIX)
        outside = [path for path in _paths(answer) if not f"{path}/".startswith(f"{self._prefix}/")]
        if not outside and _quoted(self._prefix)[1:] not in kept:
            replace(self._kept, kept.encode(), durable=False)

    def forget(self) -> None:
        """Forget the answer: uv failed, perhaps because of it."""
        if self._is_possible():
            self._kept.unlink(missing_ok=True)

    @property
    def _note(self) -> Path:
        return self._work / "interpreter.json"

    @cached_property
    def _kept(self) -> Path:
        return self._root / f"{_key(self._packages)}.json"

    def _remembered(self) -> str | None:
        try:
            text = self._kept.read_text("utf-8").replace(_PREFIX, _quoted(self._prefix))
            json.loads(text)
        except (OSError, ValueError):
            return None
        return text

    def _is_possible(self) -> bool:
        return (
            os.name != "nt"
            and os.access("/bin/sh", os.X_OK)
            # Through links, Python may see itself under another path than we do.
            and os.path.realpath(self._prefix) == self._prefix
            and not os.statvfs(self._work).f_flag & getattr(os, "ST_NOEXEC", 0)  # Linux's alone
        )


def _key(packages: Iterable[LockedPackage]) -> str:
    """Return what decides the answer: the packages, this host, and the uv that asks."""
    from uv import find_uv_bin

    uv = os.stat(find_uv_bin())  # noqa: PTH116 (its version would cost an import)
    libc = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else ""
    host = [*os.uname(), libc]
    facts = [sorted(each.sha256 for each in packages), host, uv.st_size, uv.st_mtime_ns]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _quoted(text: str) -> str:
    """Return ``text`` as the start of a JSON string, as Python writes it."""
    return json.dumps(text)[:-1]


def _paths(value: object) -> Iterable[str]:
    """Yield the absolute paths in a JSON value."""
    if isinstance(value, str) and value.startswith("/"):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _paths(each)
    elif isinstance(value, list):
        for each in value:
            yield from _paths(each)
