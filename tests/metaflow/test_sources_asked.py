"""Repositories, folders and URLs in decorators' packages: they ask for what the command line asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("metaflow")
from conjoin.spec.build import build_requirements
from metaflow import metaflow_config  # noqa: F401 (first: it loads the extension)
from metaflow_extensions.conjoin.plugins.environment.request.step_requirements import pypi_text
from sdists import make_building_project


def test_the_decorators_words_ask_for_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_building_project(tmp_path / "code", "app", "1.0", counter=tmp_path)
    monkeypatch.chdir(tmp_path)
    folder = (tmp_path / "code").as_uri()
    git_url = "git+https://git.example/team/app.git@v1#subdirectory=python"
    for name, version, line in (
        ("app", "./code", "./code"),
        ("app", folder, f"app @ {(tmp_path / 'code').as_uri()}"),
        ("app[more]", git_url, f"app[more] @ {git_url}"),
        ("app", f"@ {git_url}", f"{git_url}&egg=app"),
        (f"app @ {git_url}", "", f"app @ {git_url}"),
    ):
        assert build_requirements(pypi=[pypi_text(name, version)]) == build_requirements(pypi=[line])
