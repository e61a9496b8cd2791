"""``conjoin demo``: whole, on the public index; and what it needs of a machine."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from conjoin.cli.main import main
from conjoin.demo.steps import choose_python, forget_prefix
from conjoin.errors import NotFound
from conjoin.forge.interpreter import find_interpreters
from conjoin.index.interpreters import HostPython


@pytest.mark.network
@pytest.mark.slow
def test_the_demo_does_what_it_says(conjoin, tmp_path: Path) -> None:
    done = conjoin("demo", "--dir", tmp_path / "demo", "--json", timeout=300)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    versions = {package["name"]: package["version"] for package in said["packages"]}
    kinds = {package["name"].lower(): package["kind"] for package in said["packages"]}
    # Conda alone takes the new numpy, and nothing on PyPI can live with that ...
    assert said["conda_first"]["chosen"]["numpy"].startswith("2.")
    assert any("contourpy" in line for line in said["conda_first"]["reasons"])
    # ... together they agree on the old one, and it is conda's.
    assert versions["numpy"].startswith("1.26")
    assert (kinds["numpy"], kinds["contourpy"], kinds["requests"]) == ("conda", "pypi", "pypi")
    assert "3.14" in said["work"]
    if said["program"]:
        assert said["program"].startswith(f"{tmp_path / 'demo' / 'env'}\n")
    assert Path(said["prefix"], "bin", "python").exists()
    # The second time, everything is there already: for people, and without the network.
    again = conjoin("demo", "--dir", tmp_path / "demo", "--offline", timeout=300)
    assert again.returncode == 0, again.stderr
    assert "no solution" in again.stdout
    assert "numpy 1.26.4 from conda" in again.stdout
    assert "\x1b" not in again.stdout
    shown = conjoin(
        "run", "--store", tmp_path / "demo" / "store", "demo", "--", "python", "-c", "import numpy"
    )
    assert shown.returncode == 0, shown.stderr


def test_a_python_that_numpy_has_no_wheels_for_is_refused(monkeypatch, capsys) -> None:
    (running,) = find_interpreters()
    newer = dataclasses.replace(running, version="3.99.1")
    monkeypatch.setattr("conjoin.forge.interpreter.find_interpreters", lambda *_: [newer])
    with pytest.raises(NotFound, match=r"does not work with Python 3\.99\.1"):
        choose_python("3.99")
    # Not asked for: another one of this machine will do, if there is one.
    monkeypatch.setattr("conjoin.index.interpreters.find_interpreters", lambda *_: [])
    assert main(["demo"]) == 6
    assert "the demo needs a CPython 3.12, 3.11 or 3.10" in capsys.readouterr().err


def test_another_python_of_this_machine_is_taken_where_the_running_one_is_too_new(monkeypatch) -> None:
    from packaging.version import Version

    (running,) = find_interpreters()
    newer = dataclasses.replace(running, version="3.99.1")
    others = [
        HostPython("cp", Version("3.13.0"), "cp313", False, running.executable),
        HostPython("pp", Version("3.11.1"), "pypy311_pp73", False, running.executable),
        HostPython("cp", Version("3.11.9"), "cp311", False, running.executable),
    ]
    monkeypatch.setattr("conjoin.forge.interpreter.find_interpreters", lambda *_: [newer])
    monkeypatch.setattr("conjoin.index.interpreters.find_interpreters", lambda *_: others)
    assert choose_python().executable == running.executable


def test_only_a_prefix_of_ours_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    forget_prefix(tmp_path)
    assert (tmp_path / "mine").read_text() == "precious"
