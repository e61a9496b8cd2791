"""``conjoin forge``: a conda channel out of interpreters, wheels and folders."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from conjoin.cli.options import OutputOptions
from conjoin.cli.reporter import Reporter
from conjoin.errors import UsageError

if TYPE_CHECKING:
    import typer

__all__ = ["forge"]


def forge(
    output: OutputOptions,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="the channel, made or extended")],
    python: Annotated[
        list[str] | None,
        typer.Option(metavar="V", help="a version, or the path of an interpreter; default: the running one"),
    ] = None,
    no_python: Annotated[bool, typer.Option("--no-python", help="add no interpreter")] = False,
    wheel: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE_OR_REQ", help="a wheel, or what to fetch, e.g. numpy==1.26.4"),
    ] = None,
    folder: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="a folder with a forge.toml")
    ] = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="add the sample, a C library and a program")
    ] = False,
    fmt: Annotated[
        str, typer.Option("--format", metavar="conda|tar.bz2", help="of the package files")
    ] = "conda",
) -> None:
    """Make real conda packages and an indexed channel, for use without any public one."""
    from conjoin.forge import forge as make_channel

    reporter = Reporter(quiet=output.quiet, verbose=output.verbose)
    if fmt not in ("conda", "tar.bz2"):
        raise UsageError(f"{fmt!r} is no format of conda packages", advice="expected conda or tar.bz2")
    if python and no_python:
        raise UsageError("--python and --no-python contradict each other", advice="drop one of them")
    started = time.monotonic()
    channel = directory.absolute()
    with reporter.steps() as steps:
        steps(f"forging a channel in {directory}")
        packages = make_channel(
            directory,
            pythons=() if no_python else python or None,
            wheels=wheel or (),
            folders=folder or (),
            sample=sample,
            fmt=fmt,  # type: ignore[arg-type]
        )
    if output.json:
        from conjoin.cli.documents import write_json

        documents = [package.as_json() for package in packages]
        write_json({"channel": str(channel), "packages": documents})
        return
    if output.quiet:
        return
    from conjoin.cli.table import Column, human_size, print_table

    print_table(
        (
            Column("package", "bold"),
            Column("version", "green"),
            Column("build", "dim"),
            Column("subdir", "cyan"),
            Column("size", right=True),
            Column("", "dim"),
        ),
        (
            (
                package.name,
                package.version,
                package.build,
                package.subdir,
                human_size(package.size),
                "made" if package.made else "was there",
            )
            for package in packages
        ),
        sys.stderr,
    )
    reporter.say(f"the channel is ready ({time.monotonic() - started:.1f} s): -c {channel}", "green")
