"""What the tests of hydrating share: locks over the forged channel and tiny wheels, and trees to compare."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from packaging.version import Version

from conjoin.lock.identity import make_lock, requirements_id
from conjoin.lock.model import Lock, LockedPackage, LockedPlatform
from conjoin.spec.platform import host_platform

BASE = ("python", "python_abi", "tinyapp", "tinylib")
"""Python, a noarch package with a console script, and what that needs."""


def conda_packages(channel: Path, url: str | None = None, names: Sequence[str] = ()) -> list[LockedPackage]:
    """Return locked packages of a channel: of all names (or ``names``) the highest version, but tinylib 1."""
    base = (url or channel.as_uri()).rstrip("/")
    best: dict[str, tuple[str, dict[str, Any]]] = {}
    for subdir in (host_platform(), "noarch"):
        repodata = json.loads((channel / subdir / "repodata.json").read_text())
        for file, record in {**repodata["packages"], **repodata["packages.conda"]}.items():
            if record["name"] == "tinylib" and Version(record["version"]) >= Version("2"):
                continue
            known = best.get(record["name"])
            if known is None or Version(record["version"]) > Version(known[1]["version"]):
                best[record["name"]] = (file, {**record, "subdir": subdir})
    return [
        LockedPackage(
            kind="conda",
            name=name,
            version=record["version"],
            build=record["build"],
            build_number=record["build_number"],
            file=file,
            url=f"{base}/{record['subdir']}/{file}",
            sha256=record["sha256"],
            md5=record.get("md5", ""),
            size=record["size"],
            subdir=record["subdir"],
            channel=base,
            noarch=record.get("noarch") or "",
            dependencies=tuple(record.get("depends", ())),
            constrains=tuple(record.get("constrains", ())),
            license=record.get("license") or "",
            timestamp=record.get("timestamp", 0),
            python_site_packages_path=record.get("python_site_packages_path") or "",
        )
        for name, (file, record) in sorted(best.items())
        if not names or name in names
    ]


def locked_wheel(path: Path, url: str | None = None) -> LockedPackage:
    content = path.read_bytes()
    name, version = path.name.split("-")[:2]
    return LockedPackage(
        kind="pypi",
        name=name.lower().replace("_", "-"),
        version=version,
        file=path.name,
        url=url or path.as_uri(),
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
    )


def lock_of(packages: Iterable[LockedPackage], **requirements: object) -> Lock:
    canonical = {"scheme": 1, **requirements}
    platform = LockedPlatform(virtual_packages={"__glibc": "2.28"}, packages=tuple(packages))
    return make_lock(canonical, requirements_id(canonical), {host_platform(): platform})


def tree(prefix: Path) -> dict[str, tuple[int, str]]:
    """Return every file, link and folder below ``prefix``: mode and content's hash (or link's target)."""
    found = {}
    for folder, names, files in os.walk(prefix):
        for name in [*names, *files]:
            path = Path(folder, name)
            facts = path.lstat()
            if stat.S_ISLNK(facts.st_mode):
                content = str(path.readlink())
            elif stat.S_ISREG(facts.st_mode):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                content = ""
            found[path.relative_to(prefix).as_posix()] = (facts.st_mode, content)
    return found


def neighbours(prefix: Path) -> set[str]:
    """Return what lies beside a prefix: leftovers, if it is not empty."""
    return {path.name for path in prefix.parent.iterdir()} - {prefix.name}


def output(*command: str | Path, **options: Any) -> str:
    """Run a command of a prefix, which stays as it was: a Python keeps no bytecode."""
    env = {**(options.pop("env", None) or os.environ), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=True, env=env, **options
    )
    return done.stdout.strip()


HYDRATE = """
import sys
from pathlib import Path
from conjoin.errors import ConjoinError
from conjoin.prefix.hydrate import HydrateOptions, hydrate
from conjoin.lock.format import read_lock
try:
    print(hydrate(read_lock(Path(sys.argv[1])), options=HydrateOptions(prefix=Path(sys.argv[2]))))
except ConjoinError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


DIES = """
import json, os, signal, sys
from pathlib import Path
from conjoin.prefix.hydrate import HydrateOptions, hydrate
from conjoin.lock.format import read_lock
left, below = 0, ""
changes = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod", "open"}
def hook(event, arguments):
    global left
    if event not in changes or not isinstance(arguments[0], str) or not arguments[0].startswith(below):
        return
    if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
        return
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
for line in sys.stdin:
    lock_file, prefix, below, left, variables = json.loads(line)
    if not os.fork():
        os.environ.update(variables)
        sys.addaudithook(hook)
        hydrate(read_lock(Path(lock_file)), options=HydrateOptions(prefix=Path(prefix)))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


@contextmanager
def dying_processes(lock_file: Path) -> Iterator[Callable[..., int]]:
    """Yield what hydrates a lock in a process that is killed, and returns how that ended.

    It is called with the prefix, a folder, and the number of the change below that folder before which the
    process is killed; what is given by name are variables of that process. All are forked from one that has
    done nothing but import: importing takes longer than hydrating.
    """
    with subprocess.Popen(
        [sys.executable, "-c", DIES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        talk, listen = parent.stdin, parent.stdout

        def die(prefix: Path, below: Path, change: int, **variables: str) -> int:
            talk.write(json.dumps([str(lock_file), str(prefix), str(below), change, variables]) + "\n")
            talk.flush()
            return int(listen.readline())

        yield die


def hydrating_process(lock_file: Path, prefix: Path, **options: Any) -> subprocess.Popen[str]:
    """Start a process that hydrates a lock; its places are those of this test's environment variables."""
    return subprocess.Popen(
        [sys.executable, "-c", HYDRATE, str(lock_file), str(prefix)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
