"""``conjoin forge``."""

from __future__ import annotations

import json
from pathlib import Path

from worlds import make_wheel


def test_forge_says_what_it_made_and_what_was_there(called, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "small", "1.0")
    command = ("forge", tmp_path / "channel", "--no-python", "--wheel", wheel, "--json")
    first, second = (called(*command) for _ in range(2))
    assert first.returncode == 0, first.stderr
    said = json.loads(first.stdout)
    assert said["channel"] == str(tmp_path / "channel")
    assert [(p["name"], p["version"], p["made"]) for p in said["packages"]] == [("small", "1.0", True)]
    assert [p["made"] for p in json.loads(second.stdout)["packages"]] == [False]
    assert Path(said["packages"][0]["path"]).is_file()


def test_forge_makes_old_packages_too_and_speaks_on_stderr(called, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "small", "1.0")
    done = called("forge", tmp_path / "c", "--no-python", "--wheel", wheel, "--format", "tar.bz2")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert f"-c {tmp_path / 'c'}" in done.stderr
    assert [path.name.endswith(".tar.bz2") for path in (tmp_path / "c" / "noarch").glob("small-*")] == [True]
