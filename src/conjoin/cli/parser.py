"""Command lines and their help, by argparse: the one place that reads either.

argparse reads the options. The words that are left are the arguments, in their order: argparse would hand
arguments out as soon as it meets the first word, and then refuse ``alias ENV --json NAME``.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn, TextIO

from conjoin.cli.options import Argument, Command, Group, Loadable, Option
from conjoin.cli.output.reporter import is_terminal, styled
from conjoin.errors import UsageError

__all__ = ["NAME", "Parser", "find_command", "print_help", "read", "run"]

NAME = "conjoin"
"""What people type."""

_HELP = Option("help", "show this help", flags=("--help", "-h"))
_DOCUMENTS = "Documentation"

_HEADINGS = re.compile(r"^(\S[^\n]*:)(?=\n|$|  *\S)", re.MULTILINE)
_SWITCHES = re.compile(r"(?<![\w-])--?[a-zA-Z][a-z-]*")


def run(root: Command, words: Sequence[str]) -> None:
    """Do what a command line asks for.

    :param root: the program.
    :param words: without the program's name.
    :raises UsageError: where the line is wrong.
    """
    command, name, rest = root, NAME, list(words)
    while command.commands:
        if rest and not rest[0].startswith("-"):
            values: dict[str, Any] = {}
        else:
            values = read(command, name, rest)
            rest = list(values.pop("words", ()))
        if not rest:
            command.function(**values)
            return
        if command.prepare is not None:
            command.prepare(**values)
        found = _below(command, name, rest[0])
        command, name, rest = found.load(), f"{name} {rest[0]}", rest[1:]
    command.function(**read(command, name, rest))


def find_command(root: Command, words: Iterable[str]) -> tuple[Command, str]:
    """Return the command that words name one below the other, and its whole name.

    :raises UsageError: where there is none.
    """
    command, name = root, NAME
    for word in words:
        command, name = _below(command, name, word).load(), f"{name} {word}"
    return command, name


def _below(command: Command, name: str, word: str) -> Loadable:
    found = command.commands.get(word)
    if found is None:
        what = f"no such command {word!r}" if command.commands else f"`{name}` has no commands"
        raise _wrong(name, f"{what}{_near(word, command.commands, quote=True)}")
    return found


def read(command: Command, name: str, words: Sequence[str]) -> dict[str, Any]:
    """Return what a command's function is called with; what was not typed is not there.

    :param name: the command's, with the program's.
    :param words: the rest of the command line.
    :raises UsageError: where it is wrong: one line that says what, and where help is.
    """
    parser = Parser(command, name, for_reading=True)
    mine, rest = list(words), []
    if command.interspersed and "--" in mine:
        place = mine.index("--")
        mine, rest = mine[:place], mine[place + 1 :]
    try:
        typed, others = parser.parse_known_args(mine)
    except argparse.ArgumentError as error:
        raise parser.refused(error, mine) from None
    except IndexError:  # what argparse of some Pythons has to say of -q=
        word = next(word for word in mine if len(word) > 2 and word.endswith("="))
        raise _wrong(name, f"option {word[:2]} takes no value") from None
    for word in others:
        if word.startswith("-") and word != "-":
            switch = word.partition("=")[0]
            raise _wrong(name, f"no such option: {switch}{_near(switch, parser.switches)}")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in vars(typed).items()}
    if command.interspersed:
        _take_words(command, name, [*others, *rest], values)
    elif values.get("words", ())[:1] == ("--",):
        values["words"] = values["words"][1:]
    return _grouped(command, values)


def _take_words(command: Command, name: str, words: list[str], values: dict[str, Any]) -> None:
    """Add the words that belong to no option as arguments."""
    rest = words
    for argument in command.arguments:
        if argument.required and not rest:
            raise _wrong(name, f"missing argument {argument.metavar!r}")
        if argument.repeats:
            values[argument.name] = tuple(map(argument.type, rest))
            return
        if rest:
            values[argument.name] = argument.type(rest[0])
            rest = rest[1:]
    if rest:
        raise _wrong(name, f"too many arguments: {' '.join(rest)}")


def _grouped(command: Command, values: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a command's function: options that belong together as one value."""
    left = dict(values)
    for group in command.takes:
        if isinstance(group, Group):
            typed = {one.name: left.pop(one.name) for one in group.options if one.name in left}
            left[group.parameter] = group.make(**typed)
    return left


class Parser(argparse.ArgumentParser):
    """argparse's parser of one command.

    :ivar declared: what argparse was told, beside what it was told of.
    :ivar switches: all options as they are typed.
    """

    def __init__(self, command: Command, name: str, *, for_reading: bool = False) -> None:
        """:param for_reading: without arguments, which :func:`read` looks at itself."""
        self._command = command
        self.declared: list[tuple[argparse.Action, Option | Argument]] = []
        self.switches: dict[str, Option] = {}
        super().__init__(
            prog=name,
            usage=_usage(command, name).replace("%", "%%"),
            formatter_class=_Formatter,
            argument_default=argparse.SUPPRESS,
            add_help=False,
            allow_abbrev=False,
            exit_on_error=False,
        )
        options = list(command.options)
        for option in options:
            self._add_option(option)
        asks = _HELP._replace(group=options[-1].group) if options else _HELP
        self._declare(asks, *asks.switches, action=_ShowHelp)
        if not command.interspersed:
            (words,) = command.arguments
            self._declare(words, words.name, nargs=argparse.REMAINDER)
        elif not for_reading:
            for argument in command.arguments:
                few = "?" if not argument.required else None
                self._declare(argument, argument.name, nargs="*" if argument.repeats else few)

    def _add_option(self, option: Option) -> None:
        if option.off:
            self._declare(option, *option.switches, option.off, action=_Switch, dest=option.name)
        elif not option.metavar:
            self._declare(option, *option.switches, action="store_const", const=True, dest=option.name)
        else:
            self._declare(
                option,
                *option.switches,
                action="append" if option.repeats else "store",
                dest=option.name,
                type=self._reader(option),
            )

    def _declare(self, declared: Option | Argument, *names: str, **settings: Any) -> None:
        if declared.metavar:
            settings["metavar"] = declared.metavar
        action = self.add_argument(*names, help=declared.help.replace("%", "%%"), **settings)
        self.declared.append((action, declared))
        if isinstance(declared, Option):
            self.switches |= dict.fromkeys(action.option_strings, declared)

    def _reader(self, option: Option) -> Any:
        """Return what makes a value of a text."""
        if not (option.choices or option.expected or option.completes == "platform"):
            return option.type

        def read_value(text: str) -> Any:
            choices: Sequence[str] = option.choices
            if option.completes == "platform":
                from conjoin.spec.platform import PLATFORMS as choices
            switch = option.switches[0]
            if choices and text.strip().lower() not in choices and (near := _near(text, choices, least=0.8)):
                # Any other word: whoever uses the value says what there is, as for files and variables.
                raise _wrong(self.prog, f"{switch} is {text!r}{near}")
            try:
                return option.type(text)
            except ValueError:
                raise _wrong(self.prog, f"{switch} is {text!r}, expected {option.expected}") from None

        return read_value

    def refused(self, error: argparse.ArgumentError, words: Sequence[str]) -> UsageError:
        """Return in our words what argparse has against an option: it lacks a value, or must not have one."""
        names = (error.argument_name or "").split("/")
        option = self.switches[names[0]]
        if not option.metavar:
            for word in words:
                letters = [f"-{letter}" for letter in word[1:]] if word[:2] in names else []
                if unknown := [one for one in letters if one not in self.switches]:  # several in one, as -qv
                    return _wrong(self.prog, f"no such option: {unknown[0]}")
            return _wrong(self.prog, f"option {names[0]} takes no value")
        typed = next((word for word in words if word in names), names[0])
        after = words[words.index(typed) + 1 :] if typed in words else ()
        dashed = typed.startswith("--") and bool(after)
        how = f"; one that begins with - is typed {typed}=VALUE" if dashed else ""
        return _wrong(self.prog, f"option {typed} needs a value: {option.metavar}{how}")

    def error(self, message: str) -> NoReturn:
        """Refuse a command line, as argparse asks for.

        :raises UsageError: always.
        """
        raise _wrong(self.prog, message)

    def _get_formatter(self) -> argparse.HelpFormatter:
        # argparse asks for one with every option it is told of: looking at the terminal each time is dear.
        return _Formatter(self.prog, width=80)

    def help_in(self, width: int) -> str:
        """Return the command's help.

        :param width: in columns.
        """
        # Each part has columns of its own: names of commands are short, options with their values are long.
        head = _Formatter(self.prog, max_help_position=16, width=width)
        head.add_usage(self.usage, [], [], prefix="Usage: ")
        head.add_text(_described(self._command))
        if self._command.commands:
            for heading, listed in _by_group(self._command.commands.items()).items():
                self._section(head, heading, [_Listed(name, one.help) for name, one in listed])
        body = _Formatter(self.prog, max_help_position=30, width=width)
        if not self._command.commands:
            arguments = [action for action, one in self.declared if isinstance(one, Argument)]
            self._section(body, "Arguments", arguments)
        groups: dict[str, list[argparse.Action]] = {}
        for action, one in self.declared:
            if isinstance(one, Option):
                groups.setdefault(one.group, []).append(action)
        for heading, actions in groups.items():
            self._section(body, heading, actions)
        return "\n".join([head.format_help(), body.format_help().rstrip(), *_end(self._command)]) + "\n"

    @staticmethod
    def _section(formatter: argparse.HelpFormatter, heading: str, actions: Sequence[argparse.Action]) -> None:
        formatter.start_section(heading)
        formatter.add_arguments(actions)
        formatter.end_section()


def print_help(command: Command, name: str, stream: TextIO | None = None) -> None:
    """Print a command's help to ``stream``, default: stdout."""
    stream = stream or sys.stdout
    text = Parser(command, name).help_in(_width(stream))
    if is_terminal(stream) and not os.environ.get("NO_COLOR"):
        text = _HEADINGS.sub(lambda found: styled(found[1], "bold", stream), text)
        text = _SWITCHES.sub(lambda found: styled(found[0], "cyan", stream), text)
    stream.write(text)
    stream.flush()


class _ShowHelp(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, **settings: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **settings)

    def __call__(self, parser: Any, *_: Any) -> None:
        print_help(parser._command, parser.prog)
        raise SystemExit(0)


class _Switch(argparse.Action):
    """A flag with an opposite, which stands last."""

    def __init__(self, option_strings: Sequence[str], dest: str, **settings: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **settings)

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        setattr(namespace, self.dest, option_string != self.option_strings[-1])


class _Listed(argparse.Action):
    """A command in a list."""

    def __init__(self, name: str, help: str) -> None:
        super().__init__([], name, metavar=name, help=help.replace("%", "%%"))

    def __call__(self, *_: Any) -> NoReturn:
        """Say that nobody types it so."""
        raise NotImplementedError


class _Formatter(argparse.HelpFormatter):
    def _set_color(self, color: bool, **_: Any) -> None:
        """Have none of argparse's colours (Python 3.14): ours are the same everywhere."""
        super()._set_color(False)  # type: ignore[misc]

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(
            super(_Formatter, self)._fill_text(one, width, indent) for one in text.split("\n\n")
        )

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """Return how an option is typed: the short form first, and its value once."""
        if not action.option_strings:
            return super()._format_action_invocation(action)
        value = "" if action.nargs == 0 else f" {self._format_args(action, action.dest.upper())}"
        return f"{', '.join(sorted(action.option_strings, key=len))}{value}"


def _usage(command: Command, name: str) -> str:
    words = [one.metavar for one in command.arguments]
    return " ".join([name, "[OPTIONS]", *words])


def _described(command: Command) -> str:
    paragraphs = (command.function.__doc__ or "").strip().split("\n\n")
    return "\n\n".join(" ".join(one.split()) for one in paragraphs)


def _by_group(commands: Iterable[tuple[str, Loadable]]) -> dict[str, list[tuple[str, Loadable]]]:
    groups: dict[str, list[tuple[str, Loadable]]] = {}
    for name, one in commands:
        groups.setdefault(one.group, []).append((name, one))
    return groups


def _end(command: Command) -> list[str]:
    """Return what stands below the options: examples, and where more is written."""
    lines = [""]
    if command.examples:
        lines += ["Examples:"]
        for example in command.examples:
            lines += [f"  {example.meaning}", f"    $ {example.line}"]
        lines += [""]
    return [*lines, f"{_DOCUMENTS}: {', '.join(command.more)}"] if command.more else lines[:-1]


def _width(stream: TextIO) -> int:
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _near(word: str, known: Iterable[str], *, quote: bool = False, least: float = 0.65) -> str:
    """Return a question whether something near was meant; nothing where nothing is near.

    :param least: how near, from 0 to 1.
    """
    import difflib

    near = difflib.get_close_matches(word.lower(), list(known), n=3, cutoff=least)
    shown = [repr(one) if quote else one for one in near]
    return f". Did you mean {' or '.join(shown)}?" if near else ""


def _wrong(name: str, what: str) -> UsageError:
    return UsageError(what, advice=f"see `{name} --help`")
