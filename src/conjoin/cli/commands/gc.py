"""``conjoin gc``: what nobody needs any more goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conjoin.cli.options import OUTPUT, STORE_URL, Command, Example, Option, OutputOptions
from conjoin.cli.output.reporter import Reporter
from conjoin.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conjoin.collecting import Collected

__all__ = ["COMMAND", "gc"]

_WORDS = {
    "environments": "environments",
    "packages": "packages",
    "unpacked_conda": "unpacked conda packages",
    "unpacked_wheels": "unpacked wheels",
    "sources": "sources that wheels were built of",
    "built_wheels": "built wheels, of which the store has those that are locked",
    "prefixes": "prefixes",
    "registrations": "notes about prefixes that are gone",
    "records": "notes about environments that are gone",
    "leftovers": "leftovers of processes that were killed",
}


def gc(
    output: OutputOptions,
    dry_run: bool = False,
    older_than: str = "30d",
    prefixes: bool = False,
    defaults: bool = False,
    store: str | None = None,
    forget: Sequence[str] = (),
) -> None:
    """Drop what no name, no deployed workflow, no default, no recent use and no prefix refers to.

    First environments, then the packages, and the unpacked ones in the caches, that none of those left needs.
    """
    from conjoin.cli.output.moments import seconds_of
    from conjoin.collecting import collect_here, collect_store
    from conjoin.store.store import Store

    reporter = Reporter(quiet=output.quiet, verbose=output.verbose)
    span = seconds_of(older_than, "--older-than")
    if forget and (store is None or dry_run):
        raise UsageError("--forget is about a store, and changes it", advice="give --store, and no --dry-run")
    if store is None:
        collected = collect_here(span, prefixes=prefixes, keep_defaults=not defaults, dry_run=dry_run)
    elif prefixes:
        raise UsageError("prefixes are on this machine, not in a store", advice="drop --store or --prefixes")
    else:
        with reporter.steps() as steps:
            there = Store(store)
            for workflow in forget:
                there.deployments.forget(workflow)
                there.log.add("delete", told=f"the deployment {workflow}")
            steps(f"looking through {there.place}")
            collected = collect_store(there, span, keep_defaults=not defaults, dry_run=dry_run)
    for problem in collected.problems:
        reporter.warn(f"whatever it may mean stays: {problem}")
    if output.json:
        _write(collected, dry_run=dry_run)
        return
    for ids in collected.environments:
        reporter.detail(f"{'would drop' if dry_run else 'dropped'} {':'.join(ids)}")
    for path in collected.prefixes:
        reporter.detail(f"{'would delete' if dry_run else 'deleted'} {path}")
    _print(collected, reporter, dry_run=dry_run)


COMMAND = Command(
    gc,
    (
        Option("dry_run", "tell what would go, and change nothing"),
        Option("older_than", "what was used since stays; also 12h, 2w; default: 30d", "DAYS"),
        Option("prefixes", "prefixes not used since, too; never those of --prefix DIR or --name"),
        Option("defaults", "defaults of their requests not used since, too"),
        Option(
            "forget",
            "argo-workflows/train, as list shows it: it is deployed no more; repeat for more",
            "WORKFLOW",
            repeats=True,
        ),
        STORE_URL._replace(help="in that store, instead of on this machine"),
        OUTPUT,
    ),
    examples=(
        Example("conjoin gc --dry-run", "What would go"),
        Example("conjoin gc --older-than 2w --prefixes", "Whatever was not used for two weeks"),
    ),
    more=("docs/store.md",),
)


def _print(collected: Collected, reporter: Reporter, *, dry_run: bool) -> None:
    from conjoin.cli.output.table import Column, human_size, print_table

    rows = [
        (words, str(collected.counts[kind]), human_size(collected.sizes[kind]))
        for kind, words in _WORDS.items()
        if collected.counts[kind]
    ]
    stay = f"{collected.kept} environment{' stays' if collected.kept == 1 else 's stay'}"
    if not rows:
        reporter.say(f"nothing to collect, {stay}", "green")
        return
    print_table((Column("what"), Column("count", right=True), Column("size", right=True)), rows)
    freed = human_size(collected.size) or "0 B"
    reporter.say(f"{'would free' if dry_run else 'freed'} {freed}, {stay}", "green")


def _write(collected: Collected, *, dry_run: bool) -> None:
    from conjoin.cli.output.documents import write_json

    write_json(
        {
            "dry_run": dry_run,
            "collected": {
                kind: {"count": collected.counts[kind], "bytes": collected.sizes[kind]} for kind in _WORDS
            },
            "bytes": collected.size,
            "environments": [":".join(ids) for ids in collected.environments],
            "prefixes": [str(path) for path in collected.prefixes],
            "kept": collected.kept,
            "problems": [str(problem) for problem in collected.problems],
        }
    )
