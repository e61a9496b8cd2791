"""What the command line shows of a wheel that was built here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conjoin.cli.main import main
from sdists import make_building_sdist
from solving import World


def test_show_names_what_it_was_built_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = World(tmp_path)
    world.python("3.12.1")
    world.add(make_building_sdist(tmp_path / "sdists", "app", "1.0"))
    world.write()
    where = ["--channel", world.channel_url, "--index-url", world.index_url, "--platform", "linux-64"]
    assert main(["resolve", "--pypi", "app", "--python", "3.12", *where, "--alias", "built:v1"]) == 0
    capsys.readouterr()
    assert main(["show", "built:v1"]) == 0
    assert "built from app-1.0.tar.gz" in capsys.readouterr().out
    assert main(["show", "built:v1", "--json"]) == 0
    packages = json.loads(capsys.readouterr().out)["platforms"]["linux-64"]
    (app,) = [package for package in packages if package["name"] == "app"]
    assert app["source_url"].endswith("/app-1.0.tar.gz")
    assert len(app["source_sha256"]) == 64
