"""``conjoin completion``: what makes a shell complete command lines, and what it is answered."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from conjoin.cli.command_list import COMMANDS
from conjoin.cli.options import Argument, Command, Example, Option
from conjoin.cli.parser import NAME, Parser
from conjoin.errors import ConjoinError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["COMMAND", "complete", "completion"]

_SHELLS = ("bash", "zsh", "fish")
_FEWEST_DIGITS = 2
"""Of an id: whoever types fewer means a name."""


def completion(shell: str = "") -> None:
    """Print what makes a shell complete command lines.

    It completes commands, options and their values, settings, platforms, and the names of environments in the
    local store. Without SHELL, it is for the one that $SHELL names. Put into ~/.bashrc:
    eval "$(conjoin completion bash)"; into ~/.zshrc, below compinit: eval "$(conjoin completion zsh)"; into
    ~/.config/fish/config.fish: conjoin completion fish | source.
    """
    import difflib

    wanted = shell or os.path.basename(os.environ.get("SHELL", ""))  # noqa: PTH119 (pathlib is dear)
    if wanted not in _SHELLS:
        near = difflib.get_close_matches(wanted, _SHELLS, n=1)
        raise UsageError(
            f"{wanted!r} is no shell that is completed" if wanted else "no shell is given",
            advice=f"did you mean {near[0]}?" if near else f"expected one of {', '.join(_SHELLS)}",
        )
    from argcomplete.shell_integration import shellcode

    sys.stdout.write(shellcode([NAME], shell=wanted))


COMMAND = Command(
    completion,
    arguments=(Argument("shell", "bash, zsh or fish", "[SHELL]", required=False, choices=_SHELLS),),
    examples=(
        Example("conjoin completion bash", "For bash; as well zsh and fish"),
        Example("conjoin completion zsh > ~/.zfunc/_conjoin", "For zsh, as a file in a folder of its fpath"),
    ),
)


def complete(root: Command) -> int:
    """Answer a shell, by argcomplete's protocol: candidates go where it listens, and nothing to stdout.

    :param root: the program, under which all commands are found.
    """
    from argcomplete.completers import SuppressCompleter
    from argcomplete.finders import CompletionFinder
    from argcomplete.lexers import split_line

    _, _, _, words, _ = split_line(os.environ["COMP_LINE"], int(os.environ["COMP_POINT"]))
    start = int(os.environ["_ARGCOMPLETE"])
    command, name, taken = _command_of(root, words[start:])
    # argcomplete takes what follows for the command's own words.
    os.environ["_ARGCOMPLETE"] = str(start + taken)
    parser = Parser(command, name)
    for action, declared in parser.declared:
        action.completer = _Completer(declared, command)  # type: ignore[attr-defined]
    codes: list[int] = []
    CompletionFinder()(
        parser, always_complete_options=False, exit_method=codes.append, default_completer=SuppressCompleter()
    )
    return codes[0]


def _command_of(root: Command, words: Sequence[str]) -> tuple[Command, str, int]:
    """Return the command that is being typed, its name, and how many words there are up to its own."""
    command, name, taken = root, NAME, 0
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word.startswith("-") and word != "--":
            option = Parser(command, name).switches.get(word)
            at += bool(option and option.metavar)
        elif command.commands:
            found = command.commands.get(word)
            if found is None:
                return _OTHERS, name, at
            command, name, taken = found.load(), f"{name} {word}", at
        elif not command.interspersed:
            return _OTHERS, name, at
    return command, name, taken


def _others(words: Sequence[str] = ()) -> None:
    """Stand for a command that is not ours: files alone are completed."""


_OTHERS = Command(
    _others, arguments=(Argument("words", "", "WORD", repeats=True, completes="file"),), interspersed=False
)


class _Completer:
    """What argcomplete asks for the values of an option or an argument."""

    def __init__(self, declared: Option | Argument, command: Command) -> None:
        self._declared = declared
        self._command = command

    def __call__(self, *, prefix: str, parsed_args: Any, **_: Any) -> Mapping[str, str] | Iterable[str]:
        """Return candidates, with what they mean where there is something to say."""
        if self._command.commands and isinstance(self._declared, Argument):
            return {name: one.help for name, one in self._command.commands.items()}
        if self._declared.choices:
            return self._declared.choices
        find = _CANDIDATES.get(self._declared.completes)
        if find is None:
            return ()
        with suppress(ConjoinError, OSError):
            return find(prefix, parsed_args)
        return ()


def _commands(prefix: str, typed: Any) -> Mapping[str, str]:
    """Return the commands below those that were typed."""
    commands: Mapping[str, Any] = COMMANDS
    for word in getattr(typed, "words", None) or ():
        if word not in commands:
            return {}
        commands = commands[word].load().commands
    return {name: one.help for name, one in commands.items()}


def _environments(prefix: str, typed: Any) -> Mapping[str, str]:
    """Return aliases, ids and lock files; of another store than the local one where that is a folder."""
    from conjoin.store.aliases import Aliases
    from conjoin.store.backend.folder import FolderBackend

    backend = FolderBackend(_folder_of(getattr(typed, "store", None)))
    found: dict[str, str] = {}
    for alias in Aliases(backend).all():
        found[alias.name if alias.tag == "latest" else str(alias)] = "name"
    if len(prefix) >= _FEWEST_DIGITS and not set(prefix) - set("0123456789abcdef:"):
        from conjoin.store.locks import Locks

        req_id, _, full_id = prefix.partition(":")
        found |= {":".join(ids): "id" for ids in Locks(backend).ids_starting_with(req_id, full_id)}
    is_path = "/" in prefix or prefix.startswith((".", "~"))
    for path in _files(prefix, typed):
        if path.endswith((".lock", ".json")) or (is_path and path.endswith("/")):
            found[path] = "file"
    return found


def _folder_of(store: str | None) -> Path:
    from pathlib import Path

    from conjoin.config.places import local_store_root
    from conjoin.store.backend.address import parse_address

    address = parse_address(store) if store else None
    if not isinstance(address, Path):
        address = parse_address(local_store_root())
    assert isinstance(address, Path), "a local store is a folder"
    return address


def _platforms(prefix: str, typed: Any) -> Iterable[str]:
    from conjoin.spec.platform import PLATFORMS

    return PLATFORMS


def _settings(prefix: str, typed: Any) -> Mapping[str, str]:
    from conjoin.config.table import SETTINGS

    return {
        one.name: one.meaning for one in SETTINGS if one.in_project or not getattr(typed, "project", False)
    }


def _values(prefix: str, typed: Any) -> Iterable[str]:
    """Return what the setting that was typed can be."""
    from conjoin.cli.options import REQUEST
    from conjoin.config.table import Kind, setting_named

    setting = setting_named(getattr(typed, "key", None) or "")
    if setting is None:
        return ()
    if setting.kind is Kind.FLAG:
        return ("true", "false")
    if setting.name == "platforms":
        return _platforms(prefix, typed)
    if setting.kind in (Kind.PLACE, Kind.FOLDER):
        return _folders(prefix, typed)
    if setting.name == "keyring-provider":
        return ("subprocess", "disabled")
    same = [one.choices for one in REQUEST.options if one.name == setting.name.replace("-", "_")]
    return same[0] if same else ()


def _names(prefix: str, typed: Any) -> Iterable[str]:
    """Return what prefixes are called that were made by a name."""
    from conjoin.config.places import envs_dir

    return os.listdir(envs_dir() / "named")  # noqa: PTH208


def _users(prefix: str, typed: Any) -> Iterable[str]:
    return ("none", "me", "any")


def _files(prefix: str, typed: Any) -> Iterator[str]:
    head, _, begun = prefix.rpartition("/")
    shown = f"{head}/" if "/" in prefix else ""
    with suppress(OSError), os.scandir(os.path.expanduser(shown) or ".") as entries:  # noqa: PTH111
        for entry in entries:
            if entry.name.startswith(begun) and entry.name.startswith(".") <= begun.startswith("."):
                yield f"{shown}{entry.name}{'/' if entry.is_dir() else ''}"


def _folders(prefix: str, typed: Any) -> Iterable[str]:
    return [path for path in _files(prefix, typed) if path.endswith("/")]


_CANDIDATES: dict[str, Callable[[str, Any], Mapping[str, str] | Iterable[str]]] = {
    "command": _commands,
    "environment": _environments,
    "file": _files,
    "folder": _folders,
    "name": _names,
    "platform": _platforms,
    "setting": _settings,
    "users": _users,
    "value": _values,
}
"""By what options and arguments say they complete."""
