"""What command lines mean, what is said of wrong ones, and help."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conjoin.cli.command_list import COMMANDS
from conjoin.cli.main import main
from conjoin.cli.options import Argument, Command, Group, Option, OutputOptions, RequestOptions
from conjoin.cli.parser import Parser, find_command, read
from conjoin.cli.root import ROOT
from conjoin.errors import UsageError

ROOT_FOLDER = Path(__file__).parents[2]

LINES: dict[str, dict[str, Any] | None] = json.loads(
    Path(__file__).with_name("command_lines.json").read_text("utf-8")
)
"""Command lines, and what they meant to the parser before this one, typer's: values that are no defaults.

None where it refused the line.
"""

DASHED = {
    "resolve --pypi --force": "option --pypi needs a value: REQ",
    "resolve --pypi -x": "option --pypi needs a value: REQ",
    "resolve -c --force": "option -c needs a value: CHANNEL",
}
"""Values that begin with a dash: typer took them, which nobody meant. As --pypi=-x they are right (LINES)."""


def every_command(command: Command = ROOT, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Command]]:
    """Yield all commands with what is typed for them, the program's own (``""``) first."""
    yield " ".join(words), command
    for name, one in command.commands.items():
        yield from every_command(one.load(), (*words, name))


EVERY = dict(every_command())


def _found(words: list[str]) -> tuple[Command, str, list[str]]:
    """Return the command that words name, its name, and its own words."""
    count = 2 if words[0] == "config" else 1
    return *find_command(ROOT, words[:count]), words[count:]


def _defaults(command: Command) -> dict[str, Any]:
    """Return what counts where nothing is typed, groups taken apart."""
    found = {
        name: parameter.default
        for name, parameter in inspect.signature(command.function).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    for group in command.takes:
        if isinstance(group, Group):
            found |= group.make()._asdict()
    return found


def _flat(command: Command, values: dict[str, Any]) -> dict[str, Any]:
    """Return the values that are none of the defaults, groups taken apart, as JSON has them."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= value._asdict() if hasattr(value, "_asdict") else {name: value}
    defaults = _defaults(command)
    return {
        name: _shown(value) for name, value in flat.items() if value != () and value != defaults.get(name)
    }


def _shown(value: Any) -> Any:
    if isinstance(value, Path):
        return f"Path({value})"
    return [_shown(one) for one in value] if isinstance(value, tuple) else value


def _read(line: str) -> dict[str, Any] | str:
    """Return what a line means, or what is said against it."""
    command, name, rest = _found(shlex.split(line))
    try:
        return _flat(command, read(command, name, rest))
    except UsageError as error:
        return str(error)


def test_what_people_type_means_what_it_meant() -> None:
    wrong = {}
    for line, meant in LINES.items():
        got = _read(line)
        if isinstance(got, str):
            assert "; see `conjoin " in got, line
            got = None
        if got != meant:
            wrong[line] = got
    assert wrong == {}


def test_lines_that_are_known_use_every_option_of_every_command() -> None:
    used: dict[str, set[str]] = {}
    for line, meant in LINES.items():
        _, name, _ = _found(shlex.split(line))
        used.setdefault(name, set()).update(meant or ())
    for line, command in EVERY.items():
        if not command.commands and line not in {"help", "version", "completion"}:
            own = {one.name for one in command.options} - {"json", "quiet", "verbose"}
            if "request" in inspect.signature(command.function).parameters and line != "resolve":
                own -= set(RequestOptions._fields)
            assert own - used[f"conjoin {line}"] == set(), line


@pytest.mark.parametrize("line", DASHED)
def test_a_value_that_begins_with_a_dash_is_typed_with_an_equals_sign(line: str, called) -> None:
    done = called(*line.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert DASHED[line] in done.stderr
    assert ("is typed --pypi=VALUE" in done.stderr) == ("--pypi" in line)


_WORDS = ["a", "b=c", "x y", "3", "a/b:v1", "é", "%s", "linux-64", "-"]


@st.composite
def _right_lines(draw: st.DrawFn) -> tuple[str, list[list[str]], dict[str, Any]]:
    """A command, the pieces of a right line in any order but for its words', and what they mean."""
    name = draw(st.sampled_from([n for n, c in EVERY.items() if c.interspersed and not c.commands]))
    command = EVERY[name]
    options = {one.name: one for one in command.options}
    pieces: list[list[str]] = []
    meant: dict[str, Any] = {}
    for key in draw(st.lists(st.sampled_from(sorted(options)), max_size=6) if options else st.just([])):
        option = options[key]
        switch = draw(st.sampled_from([*option.switches, *([option.off] if option.off else [])]))
        if not option.metavar:
            pieces.append([switch])
            continue
        text = draw(st.sampled_from(["3"] if option.expected else [*option.choices, *_WORDS]))
        if option.choices and text not in option.choices:
            text = option.choices[0]
        joined = switch.startswith("--") and draw(st.booleans())
        pieces.append([f"{switch}={text}"] if joined else [switch, text])
    few = [one for one in command.arguments if one.required or draw(st.booleans())]
    words = [draw(st.sampled_from(_WORDS)) for _ in few]
    places = sorted(draw(st.lists(st.integers(0, len(pieces)), min_size=len(words), max_size=len(words))))
    for word, place in reversed(list(zip(words, places, strict=True))):
        pieces.insert(place, [word])
    for piece in pieces:
        _note(meant, options, piece, [])
    for argument, word in zip(command.arguments, words, strict=False):
        meant[argument.name] = (argument.type(word),) if argument.repeats else argument.type(word)
    return name, pieces, meant


def _note(meant: dict[str, Any], options: dict[str, Option], piece: list[str], _: list[str]) -> None:
    switch, has_value, text = piece[0].partition("=")
    for option in options.values():
        if switch == option.off:
            meant[option.name] = False
        elif switch in option.switches and not option.metavar:
            meant[option.name] = True
        elif switch in option.switches:
            value = option.type(text if has_value else piece[1])
            meant[option.name] = (*meant.get(option.name, ()), value) if option.repeats else value


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_right_lines())
def test_options_stand_in_any_order_and_between_words(
    line: tuple[str, list[list[str]], dict[str, Any]],
) -> None:
    name, pieces, meant = line
    command, words = EVERY[name], [word for piece in pieces for word in piece]
    shown = {key: value for key, value in meant.items() if value != _defaults(command).get(key)}
    assert _flat(command, read(command, name, words)) == {key: _shown(value) for key, value in shown.items()}


@st.composite
def _any_lines(draw: st.DrawFn) -> tuple[str, list[str]]:
    name = draw(st.sampled_from(sorted(EVERY)))
    command = EVERY[name]
    switches = ["-x", "--nonsense", "--", "-", "-qv", "--no-force", "--=", "---", "-=", "-1"]
    for option in command.options:
        for switch in (*option.switches, option.off or "--no-such"):
            switches += [switch, f"{switch}=x", f"{switch}=", switch[:-1], f"{switch}s"]
    words = st.one_of(st.sampled_from(switches), st.sampled_from(["", *_WORDS]), st.text(max_size=4))
    return name, draw(st.lists(words, max_size=7))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_any_lines())
def test_of_any_words_a_line_is_read_or_refused_in_our_words(line: tuple[str, list[str]]) -> None:
    name, words = line
    if {"-h", "--help"}.isdisjoint(words):
        with suppress(_Refused), _refusing():
            read(EVERY[name], name, words)


class _Refused(Exception):
    """As it should be."""


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        said = str(error)
        if "; see `" in said and said.startswith(
            ("option ", "no such option: ", "missing", "too many", "--")
        ):
            raise _Refused from error
        raise


def test_options_that_belong_together_arrive_as_one_value() -> None:
    got = read(EVERY["show"], "show", ["-q", "--json", "x"])
    assert got == {"output": OutputOptions(json=True, quiet=True), "env": "x"}


@pytest.mark.parametrize("name", EVERY)
def test_a_function_gets_what_its_command_declares(name: str) -> None:
    command = EVERY[name]
    declared = {one.parameter if isinstance(one, Group) else one.name for one in command.takes}
    declared |= {one.name for one in command.arguments}
    parameters = inspect.signature(command.function).parameters
    if name == "":
        parameters = inspect.signature(command.prepare).parameters
    assert declared - {"words"} == set(parameters) - {"words"}
    for group in command.takes:
        if isinstance(group, Group):
            assert {one.name for one in group.options} <= set(group.make._fields)
    switches = [s for one in command.options for s in (*one.switches, one.off) if s]
    assert len(switches) == len(set(switches))
    needed = {one.name for one in command.arguments if one.required}
    for key, parameter in parameters.items():
        is_needed = key in needed or key in {one.parameter for one in command.takes if isinstance(one, Group)}
        assert (parameter.default is inspect.Parameter.empty) == is_needed, key


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("reslve", "no such command 'reslve'. Did you mean 'resolve'?; see `conjoin --help`"),
        ("config st", "no such command 'st'. Did you mean 'set'?; see `conjoin config --help`"),
        ("help reslve", "no such command 'reslve'. Did you mean 'resolve'?"),
        ("help list more", "`conjoin list` has no commands"),
        ("resolve --alia x", "no such option: --alia. Did you mean --alias?; see `conjoin resolve --help`"),
        ("resolve --chanel=x", "no such option: --chanel. Did you mean --channel"),
        ("show x -z", "no such option: -z; see `conjoin show --help`"),
        ("--verison", "no such option: --verison. Did you mean --version?"),
        ("resolve --channel-priority strct", "--channel-priority is 'strct'. Did you mean strict?"),
        ("resolve --strategy lowst", "--strategy is 'lowst'. Did you mean lowest"),
        ("resolve --pypi x --platform linux_64", "--platform is 'linux_64'. Did you mean linux-64"),
        ("forge x --format tar.bz", "--format is 'tar.bz'. Did you mean tar.bz2?"),
        ("completion bsh", "'bsh' is no shell that is completed; did you mean bash?"),
        ("completion tcsh", "expected one of bash, zsh, fish"),
        ("tree x --depth y", "--depth is 'y', expected a number from 0 on; see `conjoin tree --help`"),
        ("tree x --depth=-1", "--depth is '-1', expected a number from 0 on"),
        ("resolve --pre=x", "option --pre takes no value"),
        ("resolve -qx", "no such option: -x; see `conjoin resolve --help`"),
        ("show", "missing argument 'ENV'; see `conjoin show --help`"),
        ("show a b c", "too many arguments: b c"),
        ("config set channels", "missing argument 'VALUE...'"),
        ("--keyring-provider subproces list", "--keyring-provider is 'subproces'. Did you mean subprocess?"),
        ("--keyring-provider disabled", "no command is given; see `conjoin --help`"),
        ("--install-completion", "see `conjoin completion --help`"),
    ],
)
def test_what_is_mistyped_is_named_and_near_ones_suggested(line: str, said: str, called) -> None:
    done = called(*line.split())
    assert (done.returncode, done.stdout) == (2, "")
    (error,) = done.stderr.splitlines()
    assert said in error
    assert error.startswith("error: ")


@pytest.mark.parametrize("name", EVERY)
def test_every_command_has_help_examples_and_documents(name: str, called) -> None:
    done = called(*name.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: conjoin {name}".rstrip())
    command = EVERY[name]
    assert " ".join(command.help.split()) in " ".join(done.stdout.split())
    if name != "version":
        assert command.examples
    for example in command.examples:
        assert f"$ {example.line}\n" in done.stdout
    for option in command.options:
        assert all(switch in done.stdout for switch in option.switches)
    assert [path for path in command.more if not (ROOT_FOLDER / path).exists()] == []
    if command.more:
        assert done.stdout.rstrip().splitlines()[-1].startswith("Documentation: ")


@pytest.mark.parametrize("name", ["", "resolve", "config", "config set", "help"])
def test_help_is_asked_for_in_three_ways(name: str, called) -> None:
    words = name.split()
    said = {called(*line).stdout for line in ([*words, "-h"], [*words, "--help"], ["help", *words])}
    assert len(said) == 1


def test_the_command_that_is_run_is_asked_for_its_own_help() -> None:
    assert _read("run x --help") == {"words": ["x", "--help"]}
    assert _read("run -q x -h") == {"words": ["x", "-h"], "quiet": True}


def test_examples_are_true() -> None:
    count = 0
    for command in EVERY.values():
        for example in command.examples:
            words = shlex.split(example.line.partition(" > ")[0])
            assert words[0] == "conjoin"
            found, named, rest = ROOT, "conjoin", words[1:]
            while found.commands and rest:
                found, named = find_command(found, rest[:1])[0], f"{named} {rest[0]}"
                rest = rest[1:]
            assert found is command or command.commands, example
            read(found, named, rest)
            count += 1
    assert count > 30


def test_help_stands_in_groups_of_a_theme(called) -> None:
    said = called("resolve", "-h").stdout
    headings = re.findall(r"^(\S.*):$", said, re.MULTILINE)
    assert headings == [
        "What is asked for, in files",
        "What is asked for, typed",
        "Where packages come from",
        "Which versions",
        "Options",
        "Store and network",
        "Output",
        "Examples",
    ]
    assert "-f, --file FILE" in said
    assert "--pre, --no-pre" in said
    listed = re.findall(r"^(\S.*):$", called("--help").stdout, re.MULTILINE)
    assert listed[:2] == ["Make environments", "Look at environments"]


@pytest.mark.parametrize("columns", [50, 80, 200])
def test_help_keeps_to_the_width_there_is(columns: int, called, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for name in ("", "resolve", "config"):
        lines = called(*name.split(), "--help").stdout.partition("\nExamples:")[0].splitlines()
        assert max(map(len, lines)) <= columns
        assert columns < 200 or max(map(len, lines)) > 80


def test_a_percent_sign_is_one() -> None:
    def command(half: str = "", share: str = "") -> None:
        """Take 50%s of it, 100%."""

    declared = Command(
        command,
        (Option("half", "50%s or 100%", "50%"),),
        (Argument("share", "%(prog)s %d", "[%]", required=False),),
    )
    said = Parser(declared, "conjoin 5%").help_in(80)
    for text in (
        "50%s of it, 100%.",
        "50%s or 100%",
        "%(prog)s %d",
        "--half 50%",
        "conjoin 5% [OPTIONS] [%]",
    ):
        assert text in said


def test_what_comes_before_a_command_counts(monkeypatch: pytest.MonkeyPatch, called) -> None:
    monkeypatch.setenv("CONJOIN_KEYRING_PROVIDER", "subprocess")
    said = called("--keyring-provider=disabled", "config", "get", "keyring-provider")
    assert (said.returncode, said.stdout) == (0, "disabled\n")


@pytest.mark.parametrize(
    "line", ["--version", "version", "--version resolve", "--keyring-provider x --version"]
)
def test_the_version_is_on_stdout(line: str, called) -> None:
    done = called(*line.split())
    assert (done.returncode, done.stdout.startswith("conjoin "), done.stderr) == (0, True, "")


def test_a_name_that_a_command_does_not_begin_is_none_of_python(capsys) -> None:
    assert main(["__class__"]) == 2
    assert "no such command" in capsys.readouterr().err


def test_every_command_is_listed_in_its_own_words() -> None:
    """What is listed before a command is imported is what the imported one says."""
    for name, entry in COMMANDS.items():
        assert entry.help == entry.load().help, name


def test_reading_right_lines_of_every_command_imports_no_other(tmp_path: Path) -> None:
    lines = [shlex.split(line) for line, meant in LINES.items() if meant is not None]
    code = (
        "import json, sys\n"
        "from conjoin.cli.parser import find_command, read\n"
        "from conjoin.cli.root import ROOT\n"
        "for words in json.load(sys.stdin):\n"
        "    count = 2 if words[0] == 'config' else 1\n"
        "    read(*find_command(ROOT, words[:count]), words[count:])\n"
        "never = ('typer', 'click', 'argcomplete', 'rich', 'difflib', 'shutil')\n"
        "print([name for name in never if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(lines), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
