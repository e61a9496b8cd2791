"""Groups of options become parameters; sizes as people say them; help that starts fast."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

import conjoin
from conjoin.cli.app import HOMES, make_app
from conjoin.cli.command import takes_groups
from conjoin.cli.options import RequestOptions
from conjoin.cli.request import is_request
from conjoin.cli.table import human_size


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
    assert f"conjoin {command}" in result.output.replace("root", "conjoin")


def test_version_is_on_stdout(called) -> None:
    done = called("--version")
    assert (done.returncode, done.stdout.startswith("conjoin "), done.stderr) == (0, True, "")


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


def _imported(arguments: list[str], modules: Iterable[str]) -> str:
    """Return which of some modules a call of the program imports."""
    code = (
        f"import sys; from conjoin.cli.main import main; main({arguments!r}); "
        f"print([n for n in {list(modules)!r} if n in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stderr.strip()


def test_help_imports_neither_engine_nor_rich() -> None:
    heavy = ["rattler", "httpx", "rich", "msgspec", "ruamel.yaml", "packaging", "asyncio", "platformdirs"]
    assert _imported(["--help"], heavy) == "[]"


def test_help_imports_of_conjoin_the_commands_alone() -> None:
    rooms = [f"conjoin.{path.stem}" for path in Path(conjoin.__file__).parent.iterdir() if path.is_dir()]
    rooms.remove("conjoin.cli")
    assert _imported(["--help"], [*rooms, "conjoin.resolving", "conjoin.api", "conjoin.inventory"]) == "[]"


def test_help_imports_no_command() -> None:
    commands = {f"conjoin.cli.{home.module}" for home in HOMES.values()}
    assert _imported(["--help"], sorted({*commands, "conjoin.cli.options"})) == "[]"


def test_a_call_imports_no_command_but_its_own() -> None:
    commands = [f"conjoin.cli.{name}" for name in ("resolve", "create", "push", "demo", "request", "config")]
    assert _imported(["config", "path"], commands) == "['conjoin.cli.config']"


def test_help_lists_every_command_in_its_own_words() -> None:
    """What is listed before a command is built is what the built one says."""
    listed = CliRunner().invoke(make_app(), ["--help"], terminal_width=500).output
    for name, home in HOMES.items():
        own = CliRunner().invoke(make_app(), [name, "--help"], terminal_width=500).output
        first = home.help
        assert home.is_group or first == inspect.cleandoc(home.load().__doc__ or "").partition("\n\n")[0]
        assert first.rstrip(".") in " ".join(own.split()), name
        assert re.search(
            rf"^ +{name} +{re.escape(first.split('. ')[0].rstrip('.'))}", listed, re.MULTILINE
        ), name


def test_a_mistyped_command_is_named_and_near_ones_suggested(called) -> None:
    done = called("reslve")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no such command 'reslve'. Did you mean 'resolve'" in done.stderr


def test_commands_and_their_options_are_completed() -> None:
    environment = {"_CONJOIN_COMPLETE": "complete_bash", "COMP_WORDS": "conjoin res", "COMP_CWORD": "1"}
    assert CliRunner().invoke(make_app(), [], env=environment).output.split() == ["resolve"]
    environment |= {"COMP_WORDS": "conjoin resolve --python-s", "COMP_CWORD": "2"}
    assert CliRunner().invoke(make_app(), [], env=environment).output.split() == ["--python-source"]


def test_the_program_keeps_the_garbage_collector_from_looking_and_the_library_does_not() -> None:
    code = (
        "import gc, sys; from conjoin.cli.main import main; "
        "before = gc.get_threshold(); main(['--version']); "
        "assert gc.get_threshold() == before and not gc.get_freeze_count(); sys.argv[1:] = ['--version']; "
        "main(); assert gc.get_threshold() > before and gc.get_freeze_count() and gc.isenabled()"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
