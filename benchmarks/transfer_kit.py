"""What the object store benchmark needs: packages in a local store, their lock, tools, and an S3 server."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.timing import CommandFailed, run_command
from benchmarks.workshop import ROOT, Workshop
from conjoin.lock.format import write_lock
from conjoin.lock.identity import make_lock, requirements_id
from conjoin.lock.model import LockedPackage, LockedPlatform
from conjoin.store.packages import Packages

__all__ = ["BUCKET", "Parcels", "install_tools", "make_parcels", "narrow", "roomy_folder", "serve_s3"]

BUCKET = "bucket"
_KEY, _SECRET = "loopback-key", "loopback-secret"
_BLOCK = 16 << 20


@dataclass(frozen=True)
class Parcels:
    """Packages to be sent.

    :ivar lock: path of the lock that names them.
    :ivar store: the local store that has them.
    :ivar flat: a folder with the same files, linked, for tools that copy folders.
    :ivar size: bytes of all together.
    """

    lock: Path
    store: Path
    flat: Path
    count: int
    size: int

    @property
    def text(self) -> str:
        """How many, and how much."""
        return f"{self.count} package{'s' if self.count > 1 else ''} ({self.size / 1e9:.1f} GB)"


def roomy_folder(workshop: Workshop, size: int) -> Path:
    """Return a folder for four times ``size`` bytes: in memory if there is room: no disk is measured."""
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > 4 * size and _free_memory() > 5 * size:
        return workshop.fresh_in(memory, "objects")
    return workshop.fresh("objects")


def make_parcels(folder: Path, count: int, size: int) -> Parcels:
    """Make packages of random bytes whose sizes fall as those of an environment do: few are most of it."""
    weights = [1 / (number + 4) for number in range(count)]
    sizes = [int(size * weight / sum(weights)) for weight in weights]
    block = os.urandom(_BLOCK)
    packages, flat = Packages(folder / "store"), folder / "flat"
    flat.mkdir(parents=True)
    locked = []
    for number, length in enumerate(sizes):
        file = f"p{number}-1.0-py3-none-any.whl"
        sha256 = _write(flat / file, f"{number:016}".encode(), block, length)
        kept = packages.path(sha256, file)
        kept.parent.mkdir(parents=True)
        kept.hardlink_to(flat / file)
        package = LockedPackage(
            kind="pypi",
            name=f"p{number}",
            version="1.0",
            file=file,
            url=f"https://index.example/{file}",
            sha256=sha256,
            size=length,
        )
        locked.append(package)
    asked = {"scheme": 1, "benchmark": "object store"}
    platforms = {"linux-64": LockedPlatform(virtual_packages={}, packages=tuple(locked))}
    write_lock(folder / "x.lock", make_lock(asked, requirements_id(asked), platforms))
    return Parcels(folder / "x.lock", folder / "store", flat, count, sum(sizes))


def install_tools(workshop: Workshop) -> Path:
    """Install what is compared with, in an environment kept from run to run; return its programs' folder.

    :raises CommandFailed: where the public index does not have them, or cannot be reached.
    """
    tools = workshop.keep / "tools"
    if not all((tools / "bin" / name).exists() for name in ("aws", "s5cmd", "rclone")):
        run_command([sys.executable, "-m", "venv", "--clear", str(tools)], os.environ)
        wanted = str(ROOT / "benchmarks" / "requirements.txt")
        run_command([str(tools / "bin" / "pip"), "install", "--quiet", "-r", wanted], os.environ)
    return tools / "bin"


@contextmanager
def serve_s3(programs: Path, folder: Path) -> Iterator[dict[str, str]]:
    """Serve ``folder`` by S3 with rclone, and give the variables by which clients find it.

    Without its checksums, which alone take longer than any client: the server must not be what is measured.
    """
    (folder / BUCKET).mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"127.0.0.1:{port}"
    process = subprocess.Popen(
        [
            *(str(programs / "rclone"), "serve", "s3", "--addr", address, "--auth-key", f"{_KEY},{_SECRET}"),
            *("--config", os.devnull, "--etag-hash", "", "--ignore-checksum", "--no-checksum", str(folder)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, process)
        yield {
            "AWS_ENDPOINT_URL": f"http://{address}",
            "AWS_ACCESS_KEY_ID": _KEY,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
    finally:
        process.terminate()
        process.wait()


@contextmanager
def narrow(workshop: Workshop, variables: dict[str, str], bytes_per_second: int) -> Iterator[dict[str, str]]:
    """Give the variables of the same server behind a line that gives each connection only so much."""
    port = variables["AWS_ENDPOINT_URL"].rpartition(":")[2]
    process = subprocess.Popen(
        workshop.python("narrow_line.py", port, str(bytes_per_second)), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield variables | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{int(process.stdout.readline())}"}
    finally:
        process.terminate()
        process.communicate()


def _write(path: Path, head: bytes, block: bytes, length: int) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        left = length
        for piece in (head, *[block] * (length // _BLOCK + 1)):
            digest.update(piece[:left])
            file.write(piece[:left])
            left -= len(piece[:left])
    return digest.hexdigest()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(500):
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise CommandFailed("rclone serve s3 does not start")


def _free_memory() -> int:
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
