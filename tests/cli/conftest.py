"""A small mixed world over loopback http, and the command line as people call it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conjoin.cli.main import main
from loopback import LoopbackServer
from object_stores import S3
from worlds import make_index, make_wheel

Conjoin = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def conjoin() -> Conjoin:
    """Run the program in a process of its own: ``conjoin("resolve", "-f", path)``."""

    def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "conjoin", *map(str, arguments)],
            check=False,
            **{"capture_output": True, "text": True, "timeout": 120, **options},
        )

    return run


@pytest.fixture
def called(capsys: pytest.CaptureFixture[str]) -> Conjoin:
    """Run the program in this process: as :func:`conjoin`, in a quarter of the time."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        words = [str(argument) for argument in arguments]
        capsys.readouterr()
        code = main(words)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, code, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    server = S3().start()
    yield server
    server.stop()


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """A healthy S3 server, to which the environment points."""
    for variable, value in s3_server.environment().items():
        monkeypatch.setenv(variable, value)
    s3_server.heal()
    return s3_server


@dataclass
class World:
    """A channel (:func:`forged_channel`) and an index, each on a server of its own.

    The index has ``reader`` 1.0, which needs ``tinylib<2`` and ``shelf``, and has the script ``reader``;
    ``shelf`` 1.0; ``newer`` 1.0, which needs ``tinylib>=2``.
    """

    channel: LoopbackServer
    index: LoopbackServer
    folder: Path

    @property
    def where(self) -> list[str]:
        """The options that name both."""
        return ["-c", self.channel.url, "--index-url", f"{self.index.url}/"]

    @property
    def asked(self) -> list[str]:
        """A mixed request: conda's tinylib has a version 2, PyPI's reader needs version 1."""
        return [*self.where, "--conda", "tinylib", "--pypi", "reader", "--pypi", "shelf"]

    def requests(self) -> int:
        return len(self.channel.requests) + len(self.index.requests)

    def environment_yml(self) -> Path:
        path = self.folder / "environment.yml"
        path.write_text(
            f"channels: [{self.channel.url}]\n"
            "dependencies:\n"
            "  - tinylib\n"
            "  - pip:\n"
            f"    - --index-url {self.index.url}/\n"
            "    - reader\n"
            "    - shelf\n"
        )
        return path


@pytest.fixture
def world(channel_server: LoopbackServer, tmp_path: Path) -> Iterator[World]:
    code = (
        "import sys\nimport tinylib\n\n\ndef main():\n    print('reader with tinylib', tinylib.__version__)\n"
    )
    wheels = [
        make_wheel(
            tmp_path / "wheels",
            "reader",
            "1.0",
            ["tinylib<2", "shelf"],
            files={"reader/__init__.py": code},
            entry_points={"reader": "reader:main"},
        ),
        make_wheel(tmp_path / "wheels", "shelf", "1.0"),
        make_wheel(tmp_path / "wheels", "newer", "1.0", ["tinylib>=2"]),
    ]
    index = make_index(tmp_path / "index", wheels, format="both")
    with LoopbackServer(index) as server:
        yield World(channel_server, server, tmp_path)
