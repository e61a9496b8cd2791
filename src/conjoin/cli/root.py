"""``conjoin`` itself: what may stand before a command, ``help`` and ``version``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from conjoin.cli.command_list import COMMANDS
from conjoin.cli.options import Argument, Command, Example, Option
from conjoin.cli.parser import NAME, find_command, print_help
from conjoin.errors import UsageError

__all__ = ["HELP", "ROOT", "VERSION"]

_PROVIDERS = ("subprocess", "disabled")
_INSTALL = "see `conjoin completion --help`"


def root(**typed: Any) -> None:
    """One exact, hash-locked environment out of conda and PyPI together, re-hydrated anywhere."""
    before_command(**typed)
    raise UsageError("no command is given", advice=f"see `{NAME} --help`")


def before_command(
    *,
    keyring_provider: str | None = None,
    version: bool = False,
    show_completion: bool = False,
    install_completion: bool = False,
) -> None:
    """Do what options before a command ask for.

    :raises UsageError: where that is no provider of logins; and to say how completion is switched on.
    """
    if install_completion:
        raise UsageError("a line of yours switches completion on", advice=_INSTALL)
    if version or show_completion:
        from conjoin.cli.completion import completion

        print_version() if version else completion()
        raise SystemExit(0)
    if keyring_provider is None:
        return
    if keyring_provider not in _PROVIDERS:
        raise UsageError(
            f"--keyring-provider is {keyring_provider!r}", advice=f"expected {' or '.join(_PROVIDERS)}"
        )
    # As the variable it stands for, so that whatever is configured elsewhere is read as ever.
    os.environ["CONJOIN_KEYRING_PROVIDER"] = keyring_provider


def print_version() -> None:
    """Print the version."""
    from conjoin.version import __version__

    print(f"{NAME} {__version__}", flush=True)


def print_help_of(words: Sequence[str] = ()) -> None:
    """Show the help of a command."""
    print_help(*find_command(ROOT, words))


ROOT = Command(
    root,
    (
        Option(
            "keyring_provider",
            "whether logins may come from the keyring command",
            "subprocess|disabled",
            choices=_PROVIDERS,
        ),
        Option("version", "print the version"),
        Option("show_completion", "as `conjoin completion`, for this shell"),
        Option("install_completion", "tell how completion is switched on"),
    ),
    arguments=(Argument("words", "a command, and what it takes", "COMMAND ...", repeats=True),),
    examples=(
        Example("conjoin resolve -f environment.yml --alias team/torch:v1", "Resolve what a file asks for"),
        Example("conjoin run team/torch:v1 -- python train.py", "Run something in it"),
        Example("conjoin help config set", "Show the help of a command"),
    ),
    more=("README.md", "docs/"),
    interspersed=False,
    commands=COMMANDS,
    prepare=before_command,
)

HELP = Command(
    print_help_of,
    arguments=(
        Argument("words", "whose", "[COMMAND ...]", required=False, repeats=True, completes="command"),
    ),
    examples=(
        Example("conjoin help resolve", "As conjoin resolve --help"),
        Example("conjoin help config set", "Of a command below another"),
    ),
)

VERSION = Command(print_version)
