"""``list`` and ``gc`` as people type them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conjoin.store.store import Store


def test_what_is_made_is_listed_and_what_nobody_needs_goes(called, world, isolated_home: Path) -> None:
    assert "no environments" in called("list").stderr
    called("resolve", *world.asked, "--alias", "mine:v1")
    prefix = called("create", "mine:v1", "--name", "n").stdout.strip()
    listed = called("list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "mine:v1" in listed.stdout
    [told] = json.loads(called("list", "--json").stdout)["environments"]
    assert (told["aliases"], told["default"]) == (["mine:v1"], True)
    assert [each["path"] for each in told["prefixes"]] == [prefix]
    assert f"{told['req_id'][:7]}:{told['full_id'][:7]}" in listed.stdout
    assert called("gc").stderr.startswith("nothing to collect, 1 environment")
    for path in (isolated_home / "store" / "aliases").rglob("*.json"):
        path.unlink()
    assert json.loads(called("gc", "--older-than", "0", "--json").stdout)["kept"] == 1  # its prefix
    told = json.loads(called("gc", "--older-than", "0", "--defaults", "--dry-run", "--json").stdout)
    assert (told["dry_run"], told["kept"], told["environments"]) == (True, 1, [])


def test_what_a_workflow_needs_stays_until_that_is_forgotten(called, world, tmp_path: Path) -> None:
    store = str(tmp_path / "team")
    found = json.loads(called("resolve", *world.asked, "--store", store, "--json").stdout)
    ids = f"{found['req_id']}:{found['full_id']}"
    Store(store).deployments.note("airflow/train", {ids: ["start"]})
    collect = ("gc", "--store", store, "--older-than", "0", "--defaults", "--json")
    assert "airflow/train" in called("list", "--store", store).stdout
    assert json.loads(called(*collect).stdout)["kept"] == 1
    assert called(*collect, "--forget", "airflow/other").returncode == 6
    assert json.loads(called(*collect, "--forget", "airflow/train").stdout)["environments"] == [ids]


@pytest.mark.parametrize(
    "words",
    [
        ["gc", "--older-than", "soon"],
        ["gc", "--prefixes", "--store", "x"],
        ["gc", "--forget", "airflow/train"],
        ["gc", "--forget", "airflow/train", "--store", "x", "--dry-run"],
        ["gc", "--store", "memory://x", "--older-than", "1h"],
        ["list", "--store", "ftp://x"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_refused(called, words: list[str]) -> None:
    assert called(*words).returncode == 2
