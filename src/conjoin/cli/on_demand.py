"""Commands that are built when they are used, for typer: help, completion, and what is wrongly typed.

Reading a command's options takes milliseconds, and ``conjoin --help`` needs of each command no more than
its first sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer
import typer.core
import typer.main

from conjoin.cli.command import takes_groups
from conjoin.cli.homes import Home

__all__ = ["group_of"]


def group_of(homes: Mapping[str, Home]) -> type[typer.core.TyperGroup]:
    """Return the class of a group whose commands are built when they are used.

    :param homes: by name, in the order in which help lists them.
    """

    class OnDemand(typer.core.TyperGroup):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            # Their names alone: what typer completes, and suggests where somebody mistypes.
            self.commands = {name: typer.core.TyperCommand(name) for name in homes}

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            """Return a command with nothing but its help: what lists of commands show."""
            home = homes.get(cmd_name)
            return typer.core.TyperCommand(cmd_name, help=home.help) if home else None

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            """Return the whole command that a command line names."""
            name, found, rest = super().resolve_command(ctx, args)
            if name is None or found is None:
                return name, found, rest
            app = typer.Typer(
                add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=self.rich_markup_mode
            )
            _register(homes[name], app, name)
            return name, typer.main.get_group(app).commands[name], rest

    return OnDemand


def _register(home: Home, app: typer.Typer, name: str) -> None:
    """Make a command part of an application."""
    if home.is_group:
        app.add_typer(home.load()(), name=name)
    else:
        app.command(name, context_settings=dict(home.context_settings))(takes_groups(home.load()))
