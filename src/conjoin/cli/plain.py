"""Command lines that are plainly right, read without typer: most commands work less than its import takes.

Which options there are, the same annotations say. Whatever is not plain is left to typer wholly: help,
completion, whatever is mistyped, values that are neither texts nor paths. So what a command line means is
never decided here; where both read it, they read the same (which the tests hold).
"""

from __future__ import annotations

import inspect
import os
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin

from conjoin.cli.command import parameters_of
from conjoin.cli.homes import HOMES

__all__ = ["plain_call", "read_plainly"]

_COMPLETION = "_CONJOIN_COMPLETE"
"""Set where a shell asks what could be typed next."""

_SHOWN = frozenset({"help", "metavar", "rich_help_panel", "show_default"})
"""Settings that change what help says, and nothing else."""


class _Said(NamedTuple):
    """What an annotation says of a parameter."""

    is_option: bool
    names: tuple[str, ...]
    settings: dict[str, Any]


class _Words:
    """What annotations mean by ``typer`` here."""

    @staticmethod
    def Option(*names: str, **settings: Any) -> _Said:
        return _Said(True, names, settings)

    @staticmethod
    def Argument(*names: str, **settings: Any) -> _Said:
        return _Said(False, names, settings)


class _Parameter(NamedTuple):
    name: str
    said: _Said
    kind: Callable[[str], Any]  # str, Path or bool
    is_list: bool
    default: Any

    @property
    def switches(self) -> dict[str, bool | None]:
        """How it is typed, and what that sets a flag to; None for what has a value."""
        dashed = self.name.replace("_", "-")
        if self.kind is not bool:
            return dict.fromkeys(self.said.names or [f"--{dashed}"])
        found: dict[str, bool | None] = {}
        for names in self.said.names or [f"--{dashed}/--no-{dashed}"]:
            yes, _, no = names.partition("/")
            found |= {yes: True, no: False} if no else {yes: True}
        return found


def plain_call(arguments: Sequence[str]) -> Callable[[], None] | None:
    """Return the call that a command line asks for; None where typer has to look at it."""
    home = HOMES.get(arguments[0]) if arguments else None
    if home is None or home.is_group or _COMPLETION in os.environ:
        return None
    command = home.load()
    taken = parameters_of(command, _Words)
    interspersed = home.context_settings.get("allow_interspersed_args", True)
    values = read_plainly(taken.parameters, arguments[1:], interspersed=interspersed)
    return None if values is None else partial(command, **taken.grouped(values))


def read_plainly(
    parameters: Sequence[inspect.Parameter], words: Sequence[str], *, interspersed: bool = True
) -> dict[str, Any] | None:
    """Return the value of each parameter; None where the words are not plain.

    :param parameters: annotated in the words of :class:`_Words`.
    :param interspersed: whether options may stand behind what is none.
    """
    known = [_parameter(each) for each in parameters]
    if None in known:
        return None
    every = [each for each in known if each is not None]
    switches = {
        switch: (each, flag)
        for each in every
        if each.said.is_option
        for switch, flag in each.switches.items()
    }
    values: dict[str, Any] = {}
    others: list[str] = []
    rest = deque(words)
    while rest:
        word = rest.popleft()
        if word == "--":
            break
        if not word.startswith("-") or word == "-":
            others.append(word)
            if not interspersed:
                break
            continue
        switch, has_value, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if switch not in switches:
            return None
        option, flag = switches[switch]
        if flag is not None:
            if has_value:
                return None
            values[option.name] = flag
            continue
        if not has_value:
            if not rest or rest[0].startswith("-"):
                return None
            value = rest.popleft()
        _set(values, option, value)
    if not _take_others(values, [each for each in every if not each.said.is_option], [*others, *rest]):
        return None
    for each in every:
        values.setdefault(each.name, each.default)
    return None if inspect.Parameter.empty in values.values() else values


def _take_others(values: dict[str, Any], arguments: Sequence[_Parameter], words: Sequence[str]) -> bool:
    """Give arguments the words that belong to no option; tell whether that is plain."""
    if len(arguments) == 1 and arguments[0].is_list:
        for word in words:
            _set(values, arguments[0], word)
        return True
    if any(each.is_list for each in arguments) or len(words) > len(arguments):
        return False
    for each, word in zip(arguments, words, strict=False):
        _set(values, each, word)
    return True


def _set(values: dict[str, Any], parameter: _Parameter, word: str) -> None:
    value = parameter.kind(word)
    if parameter.is_list:
        values.setdefault(parameter.name, []).append(value)
    else:
        values[parameter.name] = value


def _parameter(parameter: inspect.Parameter) -> _Parameter | None:
    """Return what is known of a parameter, None where it is none of the plain kinds."""
    kind, *notes = get_args(parameter.annotation) or (None,)
    if len(notes) != 1 or not isinstance(notes[0], _Said):
        return None
    said = notes[0]
    if get_origin(kind) in (UnionType, Union):  # one and the same from Python 3.14 on
        kind, *more = [each for each in get_args(kind) if each is not type(None)]
        if more:
            return None
    is_list = get_origin(kind) is list
    if is_list:
        (kind,) = get_args(kind)
    is_flag = kind is bool and said.is_option and not is_list
    if not (is_flag or kind in (str, Path)) or not said.settings.keys() <= _SHOWN:
        return None
    if any(not name.startswith("-") for name in said.names):
        return None
    return _Parameter(parameter.name, said, kind, is_list, parameter.default)
