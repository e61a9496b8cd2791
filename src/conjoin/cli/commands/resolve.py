"""``conjoin resolve``: from a request to a lock."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from conjoin.cli.options import (
    OUTPUT,
    REQUEST,
    STORE,
    Command,
    Example,
    Option,
    OutputOptions,
    RequestOptions,
    StoreOptions,
)
from conjoin.cli.output.reporter import Reporter
from conjoin.errors import Conflict, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conjoin.cli.environments import Base
    from conjoin.resolving import Resolution
    from conjoin.spec.requirements import Requirements
    from conjoin.store.aliases import Alias
    from conjoin.store.store import Store

__all__ = ["COMMAND", "refuse_taken", "resolve"]


def resolve(
    request: RequestOptions,
    options: StoreOptions,
    output: OutputOptions,
    alias: Sequence[str] = (),
    update: Sequence[str] = (),
    update_all: bool = False,
    force: bool = False,
    dry_run: bool = False,
    lock_file: Path | None = None,
) -> None:
    """Find the one exact environment that satisfies a request, over conda and PyPI together."""
    from conjoin.cli.environments import base_of, open_store, resolve_showing
    from conjoin.cli.request import read_request
    from conjoin.store.aliases import parse_alias

    reporter = Reporter(quiet=output.quiet, verbose=output.verbose)
    aliases = [parse_alias(name) for name in alias]
    if aliases and dry_run:
        raise UsageError("--alias and --dry-run contradict each other", advice="drop one of them")
    updating = _updating(update, update_all=update_all, force=force)
    requirements = read_request(request, reporter)
    if lock_file is not None and not lock_file.absolute().parent.is_dir():
        raise UsageError("the folder does not exist", where=str(lock_file), advice="make it first")
    store = open_store(options, to_name=bool(aliases))
    base = base_of(request, store)
    refuse_taken(aliases, requirements, base, store, request.use_latest, force=force or updating is not None)
    resolution = resolve_showing(
        requirements,
        store,
        base=base,
        use_latest=request.use_latest,
        update=updating,
        offline=options.offline,
        force=force,
        dry_run=dry_run,
        reporter=reporter,
    )
    if aliases:
        from conjoin.store.transfer.alias import alias_lock

        for name in aliases:
            credentials = (*requirements.credentials, *resolution.credentials)
            alias_lock(store, resolution.lock, str(name), credentials=credentials)
    if lock_file is not None:
        from conjoin.lock.format import write_lock

        write_lock(lock_file, resolution.lock)
    if output.json:
        from conjoin.cli.output.documents import resolution_document, write_json

        write_json(resolution_document(resolution, with_changes=updating is not None))
    else:
        if updating is not None:
            _show_changes(resolution, reporter)
        _show(resolution, [*map(str, aliases), *([str(lock_file)] if lock_file else [])], reporter)


COMMAND = Command(
    resolve,
    (
        REQUEST,
        Option(
            "alias", "name the environment, e.g. team/torch:v1", "NAME", repeats=True, completes="environment"
        ),
        Option(
            "update",
            "move this package of what was resolved before, and what must follow",
            "NAME",
            repeats=True,
        ),
        Option("update_all", "resolve anew, and show what moved"),
        Option("force", "solve again what was solved before"),
        Option("dry_run", "keep nothing"),
        Option(
            "lock_file", "write the lock to a file", "FILE", ("--output", "-o"), type=Path, completes="file"
        ),
        STORE,
        OUTPUT,
    ),
    examples=(
        Example("conjoin resolve -f environment.yml -o env.lock", "What a file asks for, into a lock file"),
        Example(
            "conjoin resolve --conda 'numpy>=1.26' --pypi requests --python 3.12 --alias mine",
            "What is typed, by a name",
        ),
        Example(
            "conjoin resolve -r requirements.txt --platform linux-64 --platform osx-arm64",
            "For two platforms",
        ),
        Example("conjoin resolve -f environment.yml --update numpy", "Move one package, and show what moved"),
    ),
    more=("docs/solving.md", "docs/files.md", "docs/sources.md"),
)


def _updating(names: Sequence[str], *, update_all: bool, force: bool) -> Sequence[str] | None:
    """Return the packages to move: none for all of them; None where nothing is to be updated."""
    if force and (names or update_all):
        raise UsageError("--force and an update contradict each other", advice="drop one of them")
    if names and update_all:
        raise UsageError("--update and --update-all contradict each other", advice="drop one of them")
    return names if names or update_all else None


def refuse_taken(
    aliases: list[Alias],
    requirements: Requirements,
    base: Base | None,
    store: Store,
    use_latest: str | None,
    *,
    force: bool,
) -> None:
    """Refuse names that are written once and taken, before any work; but not where they mean this very lock.

    :raises Conflict: naming the first.
    """
    from conjoin.resolving import resolved_before
    from conjoin.store.aliases import MUTABLE_TAGS

    if aliases and base is not None:
        from conjoin.lock.extend import extended

        requirements = extended(requirements, base.lock)
    for alias in aliases:
        if alias.tag in MUTABLE_TAGS:
            continue
        try:
            taken = store.aliases.get(alias).ids
        except NotFound:
            continue
        known = None if force else resolved_before(requirements, store, use_latest)
        if known is None or (known.lock.req_id, known.lock.full_id) != taken:
            raise Conflict(
                f"the alias {alias} is written once and means another environment",
                advice=f"choose a new tag, or one of {', '.join(sorted(MUTABLE_TAGS))}",
            )


def _show_changes(resolution: Resolution, reporter: Reporter) -> None:
    if reporter.quiet:
        return
    from conjoin.cli.output.table import Column, print_table

    if not resolution.changes:
        reporter.say("nothing moved")
        return
    columns = (Column("package", "bold"), Column("before", "dim"), Column("now", "green"), Column("platform"))
    rows = [
        (change.name, change.before or "-", change.now or "-", change.platform)
        for change in resolution.changes
    ]
    print_table(columns, rows, sys.stderr)


def _show(resolution: Resolution, names: list[str], reporter: Reporter) -> None:
    if reporter.quiet:
        return
    from conjoin.cli.output.packages import counts, print_packages, total_size

    lock = resolution.lock
    for platform, locked in lock.platforms.items():
        size = total_size(locked)
        reporter.say(f"{platform}: {counts(locked)}{f', {size}' if size else ''}", "bold")
        print_packages(locked, sys.stderr)
    how = "resolved" if resolution.newly_resolved else "resolved before"
    reporter.say(f"{how} ({resolution.seconds:.2f} s)", "green")
    reporter.say(f"{lock.req_id}:{lock.full_id}")
    for name in names:
        reporter.say(f"also {name}")
