"""Python processes that have imported Metaflow already: to import it is most of what a flow's command costs.

A server is a process with the variables of a command, which imports Metaflow as the command would, and then
becomes the command in a fork of itself, as often as it is asked. What was asked for has a process of its own,
and its own standard streams; only the interpreter's beginning is another's.

This file is also the server's program: standard library alone.
"""

from __future__ import annotations

import array
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

__all__ = ["SERVERS"]

_READ_LATE = ("CONJOIN_", "FAIL", "SHOW")
"""What names begin with that flows read, and Conjoin when it is used: nothing that is being imported."""

_PATIENCE = 1800.0
"""Seconds that a command may take, of a machine that has much else to do."""

_MOST = 4
"""How many servers are kept: each has some 100 MB."""


class _Servers:
    """Servers by what Metaflow reads as it is imported: the folder, and the variables."""

    def __init__(self) -> None:
        self._servers: dict[tuple[object, ...], _Server] = {}
        self._lock = threading.Lock()

    def run(self, command: Sequence[str], folder: Path, variables: Mapping[str, str]) -> tuple[int, str, str]:
        """Do as ``subprocess.run`` does with a command that this Python runs; return code, stdout, stderr."""
        early = {name: value for name, value in variables.items() if not name.startswith(_READ_LATE)}
        key = (folder, *sorted(early.items()))
        with self._lock:
            server = self._servers.pop(key, None) or _Server(folder, early)
            self._servers[key] = server  # the last one used is the last one to go
            gone = [self._servers.pop(next(iter(self._servers))) for _ in range(len(self._servers) - _MOST)]
        for each in gone:
            each.close()
        return server.run([*command][1:], variables)


SERVERS = _Servers()
"""Of this process: they end as it does."""


class _Server:
    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self._talk, theirs = socket.socketpair()
        self._talk.settimeout(_PATIENCE)
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                cwd=folder,
                env=variables,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def run(self, words: Sequence[str], variables: Mapping[str, str]) -> tuple[int, str, str]:
        asked = json.dumps([list(words), dict(variables)]).encode()
        (out, their_out), (err, their_err) = os.pipe(), os.pipe()
        said: dict[int, bytes] = {}

        def read(descriptor: int) -> None:
            with open(descriptor, "rb") as file:
                said[descriptor] = file.read()

        readers = [threading.Thread(target=read, args=(one,), daemon=True) for one in (out, err)]
        with self._lock:
            try:
                socket.send_fds(self._talk, [struct.pack("!I", len(asked))], [their_out, their_err])
            finally:
                os.close(their_out)
                os.close(their_err)
            self._talk.sendall(asked)
            for reader in readers:
                reader.start()
            answer = self._talk.recv(4)
        # As with pipes of a process: to their end, whoever else holds them.
        for reader in readers:
            reader.join()
        assert answer, f"the server has ended: {said[err].decode()}"
        return struct.unpack("!i", answer)[0], said[out].decode(), said[err].decode()

    def close(self) -> None:
        """End the server; whatever it has running goes on."""
        with self._lock:
            self._talk.close()
            self._process.wait()


def _serve(talk: socket.socket) -> tuple[list[str], dict[str, str]]:
    """Fork for everything that is asked; return in each fork, with what it was asked."""
    length_of = struct.Struct("!I")
    while True:
        head, ancillary, _, _ = talk.recvmsg(4, socket.CMSG_SPACE(2 * array.array("i").itemsize))
        if not head:
            os._exit(0)
        [(_, _, packed)] = ancillary
        descriptors = array.array("i", packed)
        [length] = length_of.unpack(head)
        words, variables = json.loads(talk.recv(length, socket.MSG_WAITALL))
        child = os.fork()
        if child == 0:
            talk.close()
            for stream, descriptor in zip((1, 2), descriptors, strict=True):
                os.dup2(descriptor, stream)
                os.close(descriptor)
            return words, variables
        for descriptor in descriptors:
            os.close(descriptor)
        _, status = os.waitpid(child, 0)
        with suppress(OSError):
            talk.sendall(struct.pack("!i", os.waitstatus_to_exitcode(status)))


def _become(words: list[str], of_the_server: set[str]) -> None:
    """Run what Python's command line says: ``FILE ...``, ``-m MODULE ...`` or ``-c PROGRAM ...``.

    :param of_the_server: names in ``__main__`` that are this program's; Metaflow puts some there as well.
    """
    import runpy

    what, *rest = words
    main: dict[str, Any] = sys.modules["__main__"].__dict__
    run = partial(runpy._run_module_as_main, *rest[:1])  # what Python itself calls for -m
    entry, sys.argv = str(Path.cwd()), rest
    if what != "-m":
        if what == "-c":
            entry, sys.argv = "", [what, *rest[1:]]
            program = compile(rest[0], "<string>", "exec", dont_inherit=True)
        else:
            entry, sys.argv = str(Path(what).resolve().parent), words
            program = compile(Path(what).read_bytes(), what, "exec", dont_inherit=True)
        run = partial(exec, program, main)
    sys.path.insert(0, entry)
    for each in of_the_server:
        del main[each]
    main["__doc__"] = None
    if what not in ("-c", "-m"):
        main["__file__"] = what
    run()


if __name__ == "__main__":
    import gc

    del sys.path[0]
    _own = {each for each in globals() if not each.startswith("__") or each in ("__all__", "__file__")}
    import metaflow  # noqa: F401 (its command line depends on the flow)

    gc.freeze()
    _words, _variables = _serve(socket.socket(fileno=int(sys.argv[1])))
    os.environ.clear()
    os.environ.update(_variables)
    _become(_words, {*_own, "metaflow", "_own", "_words", "_variables"})
