"""The public class, and that it is nothing but its data."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec

import conjoin
from conjoin.spec.build import build_requirements
from conjoin.spec.canonical import req_id
from conjoin.spec.requirements import Requirements

_ASKED = {"conda": ["numpy=1.26"], "python": "3.11", "index_url": "https://index.example/simple/"}


def test_what_it_builds_is_of_its_class_and_equal_to_data_of_the_same_content() -> None:
    built, data = conjoin.Requirements.build(**_ASKED), build_requirements(**_ASKED)  # type: ignore[arg-type]
    assert isinstance(built, conjoin.Requirements)
    assert isinstance(built, Requirements)
    assert type(data) is Requirements
    assert built == data
    assert data == built
    assert built == conjoin.Requirements.build(**_ASKED)
    assert len({built, data}) == 1
    assert req_id(built) == req_id(data)
    assert repr(built) == repr(data)
    assert msgspec.to_builtins(built) == msgspec.to_builtins(data)


def test_other_content_is_not_equal() -> None:
    built, other = (conjoin.Requirements.build(pypi=[name], index_url="https://i.example/") for name in "xy")
    assert built != other
    assert built != build_requirements(pypi=["y"], index_url="https://i.example/")
    assert built != "x"


def test_what_is_no_part_of_the_identity_is_not_compared() -> None:
    built = conjoin.Requirements.build(**_ASKED)
    assert replace(built, platforms=("linux-64",)) == build_requirements(**_ASKED)  # type: ignore[arg-type]


def test_copies_are_equal_and_of_the_class(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("attrs\n")
    asked = conjoin.Requirements.from_file(tmp_path / "requirements.txt")
    for again in (pickle.loads(pickle.dumps(asked)), copy.deepcopy(asked), replace(asked)):
        assert isinstance(again, conjoin.Requirements)
        assert again == asked


def test_it_is_frozen() -> None:
    built = conjoin.Requirements.build(**_ASKED)
    try:
        built.python = "3.12"  # type: ignore[misc]
    except AttributeError:
        pass
    else:
        raise AssertionError(built.python)


def test_naming_it_loads_neither_readers_nor_what_makes_environments() -> None:
    code = (
        "import sys, conjoin; conjoin.Requirements; "
        "print(*sorted(name for name in sys.modules if name.startswith('conjoin')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {
        "conjoin",
        "conjoin.errors",
        "conjoin.redaction",
        "conjoin.requirements",
        "conjoin.spec",
        "conjoin.spec.names",
        "conjoin.spec.requirements",
    }
