"""A command line that is read without typer means what it means to typer."""

from __future__ import annotations

import functools
import inspect
import subprocess
import sys
from collections.abc import Callable
from dataclasses import is_dataclass
from pathlib import Path  # noqa: F401 - so do they Path
from typing import Annotated, Any  # noqa: F401 - annotations below say Annotated

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conjoin.cli.command import parameters_of, takes_groups
from conjoin.cli.homes import HOMES
from conjoin.cli.plain import plain_call

_COMMANDS = sorted(name for name, home in HOMES.items() if not home.is_group)

_PLAIN = [
    "resolve --pypi requests --pypi six<2 --python 3.11.7 --python-source host --json --platform win-64",
    "resolve -f environment.yml -c conda-forge --conda=numpy=1.26 --pre --no-pre --alias a:v1 --offline -o x",
    "resolve --update numpy --update six -q",
    "run team/torch:v1 -- python -c pass --verbose",
    "run -f environment.yml -q -- python --help",
    "run --offline team/torch",
    "create team/torch:v1 --prefix there --json",
    "create -n mine --pypi six",
    "show team/torch --platform linux-64 --platform win-64",
    "why team/torch numpy",
    "diff a b --exit-code",
    "alias team/torch other:v1 --store s3://bucket/x",
    "alias --list=",
    "get team/torch",
    "push team/torch --check --no-toolkit",
    "list",
    "gc --dry-run --older-than 2w",
    "export team/torch --offline-bundle x.tar",
    "import x.tar --alias a:v1",
]
_NOT_PLAIN = [
    "",
    "--version",
    "--keyring-provider disabled resolve",
    "resolve --help",
    "resolve --pypy six",
    "resolve --pypi",
    "resolve --pypi --force",
    "resolve --force=yes",
    "resolve six",
    "resolve -qv",
    "resolve -cconda-forge",
    "create a b",
    "show",
    "why team/torch",
    "tree team/torch --depth x",
    "run --nonsense x -- true",
    "run x --help",
    "config",
    "reslove",
]


def _opened(values: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a command, groups of options as what they hold."""
    return {name: vars(value) if is_dataclass(value) else value for name, value in values.items()}


def _by_typer(arguments: list[str]) -> dict[str, Any] | None:
    """Return the arguments that typer calls a command with, None where it calls none."""
    home = HOMES[arguments[0]]
    got: list[dict[str, Any]] = []

    @functools.wraps(home.load())
    def command(**values: Any) -> None:
        got.append(values)

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(context_settings=dict(home.context_settings))(takes_groups(command))
    try:
        app(arguments[1:], standalone_mode=False)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
    return _opened(got[0]) if got else None


def _plainly(arguments: list[str]) -> dict[str, Any] | None:
    call = plain_call(arguments)
    assert call is None or isinstance(call, functools.partial)
    return None if call is None else _opened(call.keywords)


@pytest.mark.parametrize("line", _PLAIN)
def test_what_people_type_every_day_is_plain_and_means_the_same(line: str) -> None:
    plainly = _plainly(line.split())
    assert plainly is not None
    assert plainly == _by_typer(line.split())


@pytest.mark.parametrize("line", _NOT_PLAIN)
def test_whatever_is_not_plain_is_left_to_typer(line: str) -> None:
    if line == "run x --help":  # the command's own option, as typer has it
        assert _plainly(line.split()) == _by_typer(line.split()) is not None
    else:
        assert _plainly(line.split()) is None


def test_completion_is_left_to_typer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_CONJOIN_COMPLETE", "complete_bash")
    assert _plainly(["list"]) is None


def _switches(name: str) -> list[str]:
    """Return whatever could be an option of a command, named as its parameters are; and a few of none."""
    found = ["-x", "--nonsense", "--", "-", "-qv", "--no-force", "--help"]
    for parameter in parameters_of(HOMES[name].load(), typer).parameters:
        said = parameter.annotation.__metadata__[0]
        dashed = parameter.name.replace("_", "-")
        found += [part for each in said.param_decls or () for part in each.split("/")]
        found += [f"--{dashed}", f"--no-{dashed}", f"--{dashed}=x", f"--{dashed}="]
    return found


@st.composite
def _lines(draw: st.DrawFn) -> list[str]:
    name = draw(st.sampled_from(_COMMANDS))
    words = st.one_of(
        st.sampled_from(_switches(name)), st.sampled_from(["a", "b=c", "", "x y", "3", "a/b:v1", "é"])
    )
    return [name, *draw(st.lists(words, max_size=7))]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_lines())
def test_of_any_words_either_typer_decides_or_both_read_the_same(arguments: list[str]) -> None:
    plainly = _plainly(arguments)
    if plainly is not None:
        assert plainly == _by_typer(arguments), arguments


def test_kinds_of_values_that_only_typer_knows_are_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def declared(annotation: str) -> Callable[..., None]:
        def command(value: Any = None) -> None: ...

        command.__annotations__ = {"value": annotation, "return": None}
        return command

    for annotation, is_plain in (
        ("Annotated[str | None, typer.Option(help='x')]", True),
        ("Annotated[list[Path] | None, typer.Option('--value', '-v')]", True),
        ("Annotated[int | None, typer.Option()]", False),
        ("Annotated[str | int | None, typer.Option()]", False),
        ("Annotated[str | None, typer.Option(envvar='X')]", False),
        ("Annotated[str | None, typer.Option(is_eager=True)]", False),
        ("str | None", False),
    ):
        command = declared(annotation)
        home = HOMES["list"]._replace(module="plain")
        monkeypatch.setitem(HOMES, "made", home)
        monkeypatch.setattr("conjoin.cli.plain.list_", command, raising=False)
        assert (_plainly(["made"]) is not None) == is_plain, annotation


def test_a_plain_call_of_every_command_imports_no_typer() -> None:
    code = (
        "import sys; from conjoin.cli.plain import plain_call; "
        f"print([line for line in {[line.split() for line in _PLAIN]!r} "
        "if plain_call(line) is None or 'typer' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_parameters_are_those_of_the_signature() -> None:
    """Each parameter of a command that is no group arrives by its own name."""
    for name in _COMMANDS:
        taken = parameters_of(HOMES[name].load(), typer)
        own = set(inspect.signature(HOMES[name].load()).parameters) - taken.groups.keys()
        assert own <= {parameter.name for parameter in taken.parameters}, name
