"""``CPU_TIMES=FILE``: what each test costs in CPU, which a busy machine stretches less than the clock.

A line a test: seconds of its fixtures' making, of its own, of what ends them; of the clock; the worker; its
name. Where this process may have a control group of its own (as root has on many a Linux), everything
counts that it started; elsewhere, itself and what it waited for, so that a server counts where it ends.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import pytest

__all__ = ["CpuTimes"]

_GROUPS = Path("/sys/fs/cgroup/cpuacct")


class CpuTimes:
    """A plugin that appends to a file, as all workers do."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._worker = os.environ.get("PYTEST_XDIST_WORKER", "-")
        self._usage: Path | None = None
        before = self._spent()
        with suppress(OSError):
            group = _GROUPS / f"tests-{os.getpid()}"
            group.mkdir()
            (group / "cgroup.procs").write_text(str(os.getpid()))
            self._usage = group / "cpuacct.usage"
        self._phases = [before, 0.0, 0.0]
        self._write("(start)")
        self._start = time.monotonic()

    def _spent(self) -> float:
        if self._usage is not None:
            return int(self._usage.read_text()) / 1e9
        both = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        return sum(usage.ru_utime + usage.ru_stime for usage in both)

    def _write(self, name: str, clock: float = 0.0) -> None:
        with self._file.open("a", encoding="utf-8") as out:
            out.write(
                "\t".join([*(f"{each:.2f}" for each in (*self._phases, clock)), self._worker, name]) + "\n"
            )

    def pytest_collection_finish(self) -> None:
        self._phases = [self._spent(), 0.0, 0.0]
        self._write("(collection)", time.monotonic() - self._start)

    def pytest_sessionfinish(self) -> None:
        self._phases = [self._spent(), 0.0, 0.0]
        self._write("(all together)", time.monotonic() - self._start)

    def pytest_unconfigure(self) -> None:
        if self._usage is not None:
            with suppress(OSError):
                (_GROUPS / "cgroup.procs").write_text(str(os.getpid()))
                self._usage.parent.rmdir()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._phases = [0.0, 0.0, 0.0]
        started = time.monotonic()
        result = yield
        self._write(item.nodeid, time.monotonic() - started)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self) -> Generator[None, None, None]:
        yield from self._count(0)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Generator[None, None, None]:
        yield from self._count(1)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, None, None]:
        yield from self._count(2)

    def _count(self, phase: int) -> Generator[None, None, None]:
        before = self._spent()
        try:
            yield
        finally:
            self._phases[phase] += self._spent() - before
