"""From options as they were typed to :class:`Requirements`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from conjoin.cli.options import RequestOptions
from conjoin.errors import UsageError

if TYPE_CHECKING:
    from conjoin.cli.output.reporter import Reporter
    from conjoin.spec.partial_requirements import PartialRequirements
    from conjoin.spec.requirements import Requirements

__all__ = ["is_request", "read_request"]

_HOW = "give -f environment.yml, -r requirements.txt, -p pyproject.toml, --script, --conda or --pypi"


def is_request(options: RequestOptions) -> bool:
    """Tell whether anything that asks for an environment was typed; ``--platform`` alone does not."""
    return options._replace(platform=()) != RequestOptions()


def read_request(options: RequestOptions, reporter: Reporter) -> Requirements:
    """Return what the options and the files they name ask for.

    :raises UsageError: where they cannot be read, or nothing is asked for.
    """
    from conjoin.spec.build import build_requirements

    sources = _sources(options)
    for source in sources:
        for note in source.notes:
            reporter.warn(note)
    requirements = build_requirements(
        sources=sources,
        conda=options.conda,
        pypi=options.pypi,
        python=options.python or (),
        channels=options.channel,
        channel_priority=options.channel_priority,
        index_url=options.index_url,
        extra_index_urls=options.extra_index_url,
        find_links=options.find_links,
        prereleases=options.pre,
        only_binary=options.only_binary,
        no_binary=options.no_binary,
        strategy=options.strategy,
        same_versions=options.same_versions,
        prefer_conda=options.prefer_conda,
        exclude_newer=options.exclude_newer,
        virtual_packages=options.virtual_package,
        python_source=options.python_source,
        mapping=options.mapping,
        platforms=options.platform,
    )
    if not (requirements.conda or requirements.pypi or requirements.python):
        files = [*options.file, *options.requirement, *options.pyproject, *options.script]
        raise UsageError(
            "nothing is asked for", where=", ".join(map(str, files)) or None, advice=None if files else _HOW
        )
    return requirements


def _sources(options: RequestOptions) -> list[PartialRequirements]:
    if (options.extra or options.group) and not options.pyproject:
        given = "--extra" if options.extra else "--group"
        raise UsageError(f"{given} needs a pyproject.toml", advice="give it with -p")
    if not (options.file or options.requirement or options.pyproject or options.script):
        return _bounds(options)
    from conjoin.spec.readers.read_file import read_requirements

    return [
        # `-f` takes what its name says it is: conda users also write `-f requirements.txt`.
        *(read_requirements(path, _kind_of_file(path)) for path in options.file),  # type: ignore[arg-type]
        *(read_requirements(path, "requirements") for path in options.requirement),
        *(
            read_requirements(_pyproject(path), "pyproject", extras=options.extra, groups=options.group)
            for path in options.pyproject
        ),
        *(read_requirements(path, "script") for path in options.script),
        *_bounds(options),
    ]


def _bounds(options: RequestOptions) -> list[PartialRequirements]:
    if not (options.constraint or options.override):
        return []
    from conjoin.spec.readers.requirements_txt import read_constraints

    return [
        *(read_constraints(path) for path in options.constraint),
        *(read_constraints(path, overrides=True) for path in options.override),
    ]


def _kind_of_file(path: Path) -> str | None:
    return None if path.suffix.lower() in {".yml", ".yaml", ".txt", ".in", ".toml", ".py"} else "environment"


def _pyproject(path: Path) -> Path:
    return path / "pyproject.toml" if os.path.isdir(path) else path  # noqa: PTH112
