"""Building wheels with uv: an environment for each build, made of the indexes of the request."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from holdfast.index.core_metadata import MetadataUnusable
from holdfast.index.credentials import Credentials
from holdfast.index.interpreters import HostPython
from holdfast.index.trust import certificates
from holdfast.spec.credentials import without_credentials

__all__ = ["UvBuild"]

_SECONDS = 1800
"""The longest a build may take."""
_REPRODUCIBLE = "315532800"
"""SOURCE_DATE_EPOCH, 1980-01-01: the first instant a zip file can hold. Equal sources give equal wheels."""
_LAST_LINES = 3
_TELLS_NOTHING = re.compile(
    r"(error: )?(command|subprocess).*(failed|exit(ed)?)|ninja: build stopped", re.IGNORECASE
)


class UvBuild:
    """Builds wheels.

    :param indexes: where build requirements come from, in order of priority.
    :param credentials: for the indexes.
    :param cache_dir: Holdfast's cache; ``wheels`` below it is uv's.
    :param exclude_newer: an instant after which uploads of build requirements do not count, empty for none.
    :param offline: build with what uv's cache has.
    """

    def __init__(
        self,
        *,
        cache_dir: Path,
        indexes: Sequence[str],
        find_links: Sequence[str] = (),
        credentials: Credentials | None = None,
        exclude_newer: str = "",
        offline: bool = False,
    ) -> None:
        self._cache_dir = cache_dir
        self._indexes = tuple(indexes)
        self._find_links = tuple(find_links)
        self._credentials = credentials or Credentials()
        self._exclude_newer = exclude_newer
        self._offline = offline

    def build(self, source: Path, interpreter: HostPython, out: Path) -> None:
        """Build a wheel of an sdist or a project's folder (PEP 517) into the folder ``out``.

        :raises MetadataUnusable: where it cannot be built, with the last that the build said.
        """
        arguments = ["build", "--wheel", "--no-create-gitignore", "--out-dir", str(out)]
        self.run([*arguments, "--python", str(interpreter.path), *self.rules(), str(source)], out.parent)

    def rules(self) -> list[str]:
        """Return uv's options for where packages come from; indexes stand in the environment."""
        options = ["--no-config"]
        for place in self._find_links:
            options += ["--find-links", place]
        if not self._indexes:
            options.append("--no-index")
        if self._exclude_newer:
            options += ["--exclude-newer", self._exclude_newer]
        if self._offline:
            options.append("--offline")
        return options

    def run(self, arguments: Sequence[str], work: Path) -> None:
        """Run uv.

        :raises MetadataUnusable: where it fails.
        """
        from uv import find_uv_bin

        self.run_program([find_uv_bin(), *arguments], work)

    def run_program(self, command: Sequence[str], work: Path, *, first_in_path: Path | None = None) -> None:
        """Run a program as part of a build.

        :raises MetadataUnusable: where it fails, with the last that it said.
        """
        environment = self.environment()
        if first_in_path is not None:
            environment["PATH"] = os.pathsep.join([str(first_in_path), environment.get("PATH", os.defpath)])
        try:
            done = subprocess.run(
                command,
                env=environment,
                cwd=work,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise MetadataUnusable(f"cannot be built: it took longer than {_SECONDS} s") from None
        if done.returncode:
            said = without_credentials(done.stderr).replace(str(work), "...")
            raise MetadataUnusable(f"cannot be built: {_last_words(said)}")

    def environment(self) -> dict[str, str]:
        """Return the environment of a build: the user's, without what is meant for other Pythons."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("UV_", "PIP_", "PYTHON", "VIRTUAL_ENV", "CONDA_", "__PYVENV"))
        }
        trusted = certificates()
        if trusted:
            environment["SSL_CERT_FILE"] = trusted
        # Here and not in the command line, which every user of the host may read.
        addresses = [self._credentials.with_login(index) for index in self._indexes]
        if addresses:
            environment["UV_DEFAULT_INDEX"] = addresses[-1]
            environment["UV_INDEX"] = " ".join(addresses[:-1])
        return environment | {
            "GIT_OPTIONAL_LOCKS": "0",  # a look at tags is no reason to write to the user's repository
            "SOURCE_DATE_EPOCH": _REPRODUCIBLE,
            "UV_CACHE_DIR": str(self._cache_dir / "wheels"),
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
            "UV_SYSTEM_CERTS": "1",
        }


def _last_words(stderr: str) -> str:
    """Return the innermost cause of a failed build: what the backend said last, else what uv says last.

    Where the last line only tells that a program failed, what that program said stands before it.
    """
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [at for at, line in enumerate(lines) if line.startswith("error: ")]
    border = errors[-1] if errors else len(lines)  # backends say it too, before uv does
    backend = [line for line in lines[:border] if not line.startswith("Building ")]
    uv = [line.removeprefix("cause: ") for line in lines[border:] if not line.startswith("hint: ")]
    said = backend if backend and "backend" in " ".join(uv) else uv
    last = 1
    while last < min(_LAST_LINES, len(said)) and _TELLS_NOTHING.match(said[-last]):
        last += 1
    return " / ".join((said or ["no reason given"])[-last:])[:400]
