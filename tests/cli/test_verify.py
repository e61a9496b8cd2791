"""``conjoin verify``: what is said, the documents, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conjoin.cli.main import main


def test_a_prefix_a_lock_and_a_store_are_verified(called, world, tmp_path: Path) -> None:
    team = str(tmp_path / "team")
    lock = tmp_path / "env.lock"
    assert called("resolve", *world.asked, "-o", lock, "--alias", "mine").returncode == 0
    prefix = Path(called("create", lock).stdout.strip())
    assert called("push", lock, "--store", team, "--alias", "x/env:v1").returncode == 0
    for words in ([prefix], [lock], ["mine"], ["--all"], ["--all", "--store", team]):
        done = called("verify", *words)
        assert done.returncode == 0, done.stderr
        assert "all right" in done.stderr
    (script,) = prefix.glob("bin/reader")
    script.write_text("mine")
    done = called("verify", "mine", "--json")
    assert done.returncode == 8
    document = json.loads(done.stdout)
    (found,) = document["prefixes"]
    assert (found["prefix"], found["measure"]) == (str(prefix), "packages")
    assert found["findings"] == [
        {
            "where": "bin/reader",
            "kind": "file",
            "problem": "changed",
            "package": "reader",
            "by": "",
            "detail": "",
            "repaired": False,
        }
    ]
    shown = called("verify", prefix)
    assert (shown.returncode, shown.stdout) == (8, "changed  bin/reader  (of reader)\n")
    repaired = called("verify", "mine", "--repair")
    assert repaired.returncode == 0, repaired.stderr
    assert repaired.stdout == "repaired: changed  bin/reader  (of reader)\n"
    assert called("verify", prefix).returncode == 0

    damaged = next(path for path in Path(team).glob("packages/*/*/*.whl"))
    damaged.write_bytes(b"damaged")
    done = called("verify", "x/env:v1", "--store", team, "--json")
    assert done.returncode == 8
    (store,) = json.loads(done.stdout)["stores"]
    assert [each["where"] for each in store["findings"]] == [str(damaged)]
    assert called("verify", "--all", "--store", team, "--repair").returncode == 0
    assert called("verify", "--all", "--store", team).returncode == 0


@pytest.mark.parametrize(
    ("words", "code"), [([], 2), (["x", "--all"], 2), (["no/such:v1"], 6), (["."], 6)], ids=str
)
def test_wrong_usage_and_what_is_not_there(words, code, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["verify", *words]) == code
