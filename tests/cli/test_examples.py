"""The examples can be read, and ask for what their README says."""

from __future__ import annotations

from pathlib import Path

import pytest

from conjoin import Requirements

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "pypi"),
    [
        ("environment.yml", {"contourpy", "requests", "rich"}),
        ("requirements.txt", {"requests", "rich", "tomli"}),
        ("script.py", {"rich"}),
    ],
)
def test_an_example_asks_for_its_packages(name: str, pypi: set[str]) -> None:
    asked = Requirements.from_file(EXAMPLES / name)
    assert {requirement.name for requirement in asked.pypi} == pypi
    assert bool(asked.conda) == (name == "environment.yml")


def test_every_example_is_in_the_readme() -> None:
    readme = (EXAMPLES / "README.md").read_text()
    for path in EXAMPLES.iterdir():
        assert path.name == "README.md" or path.name in readme
