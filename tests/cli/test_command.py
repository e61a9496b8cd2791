"""What the program imports and when; help without a command; sizes as people say them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

import conjoin
from conjoin.cli.command_list import COMMANDS
from conjoin.cli.options import RequestOptions
from conjoin.cli.output.table import human_size
from conjoin.cli.request import is_request


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
    commands = {f"conjoin.cli.{entry.module}" for entry in COMMANDS.values()} - {"conjoin.cli.root"}
    assert _imported(["--help"], sorted(commands)) == "[]"


def test_a_call_imports_no_command_but_its_own() -> None:
    commands = [f"conjoin.cli.commands.{name}" for name in ("resolve", "create", "push", "demo", "config")]
    commands.append("conjoin.cli.request")
    assert _imported(["config", "path"], commands) == "['conjoin.cli.commands.config']"


@pytest.mark.parametrize("line", [["--version"], ["version"]])
def test_the_version_costs_hardly_more_than_python_itself(line: list[str]) -> None:
    """Not even a parser: what the interpreter has not loaded anyway is ours, and small."""
    code = (
        "import sys; before = set(sys.modules); from conjoin.cli.main import main; "
        f"main({line!r}); print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert {name for name in loaded if not name.startswith("conjoin")} <= {"__future__", "gc"}
    assert {"conjoin.cli.parser", "conjoin.errors"} & set(loaded) == set()


def test_the_program_keeps_the_garbage_collector_from_looking_and_the_library_does_not() -> None:
    code = (
        "import gc, sys; from conjoin.cli.main import main; "
        "before = gc.get_threshold(); main(['--version']); "
        "assert gc.get_threshold() == before and not gc.get_freeze_count(); sys.argv[1:] = ['--version']; "
        "main(); assert gc.get_threshold() > before and gc.get_freeze_count() and gc.isenabled()"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
