"""The commands, put together."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from holdfast.cli.alias import alias
from holdfast.cli.command import takes_groups
from holdfast.cli.config import make_config
from holdfast.cli.create import create
from holdfast.cli.demo import demo
from holdfast.cli.diff import diff
from holdfast.cli.export import export
from holdfast.cli.forge import forge
from holdfast.cli.gc import gc
from holdfast.cli.get import get
from holdfast.cli.import_bundle import import_bundle
from holdfast.cli.list import list_
from holdfast.cli.push import push
from holdfast.cli.reporter import is_terminal
from holdfast.cli.resolve import resolve
from holdfast.cli.run import run
from holdfast.cli.show import show
from holdfast.cli.toolkit import toolkit
from holdfast.cli.tree import tree
from holdfast.cli.why import why

__all__ = ["make_app"]


def make_app() -> typer.Typer:
    """Return the command line application."""
    app = typer.Typer(
        name="holdfast",
        add_completion=True,
        pretty_exceptions_enable=False,
        # Importing rich takes longer than everything else that --help does.
        rich_markup_mode="rich" if is_terminal(sys.stdout) else None,
    )
    app.callback()(_root)
    app.command()(takes_groups(resolve))
    app.command()(takes_groups(create))
    # The command's own options are not ours: the first word that is no option ends them.
    app.command(context_settings={"allow_interspersed_args": False})(takes_groups(run))
    app.command()(takes_groups(show))
    app.command()(takes_groups(tree))
    app.command()(takes_groups(why))
    app.command()(takes_groups(diff))
    app.command()(takes_groups(alias))
    app.command()(takes_groups(get))
    app.command()(takes_groups(push))
    app.command()(takes_groups(toolkit))
    app.command("list")(takes_groups(list_))
    app.command()(takes_groups(gc))
    app.command()(takes_groups(export))
    app.command("import")(takes_groups(import_bundle))
    app.command()(takes_groups(forge))
    app.command()(takes_groups(demo))
    app.add_typer(make_config(), name="config")
    return app


def _version(given: bool) -> None:
    if given:
        from importlib.metadata import version

        print(f"holdfast {version('holdfast')}", flush=True)
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="print the version", is_eager=True, callback=_version),
    ] = False,
) -> None:
    """One exact, hash-locked environment out of conda and PyPI together, re-hydrated anywhere."""
