"""The commands, put together."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from conjoin.cli.homes import HOMES
from conjoin.cli.on_demand import group_of
from conjoin.cli.reporter import is_terminal
from conjoin.errors import UsageError

__all__ = ["HOMES", "make_app"]


def make_app() -> typer.Typer:
    """Return the command line application."""
    app = typer.Typer(
        name="conjoin",
        cls=group_of(HOMES),
        add_completion=True,
        pretty_exceptions_enable=False,
        # Importing rich takes longer than everything else that --help does.
        rich_markup_mode="rich" if is_terminal(sys.stdout) else None,
    )
    app.callback()(_root)
    return app


def _version(given: bool) -> None:
    if given:
        from conjoin.version import __version__

        print(f"conjoin {__version__}", flush=True)
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="print the version", is_eager=True, callback=_version),
    ] = False,
    keyring_provider: Annotated[
        str | None,
        typer.Option(
            metavar="subprocess|disabled",
            help="whether logins may come from the keyring command",
            show_default=False,
        ),
    ] = None,
) -> None:
    """One exact, hash-locked environment out of conda and PyPI together, re-hydrated anywhere."""
    if keyring_provider is not None:
        if keyring_provider not in ("subprocess", "disabled"):
            raise UsageError(
                f"--keyring-provider is {keyring_provider!r}", advice="expected subprocess or disabled"
            )
        # As the variable it stands for, so that whatever is configured elsewhere is read as ever.
        os.environ["CONJOIN_KEYRING_PROVIDER"] = keyring_provider
