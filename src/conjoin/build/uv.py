"""Running uv and build backends: with a cache of our own, and deaf to what the user set for other Pythons."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from conjoin.build.processes import Programs, TooLong
from conjoin.index.pypi.core_metadata import MetadataUnusable
from conjoin.spec.credentials import without_credentials
from conjoin.writing import full_disk, is_full_disk

__all__ = ["UvBuild"]

_SECONDS = 1800
"""The longest a step of a build may take."""
_REPRODUCIBLE = "315532800"
"""SOURCE_DATE_EPOCH, 1980-01-01: the first instant a zip file can hold. Equal sources give equal wheels."""
_LAST_LINES = 3
_TELLS_NOTHING = re.compile(
    r"(error: )?(command|subprocess).*(failed|exit(ed)?)|ninja: build stopped", re.IGNORECASE
)
_DRAWN = " \t×╰─▶│├"


class UvBuild:
    """Runs what builds wheels. Nothing of it goes to an index: it is given files.

    :param cache_dir: Conjoin's cache; ``wheels`` below it is uv's.
    """

    def __init__(self, cache_dir: Path) -> None:
        self._cache_dir = cache_dir
        self._programs = Programs()

    def stop(self) -> None:
        """End whatever runs, with all it has started; nothing is started any more."""
        self._programs.stop()

    def run(self, arguments: Sequence[str], work: Path) -> None:
        """Run uv.

        :raises MetadataUnusable: where it fails.
        """
        from uv import find_uv_bin

        self.run_program([find_uv_bin(), *arguments], work)

    def run_program(self, command: Sequence[str], work: Path, *, first_in_path: Path | None = None) -> None:
        """Run a program as part of a build, in the folder ``work``.

        :raises MetadataUnusable: where it fails, with the last that it said.
        :raises DiskError: where it said that the disk is full.
        """
        environment = self._environment()
        if first_in_path is not None:
            environment["PATH"] = os.pathsep.join([str(first_in_path), environment.get("PATH", os.defpath)])
        try:
            is_done, said = self._programs.run(command, work, environment, _SECONDS)
        except TooLong:
            raise MetadataUnusable(f"cannot be built: it took longer than {_SECONDS} s") from None
        if not is_done:
            if is_full_disk(said):
                raise full_disk(self._cache_dir)
            said = without_credentials(said).replace(str(work), "...")
            raise MetadataUnusable(f"cannot be built: {_last_words(said)}")

    def _environment(self) -> dict[str, str]:
        """Return the environment of a build: the user's, without what is meant for other Pythons."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("UV_", "PIP_", "PYTHON", "VIRTUAL_ENV", "CONDA_", "__PYVENV"))
        }
        return environment | {
            "GIT_OPTIONAL_LOCKS": "0",  # a look at tags is no reason to write to the user's repository
            "SOURCE_DATE_EPOCH": _REPRODUCIBLE,
            "UV_CACHE_DIR": str(self._cache_dir / "wheels"),
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
        }


def _last_words(stderr: str) -> str:
    """Return what a build said last.

    Where that only tells that a program failed, what that program said stands before it.
    """
    lines = [line.strip(_DRAWN) for line in stderr.splitlines()]
    said = [line for line in lines if line and not line.startswith("hint: ")]
    last = 1
    while last < min(_LAST_LINES, len(said)) and _TELLS_NOTHING.match(said[-last]):
        last += 1
    return " / ".join((said or ["no reason given"])[-last:])[:400]
