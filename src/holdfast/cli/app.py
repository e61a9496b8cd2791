"""The commands, put together."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from holdfast.cli.on_demand import Home, group_of
from holdfast.cli.reporter import is_terminal
from holdfast.errors import UsageError

__all__ = ["HOMES", "make_app"]

HOMES = {
    "resolve": Home("resolve", "resolve"),
    "create": Home("create", "create"),
    # The command's own options are not ours: the first word that is no option ends them.
    "run": Home("run", "run", context_settings={"allow_interspersed_args": False}),
    "show": Home("show", "show"),
    "tree": Home("tree", "tree"),
    "why": Home("why", "why"),
    "diff": Home("diff", "diff"),
    "alias": Home("alias", "alias"),
    "get": Home("get", "get"),
    "push": Home("push", "push"),
    "toolkit": Home("toolkit", "toolkit"),
    "list": Home("list", "list_"),
    "gc": Home("gc", "gc"),
    "export": Home("export", "export"),
    "import": Home("import_bundle", "import_bundle"),
    "forge": Home("forge", "forge"),
    "demo": Home("demo", "demo"),
    "config": Home("config", "make_config", is_group=True),
}
"""The commands, in the order in which help lists them."""


def make_app() -> typer.Typer:
    """Return the command line application."""
    app = typer.Typer(
        name="holdfast",
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
        from holdfast.version import __version__

        print(f"holdfast {__version__}", flush=True)
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
        os.environ["HOLDFAST_KEYRING_PROVIDER"] = keyring_provider
