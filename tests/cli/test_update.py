"""``--update``: what moved is shown, on stderr as a table and in JSON."""

from __future__ import annotations

import json

import pytest

from conjoin.spec.platform import host_platform
from worlds import make_index, make_wheel


@pytest.fixture
def grown(called, world, tmp_path, monkeypatch) -> list[str]:
    """A request that was resolved, after which the index got a newer ``shelf`` and ``newer``."""
    asked = [*world.where, "--conda", "tinylib", "--pypi", "shelf", "--pypi", "newer"]
    assert called("resolve", *asked).returncode == 0
    for name in ("shelf", "newer"):
        make_wheel(world.folder / "wheels", name, "1.1")
    # Pages count for as long as their index says; here that time has passed.
    monkeypatch.setenv("CONJOIN_CACHE", str(tmp_path / "cache"))
    make_index(world.folder / "index", sorted((world.folder / "wheels").iterdir()), format="both")
    return asked


def test_one_package_moves_and_is_told(called, grown) -> None:
    done = called("resolve", *grown, "--update", "shelf", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["changes"] == [
        {"platform": host_platform(), "kind": "pypi", "name": "shelf", "from": "1.0", "to": "1.1"}
    ]


def test_a_table_for_people(called, grown) -> None:
    said = called("resolve", *grown, "--update-all").stderr
    rows = [line.split() for line in said.splitlines() if line.startswith(("newer ", "shelf "))]
    assert rows[:2] == [["newer", "1.0", "1.1", host_platform()], ["shelf", "1.0", "1.1", host_platform()]]
    assert "nothing moved" in called("resolve", *grown, "--update", "shelf").stderr


@pytest.mark.parametrize(
    "options",
    [
        ["--update", "shelve"],
        ["--update", "shelf", "--update-all"],
        ["--update", "shelf", "--force"],
        ["--update", "shelf", "--pypi", "other"],
    ],
)
def test_what_cannot_be_updated(called, grown, options, snapshot) -> None:
    done = called("resolve", *grown, *options)
    assert f"{done.stderr.splitlines()[-1]}\nexit code {done.returncode}" == snapshot
