"""docs/metaflow.md says what the code says: attributes, settings, libraries, decorators."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("metaflow")
from metaflow_extensions.conjoin.config import mfextinit_conjoin as configuration
from metaflow_extensions.conjoin.config.settings import ENGINE_SETTINGS
from metaflow_extensions.conjoin.plugins import mfextinit_conjoin as plugins
from metaflow_extensions.conjoin.plugins.environment.request.attributes import DEFAULTS
from metaflow_extensions.conjoin.plugins.environment.request.metaflow_libraries import METAFLOW_LIBRARIES

TEXT = (Path(__file__).parents[2] / "docs" / "metaflow.md").read_text("utf-8")


def table(heading: str) -> list[tuple[list[str], str]]:
    """Return the rows of the table with a heading: what stands as code in the first cell, and the rest."""
    [rows] = re.findall(rf"^\| {re.escape(heading)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    found = []
    for row in rows.splitlines():
        first, _, rest = row.strip("| ").partition(" | ")
        found.append((re.findall(r"`([^`]+)`", first), rest))
    return found


@pytest.mark.parametrize("decorator", DEFAULTS)
def test_every_attribute_is_in_its_table(decorator: str) -> None:
    named = [name for names, _ in table(f"`@{decorator}`") for name in names]
    assert sorted(named) == sorted(DEFAULTS[decorator])


def test_every_decorator_is_there() -> None:
    rows = table("For a step")
    internal = {"conda_env_internal"}
    steps = {name for name, _ in plugins.STEP_DECORATORS_DESC} - internal
    assert {name.lstrip("@") for names, _ in rows for name in names} == steps
    flows = {name for name, _ in plugins.FLOW_DECORATORS_DESC}
    assert {re.findall(r"`@(\w+)`", rest)[0] for _, rest in rows} == flows


def test_every_setting_is_there_and_no_other() -> None:
    named = [name for names, _ in table("Setting") for name in names]
    assert len(named) == len(set(named))
    settings = {f"METAFLOW_{name}" for name in vars(configuration) if name.startswith("CONDA_")}
    assert set(named) == settings
    assert {f"METAFLOW_{name}" for name in ENGINE_SETTINGS} <= settings


def test_the_libraries_are_those_of_the_code() -> None:
    said = {}
    for names, rest in table("Datastore | Libraries"):
        wanted = dict(text.split(" ", 1) for text in re.findall(r"`([^`]+)`", rest))
        said |= dict.fromkeys(names, wanted)
    assert said == METAFLOW_LIBRARIES
