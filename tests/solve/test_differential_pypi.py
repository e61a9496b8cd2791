"""Sixty real requirement sets of PyPI alone: the answer is uv's, or a documented preference says why not.

Nothing is asserted of versions themselves, for PyPI moves: both are asked within a minute, for the same
Python and platform. The sets stand in ``differential/pypi.toml``. All sixty take some minutes, most of them
the network's; the suite asks for a dozen of every size, and for all with ``ALL_PYPI_SETS=1``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

import conjoin
from conjoin.net.transport import certificates
from conjoin.spec.configured.index import configured_indexes
from solving import World

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SETS = tomllib.loads((Path(__file__).parent / "differential" / "pypi.toml").read_text("utf-8"))["set"]
PYTHON = "3.12.8"
DOZEN = frozenset(
    {
        *("requests", "flask", "httpx-extras", "old-pandas", "pytest-stack", "boto3-old-urllib3"),
        *("hydra", "aiobotocore", "django-stack", "crypto", "streamlit-1.30", "torch", "transformers"),
    }
)
_PINNED = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)$", re.MULTILINE)

pytestmark = [pytest.mark.network, pytest.mark.slow]


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of caches for all sets and all workers: most share their packages."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "differential"


def _ours(asked: dict[str, Any], world: World) -> dict[str, str]:
    requirements = conjoin.Requirements.build(
        pypi=asked["requires"], python=asked.get("python", PYTHON), channels=[world.channel_url]
    )
    lock = conjoin.resolve(requirements, platforms=["linux-64"])
    return {p.name: p.version for p in lock.platforms["linux-64"].packages if p.kind == "pypi"}


def _theirs(asked: dict[str, Any], caches: Path, listed: Path) -> dict[str, str]:
    listed.write_text("\n".join(asked["requires"]), "utf-8")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("UV_", "VIRTUAL_"))
    }
    if trusted := certificates():
        environment["SSL_CERT_FILE"] = trusted
    done = subprocess.run(
        [
            *(find_uv_bin(), "pip", "compile", str(listed), "--quiet", "--no-config", "--no-progress"),
            *("--no-annotate", "--no-header", "--cache-dir", str(caches / "uv")),
            *("--default-index", configured_indexes().default, "--no-python-downloads"),
            *("--python", sys.executable, "--python-version", asked.get("python", PYTHON)),
            *("--python-platform", "x86_64-manylinux_2_28"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return dict(_PINNED.findall(done.stdout))


@pytest.mark.parametrize("asked", SETS, ids=lambda asked: asked["id"])
def test_the_answer_is_uvs(
    asked: dict[str, Any], caches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if asked["id"] not in DOZEN and not os.environ.get("ALL_PYPI_SETS"):
        pytest.skip("one of the sets that ALL_PYPI_SETS=1 asks for")
    monkeypatch.setenv("CONJOIN_CACHE", str(caches / "conjoin"))
    world = World(tmp_path / "world")
    world.python(asked.get("python", PYTHON))
    world.write()
    ours, theirs = _ours(asked, world), _theirs(asked, caches, tmp_path / "requirements.in")
    different = {name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)}
    assert different <= set(asked.get("differs", ())), {
        name: (ours.get(name), theirs.get(name)) for name in sorted(different)
    }


def test_there_are_sixty_and_every_exception_says_why() -> None:
    assert len({asked["id"] for asked in SETS}) >= 60
    assert all(asked.get("because") for asked in SETS if "differs" in asked)
    assert sum("differs" in asked for asked in SETS) <= 3
    assert {asked["id"] for asked in SETS} >= DOZEN
    assert not any("differs" in asked for asked in SETS if asked["id"] in DOZEN)
