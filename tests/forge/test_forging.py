"""A forged channel, installed with py-rattler into a prefix: does what is in it work there?"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from holdfast.forge import forge
from worlds import forge_test_channel, make_wheel


def install(channel: Path | str, prefix: Path, *specs: str) -> Path:
    """Solve and link ``specs`` with py-rattler, as any conda client would."""
    from rattler import Channel, Gateway, VirtualPackage, install, solve

    async def work() -> None:
        url = channel if isinstance(channel, str) else channel.as_uri()
        records = await solve(
            sources=[Channel(url)],
            specs=list(specs),
            gateway=Gateway(cache_dir=prefix.parent / "repodata"),
            virtual_packages=VirtualPackage.detect(),
        )
        await install(
            records, target_prefix=prefix, cache_dir=prefix.parent / "packages", show_progress=False
        )
        await asyncio.sleep(0.05)

    asyncio.run(work())
    return prefix


def run(*command: object, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def prefix(forged_channel, tmp_path_factory):
    return install(
        forged_channel, tmp_path_factory.mktemp("env") / "prefix", "python", "tinyapp", "forgedemo"
    )


def test_python_runs_in_the_prefix_with_its_compiled_modules(prefix):
    code = "import ctypes, lzma, sqlite3, ssl, sys, venv, zlib; print(sys.prefix, ssl.OPENSSL_VERSION)"
    out = run(prefix / "bin" / "python", "-c", code)
    assert out.startswith(f"{prefix} OpenSSL")
