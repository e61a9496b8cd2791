"""Programs that end with all they have started."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conjoin.build.building_indexes import BuildingIndexes
from conjoin.build.processes import Programs, TooLong
from conjoin.spec.names import PypiName
from worlds import make_index, write_sdist

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="groups of processes")

PARENT = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open(sys.argv[1] + ".new", "w") as file:
    file.write(str(child.pid))
os.rename(sys.argv[1] + ".new", sys.argv[1])
child.wait()
"""


def _until(happens: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def _is_gone(pid: int) -> bool:
    """Tell whether a process has ended: a grandchild that nobody reaps stays as a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def _has_ended(note: Path) -> None:
    _until(lambda: _is_gone(int(note.read_text())), "what it had started goes on")


def _environment() -> dict[str, str]:
    return dict(os.environ)


def test_what_a_program_says_and_whether_it_worked(tmp_path: Path) -> None:
    programs = Programs()
    talks = "import sys; print('lost'); print(sys.stdin.read() + 'said', file=sys.stderr); sys.exit({})"
    for code, worked in ((0, True), (3, False)):
        command = [sys.executable, "-c", talks.format(code)]
        assert programs.run(command, tmp_path, _environment(), 60) == (worked, "said\n")


def test_what_takes_too_long_ends_with_all_it_has_started(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with pytest.raises(TooLong):
        Programs().run([sys.executable, "-c", PARENT, str(note)], tmp_path, _environment(), 3)
    _has_ended(note)


def test_what_is_stopped_ends_with_all_it_has_started(tmp_path: Path) -> None:
    programs, note = Programs(), tmp_path / "pid"
    given: list[tuple[bool, str]] = []
    command = [sys.executable, "-c", PARENT, str(note)]
    thread = threading.Thread(
        target=lambda: given.append(programs.run(command, tmp_path, _environment(), 600))
    )
    thread.start()
    _until(note.exists, "it does not start")
    programs.stop()
    thread.join(60)
    assert [worked for worked, _ in given] == [False]
    _has_ended(note)
    assert programs.run(command, tmp_path, _environment(), 600) == (False, "stopped")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_started_ends_with_who_started_it(tmp_path: Path, how: signal.Signals) -> None:
    note = tmp_path / "pid"
    script = (
        "import os, pathlib, sys\n"
        "from conjoin.build.processes import Programs\n"
        f"command = [sys.executable, '-c', {PARENT!r}, {str(note)!r}]\n"
        "Programs().run(command, pathlib.Path(), dict(os.environ), 600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path) as process:
        _until(note.exists, "it does not start")
        process.send_signal(how)
    _has_ended(note)


def test_a_build_that_nobody_waits_for_is_ended_and_not_waited_for(tmp_path: Path) -> None:
    """Another platform has no solution: what is compiled for this one keeps nobody."""
    note = tmp_path / "pid"
    backend = (
        f"def build_wheel(*_):\n    import sys\n    sys.argv[1:] = [{str(note)!r}]\n    exec({PARENT!r})\n"
    )
    project = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    info = "Metadata-Version: 2.2\nName: slow\nVersion: 1.0\n"
    members = {"pyproject.toml": project, "backend.py": backend, "PKG-INFO": info}
    make_index(tmp_path / "index", [write_sdist(tmp_path, "slow-1.0", members)])

    async def give_up() -> None:
        indexes = BuildingIndexes([(tmp_path / "index").as_uri()], cache_dir=tmp_path / "cache")
        (sdist,) = (await indexes.project(PypiName("slow"))).files
        build = asyncio.ensure_future(indexes.build(sdist, PypiName("slow"), None))  # type: ignore[arg-type]
        await asyncio.to_thread(_until, note.exists, "the build does not start")
        build.cancel()
        await indexes.aclose()

    started = time.monotonic()
    asyncio.run(give_up())
    _has_ended(note)
    assert time.monotonic() - started < 300  # the build sleeps for ten minutes
    assert not [path for path in (tmp_path / "cache" / "built").rglob("*") if path.is_file()]
