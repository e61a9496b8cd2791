"""``conjoin forge``: a conda channel out of interpreters, wheels and folders."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from conjoin.cli.options import OUTPUT, Argument, Command, Example, Option, OutputOptions
from conjoin.cli.output.reporter import Reporter
from conjoin.errors import UsageError

__all__ = ["COMMAND", "forge"]


def forge(
    output: OutputOptions,
    directory: Path,
    python: Sequence[str] = (),
    no_python: bool = False,
    wheel: Sequence[str] = (),
    folder: Sequence[Path] = (),
    sample: bool = False,
    fmt: str = "conda",
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
            wheels=wheel,
            folders=folder,
            sample=sample,
            fmt=fmt,  # type: ignore[arg-type]
        )
    if output.json:
        from conjoin.cli.output.documents import write_json

        documents = [package.as_json() for package in packages]
        write_json({"channel": str(channel), "packages": documents})
        return
    if output.quiet:
        return
    from conjoin.cli.output.table import Column, human_size, print_table

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


COMMAND = Command(
    forge,
    (
        Option(
            "python",
            "a version, or the path of an interpreter; default: the running one",
            "V",
            repeats=True,
            completes="file",
        ),
        Option("no_python", "add no interpreter"),
        Option(
            "wheel",
            "a wheel, or what to fetch, e.g. numpy==1.26.4",
            "FILE_OR_REQ",
            repeats=True,
            completes="file",
        ),
        Option("folder", "a folder with a forge.toml", "DIR", type=Path, repeats=True, completes="folder"),
        Option("sample", "add the sample, a C library and a program"),
        Option(
            "fmt",
            "of the package files; default: conda",
            "conda|tar.bz2",
            ("--format",),
            choices=("conda", "tar.bz2"),
        ),
        OUTPUT,
    ),
    (Argument("directory", "the channel, made or extended", "DIR", type=Path, completes="folder"),),
    examples=(
        Example("conjoin forge ./channel --python 3.12 --wheel numpy==1.26.4", "A channel with two packages"),
    ),
    more=("docs/forge.md",),
)
