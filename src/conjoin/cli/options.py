"""The options that commands share, in groups; :mod:`conjoin.cli.command` makes parameters of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

if TYPE_CHECKING:
    import typer

__all__ = ["OutputOptions", "RequestOptions", "StoreOptions"]

_FILES = "What is asked for, in files"
_TYPED = "What is asked for, typed"
_WHERE = "Where packages come from"
_CHOICE = "Which versions"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RequestOptions:
    """Everything that says what environment is wanted; texts as they were typed."""

    file: Annotated[
        list[Path],
        typer.Option("--file", "-f", metavar="FILE", help="environment.yml", rich_help_panel=_FILES),
    ] = field(default_factory=list)
    requirement: Annotated[
        list[Path],
        typer.Option("--requirement", "-r", metavar="FILE", help="requirements.txt", rich_help_panel=_FILES),
    ] = field(default_factory=list)
    pyproject: Annotated[
        list[Path],
        typer.Option(
            "--pyproject", "-p", metavar="FILE", help="pyproject.toml, or its folder", rich_help_panel=_FILES
        ),
    ] = field(default_factory=list)
    extra: Annotated[
        list[str],
        typer.Option(metavar="NAME", help="an extra of the pyproject.toml, too", rich_help_panel=_FILES),
    ] = field(default_factory=list)
    group: Annotated[
        list[str],
        typer.Option(
            metavar="NAME",
            help="a dependency group of the pyproject.toml (PEP 735), too",
            rich_help_panel=_FILES,
        ),
    ] = field(default_factory=list)
    script: Annotated[
        list[Path],
        typer.Option(
            metavar="FILE", help="a Python script that says what it needs (PEP 723)", rich_help_panel=_FILES
        ),
    ] = field(default_factory=list)
    conda: Annotated[
        list[str],
        typer.Option(metavar="SPEC", help="a conda package, e.g. 'numpy>=1.26'", rich_help_panel=_TYPED),
    ] = field(default_factory=list)
    pypi: Annotated[
        list[str],
        typer.Option(
            metavar="REQ", help="a PyPI package (PEP 508), e.g. 'requests>=2'", rich_help_panel=_TYPED
        ),
    ] = field(default_factory=list)
    python: Annotated[
        str | None,
        typer.Option(
            metavar="V", help="Python's version: 3.12, 3.11.7, '>=3.10,<3.13'", rich_help_panel=_TYPED
        ),
    ] = None
    constraint: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="bounds on PyPI packages, in pip's format", rich_help_panel=_TYPED),
    ] = field(default_factory=list)
    override: Annotated[
        list[Path],
        typer.Option(
            metavar="FILE",
            help="replaces what dependencies ask of PyPI packages, in pip's format",
            rich_help_panel=_TYPED,
        ),
    ] = field(default_factory=list)
    platform: Annotated[
        list[str],
        typer.Option(
            metavar="P", help="target, e.g. linux-64; default: this machine's", rich_help_panel=_TYPED
        ),
    ] = field(default_factory=list)
    virtual_package: Annotated[
        list[str],
        typer.Option(metavar="N=V", help="what the target has, e.g. __cuda=12.4", rich_help_panel=_TYPED),
    ] = field(default_factory=list)
    channel: Annotated[
        list[str],
        typer.Option(
            "--channel",
            "-c",
            metavar="CHANNEL",
            help="conda channel: name, URL or folder",
            rich_help_panel=_WHERE,
        ),
    ] = field(default_factory=list)
    channel_priority: Annotated[
        str | None,
        typer.Option(metavar="strict|flexible|disabled", help="as conda's", rich_help_panel=_WHERE),
    ] = None
    index_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="PyPI index instead of the default one", rich_help_panel=_WHERE),
    ] = None
    extra_index_url: Annotated[
        list[str],
        typer.Option(metavar="URL", help="PyPI index before the default one", rich_help_panel=_WHERE),
    ] = field(default_factory=list)
    find_links: Annotated[
        list[str],
        typer.Option(metavar="L", help="page or folder with wheels", rich_help_panel=_WHERE),
    ] = field(default_factory=list)
    python_source: Annotated[
        str | None,
        typer.Option(
            metavar="channel|host",
            help="take Python from a channel, or this machine's",
            rich_help_panel=_WHERE,
        ),
    ] = None
    using: Annotated[
        str | None,
        typer.Option(
            metavar="ENV", help="extend this environment: all of its packages stay", rich_help_panel=_TYPED
        ),
    ] = None
    mapping: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="your own conda-PyPI name mapping", rich_help_panel=_WHERE),
    ] = None
    pre: Annotated[
        bool | None,
        typer.Option(
            "--pre/--no-pre", help="admit pre-releases", rich_help_panel=_CHOICE, show_default=False
        ),
    ] = None
    only_binary: Annotated[
        list[str],
        typer.Option(metavar="X", help="PyPI project not to build, or :all:", rich_help_panel=_CHOICE),
    ] = field(default_factory=list)
    no_binary: Annotated[
        list[str],
        typer.Option(metavar="X", help="PyPI project to build, or :all:", rich_help_panel=_CHOICE),
    ] = field(default_factory=list)
    strategy: Annotated[
        str | None,
        typer.Option(
            metavar="highest|lowest|lowest-direct", help="versions to prefer", rich_help_panel=_CHOICE
        ),
    ] = None
    same_versions: Annotated[
        bool | None,
        typer.Option(
            "--same-versions/--no-same-versions",
            help="hold each package at one version on all platforms",
            rich_help_panel=_CHOICE,
            show_default=False,
        ),
    ] = None
    prefer_conda: Annotated[
        bool | None,
        typer.Option(
            "--prefer-conda/--no-prefer-conda",
            help="take what PyPI packages depend on from conda wherever it can be",
            rich_help_panel=_CHOICE,
            show_default=False,
        ),
    ] = None
    use_latest: Annotated[
        str | None,
        typer.Option(
            metavar="none|me|any|USER,...",
            help="whose resolution of the same request to take, if there is one; default: me",
            rich_help_panel=_CHOICE,
        ),
    ] = None
    exclude_newer: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="nothing uploaded after it", rich_help_panel=_CHOICE),
    ] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class StoreOptions:
    """Where environments and packages are kept, and whether the network may be used."""

    store: Annotated[
        str | None,
        typer.Option(metavar="URL", help="where environments are kept; default: as configured"),
    ] = None
    network: Annotated[
        bool | None,
        typer.Option("--online/--offline", help="whether the network may be used", show_default=False),
    ] = None

    @property
    def offline(self) -> bool:
        """Whether the network may not be used: as typed, else as configured."""
        if self.network is not None:
            return not self.network
        from conjoin.config.load import load_settings

        return load_settings().flag("offline")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class OutputOptions:
    """How much is said, and in which form."""

    json: Annotated[bool, typer.Option("--json", help="the result as JSON, on stdout")] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="errors and results alone")] = False
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="more about what is done and why")] = False
