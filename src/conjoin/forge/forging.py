"""The whole of it: interpreters, wheels and folders become a channel."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from conjoin.errors import ConjoinError, NotFound
from conjoin.forge.archive import LEVEL, Format
from conjoin.forge.channel import Channel, ForgedPackage
from conjoin.forge.fetch import fetch_wheels, is_pinned
from conjoin.forge.folder import SAMPLE, folder_fingerprint, folder_package
from conjoin.forge.interpreter import Interpreter, find_interpreters
from conjoin.forge.package import Package
from conjoin.forge.python_package import python_abi_package, python_package
from conjoin.forge.subdirs import host_subdir
from conjoin.forge.wheel import wheel_packages
from conjoin.forge.wheel_file import WheelFile, open_wheel
from conjoin.spec.names import CondaName, PypiName, pypi_name

__all__ = ["forge"]


def forge(
    directory: Path | str,
    *,
    pythons: Sequence[str] | None = None,
    wheels: Sequence[str | Path] = (),
    folders: Sequence[str | Path] = (),
    sample: bool = False,
    fmt: Format = "conda",
    level: int = LEVEL,
    names: Mapping[PypiName, CondaName] | None = None,
) -> list[ForgedPackage]:
    """Make (or extend) the conda channel in ``directory`` and return the packages asked for.

    What is there already, made from equal input, stays as it is; the channel is indexed again in any case.

    :param pythons: versions or paths of interpreters (:func:`find_interpreters`); None for the running one,
        empty for none.
    :param wheels: files, or requirements to fetch from the configured PyPI index (``numpy==1.26.4``); packed
        for each of the Pythons.
    :param folders: folders with a ``forge.toml`` (:mod:`conjoin.forge.folder`).
    :param sample: add the sample, a C library and a program.
    :param level: zstd level of ``.conda`` files, 1 to 22.
    :param names: conda names of PyPI projects, where the known ones don't fit.
    :raises UsageError: where an input cannot be understood.
    :raises NotFound: where an interpreter, a file or a compiler is not there.
    :raises IntegrityError: where a wheel's content is not what its RECORD says.
    :raises Unreachable: where a wheel could not be fetched.
    """
    interpreters = find_interpreters(pythons)
    with Channel.open(Path(directory), fmt=fmt, level=level) as channel:
        for interpreter in interpreters:
            _add_python(channel, interpreter)
        for folder in [*map(Path, folders), *([SAMPLE] if sample else [])]:
            source = {"kind": "folder", "sha256": folder_fingerprint(folder)}
            channel.make(source, partial(_folder_packages, folder))
        _Wheels(channel, [interpreter.wanted_as for interpreter in interpreters], names or {}).add(wheels)
        return channel.packages


def _folder_packages(folder: Path) -> list[Package]:
    return [folder_package(folder)]


def _add_python(channel: Channel, interpreter: Interpreter) -> None:
    program = interpreter.executable.stat()
    source = {
        "kind": "python",
        "executable": str(interpreter.executable),
        "version": interpreter.version,
        "size": program.st_size,
        "mtime": program.st_mtime_ns,
    }
    channel.make(source, lambda: [python_package(interpreter), python_abi_package(interpreter)])


class _Wheels:
    """Adds wheels to a channel, for some Pythons."""

    def __init__(self, channel: Channel, pythons: list[str], names: Mapping[PypiName, CondaName]) -> None:
        self.channel = channel
        self.pythons = pythons
        self.names = names
        self.subdir = host_subdir()

    def add(self, wheels: Sequence[str | Path]) -> None:
        files, requirements = [], []
        for given in wheels:
            if isinstance(given, Path) or given.endswith(".whl"):
                files.append(Path(given))
            else:
                requirements.append(given)
        opened = [open_wheel(path) for path in files]
        known = {wheel.name: wheel.requires_dist for wheel in opened}
        for wheel in opened:
            self._add_file(wheel, self.pythons, known)
        for requirement in requirements:
            for python in self.pythons or [""]:
                self._add_requirement(requirement, python, known)

    def _add_file(self, wheel: WheelFile, pythons: list[str], known: dict[PypiName, list[str]]) -> None:
        source = {
            "kind": "wheel",
            "sha256": hashlib.sha256(wheel.path.read_bytes()).hexdigest(),
            "known": {name: known[name] for name in sorted(known) if _asks_extras_of(wheel, name)},
            **self._target(pythons),
        }
        self.channel.make(source, partial(self._packages, wheel, pythons, known))

    def _add_requirement(self, requirement: str, python: str, known: dict[PypiName, list[str]]) -> None:
        if not python:
            raise NotFound(
                f"no Python to fetch {requirement} for", advice="name one with --python, or give a wheel file"
            )
        with tempfile.TemporaryDirectory(prefix="conjoin-fetch-") as folder:
            if not is_pinned(requirement):
                for path in fetch_wheels([requirement], python, self.subdir, Path(folder)):
                    self._add_file(open_wheel(path), [python], known)
                return

            def build() -> list[Package]:
                paths = fetch_wheels([requirement], python, self.subdir, Path(folder))
                return [p for path in paths for p in self._packages(open_wheel(path), [python], known)]

            # A pinned requirement need not be fetched again: the second time works without a network.
            source = {"kind": "requirement", "requirement": requirement, "known": known}
            self.channel.make(source | self._target([python]), build)

    def _target(self, pythons: list[str]) -> dict[str, object]:
        return {"pythons": pythons, "subdir": self.subdir, "names": dict(sorted(self.names.items()))}

    def _packages(
        self, wheel: WheelFile, pythons: list[str], known: dict[PypiName, list[str]]
    ) -> list[Package]:
        try:
            return wheel_packages(wheel, pythons, subdir=self.subdir, names=self.names, known=known)
        except ConjoinError as error:
            raise type(error)(
                error.what, where=error.where or wheel.path.name, advice=error.advice
            ) from error


def _asks_extras_of(wheel: WheelFile, project: PypiName) -> bool:
    from packaging.requirements import Requirement

    asked = [Requirement(text) for text in wheel.requires_dist if "[" in text]
    return any(requirement.extras and pypi_name(requirement.name) == project for requirement in asked)
