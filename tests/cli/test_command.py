"""Groups of options become parameters; sizes as people say them; help that starts fast."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from holdfast.cli.app import make_app
from holdfast.cli.command import takes_groups
from holdfast.cli.options import RequestOptions
from holdfast.cli.request import is_request
from holdfast.cli.table import human_size


@dataclass(frozen=True, kw_only=True)
class Group:
    many: Annotated[list[str], typer.Option("--many", "-m")] = field(default_factory=list)
    flag: Annotated[bool, typer.Option("--flag")] = False


def test_a_group_of_options_arrives_as_its_dataclass() -> None:
    got: list[object] = []

    def command(group: Group, word: Annotated[str, typer.Argument()]) -> None:
        got.extend([group, word])

    app = typer.Typer()
    app.command()(takes_groups(command))
    assert CliRunner().invoke(app, ["-m", "a", "here", "--many", "b", "--flag"]).exit_code == 0
    assert got == [Group(many=["a", "b"], flag=True), "here"]


@pytest.mark.parametrize("command", ["resolve", "create", "run", "show", "forge", "demo"])
def test_every_command_has_help_and_a_first_line(command: str) -> None:
    result = CliRunner().invoke(make_app(), [command, "--help"])
    assert result.exit_code == 0
    assert f"holdfast {command}" in result.output.replace("root", "holdfast")


def test_version_is_on_stdout(called) -> None:
    done = called("--version")
    assert (done.returncode, done.stdout.startswith("holdfast "), done.stderr) == (0, True, "")


def test_no_command_at_all_is_wrong_usage_and_shows_the_help(called) -> None:
    done = called()
    assert (done.returncode, done.stdout) == (2, "")
    assert "resolve" in done.stderr


def test_a_platform_alone_asks_for_nothing() -> None:
    assert not is_request(RequestOptions(platform=["linux-64"]))
    assert is_request(RequestOptions(pypi=["x"]))
    assert is_request(RequestOptions(pre=True))


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, ""), (999, "999 B"), (1000, "1.0 kB"), (34_500_000, "34.5 MB"), (2_100_000_000, "2.1 GB")],
)
def test_sizes_are_said_in_si_units(size: int, said: str) -> None:
    assert human_size(size) == said


def test_help_imports_neither_engine_nor_rich() -> None:
    code = (
        "import sys; from holdfast.cli.main import main; main(['--help']); "
        "print([n for n in ('rattler', 'httpx', 'rich', 'msgspec', 'ruamel.yaml', 'packaging', 'asyncio')"
        " if n in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
