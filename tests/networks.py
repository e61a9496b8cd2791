"""A network that containers of tests are in: a loopback of its own, and on it what is let in, nothing else.

This file is also the program that holds the network: standard library alone.
"""

from __future__ import annotations

import array
import fcntl
import functools
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence

__all__ = ["Network", "no_networks"]

_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
_AS_ROOT = ("--user", "--net", "--preserve-credentials")


class Network:
    """A network namespace, and a process that is in it until this one is gone.

    :raises OSError: where this machine's kernel gives none.
    """

    def __init__(self) -> None:
        self._talk, theirs = socket.socketpair()
        with theirs:
            self._holder = subprocess.Popen(
                ["unshare", "--map-root-user", "--net", sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stderr=subprocess.DEVNULL,
            )
        if not self._talk.recv(1):
            self._holder.wait()
            raise OSError("there is no network of one's own here")

    def listen(self, port: int) -> socket.socket:
        """Return a socket that listens there, although this process is elsewhere."""
        self._talk.sendall(struct.pack("!H", port))
        _, [descriptor], _, _ = socket.recv_fds(self._talk, 1, 1)
        return socket.socket(fileno=descriptor)

    def inside(self, command: Sequence[str]) -> list[str]:
        """Return the command line that runs a command there."""
        return ["nsenter", "--target", str(self._holder.pid), *_AS_ROOT, "--", *command]

    def close(self) -> None:
        self._talk.close()
        self._holder.wait()


@functools.cache
def no_networks() -> str | None:
    """Return why containers cannot be given a network of their own here, None where they can."""
    try:
        network = Network()
    except OSError as error:
        return str(error)
    try:
        done = subprocess.run(network.inside(["true"]), capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    finally:
        network.close()
    return None if done.returncode == 0 else done.stderr.strip()


def _hold(descriptor: int) -> None:
    with socket.socket(fileno=descriptor) as talk:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))
        talk.sendall(b".")
        while port := talk.recv(2):
            with socket.socket() as listening:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listening.bind(("127.0.0.1", *struct.unpack("!H", port)))
                listening.listen(128)
                files = array.array("i", [listening.fileno()])
                talk.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])


if __name__ == "__main__":
    _hold(int(sys.argv[1]))
