"""``conjoin verify``: whether prefixes and stores hold what is locked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from conjoin.cli.options import ENV, OUTPUT, STORE_URL, Command, Example, Option, OutputOptions
from conjoin.cli.output.reporter import Reporter
from conjoin.errors import ConjoinError, Findings, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conjoin.lock.model import Lock
    from conjoin.prefix.verify import PrefixReport
    from conjoin.store.store import Store
    from conjoin.store.verification.finding import Finding
    from conjoin.store.verification.verify_store import StoreReport

__all__ = ["COMMAND", "verify"]

_MOST_SHOWN = 20
"""Findings of one place that are listed, unless ``--verbose``."""


def verify(
    output: OutputOptions,
    env: str | None = None,
    all: bool = False,
    store: str | None = None,
    repair: bool = False,
    anew: bool = False,
) -> None:
    """Check every file of a prefix, and every object of a store, against what is locked.

    A prefix is compared with what its packages make; a store's objects with the hashes in their names, its
    locks with their ids, its names with the locks they mean. What was found right in a store is remembered.

    The exit code is 8 where anything is found that was not repaired.
    """
    from conjoin.config.places import store_root
    from conjoin.store.store import Store, local_folder

    if all == (env is not None):
        raise UsageError("what to verify is not clear", advice="give ENV, or --all")
    reporter = Reporter(quiet=output.quiet, verbose=output.verbose)
    there = Store(store if store is not None else (local_folder() if all else None))
    others = [Store(local_folder()), Store(store_root())]
    prefixes, ids = _chosen(env, there, named=store is not None)
    reports = [_look(path, there, reporter, repair=repair) for path in prefixes]
    stores = []
    if all or ids is not None:
        stores.append(_look_at_store(there, ids, others, reporter, repair=repair, anew=anew))
    found = [each for report in reports for each in report.findings]
    found += [each for checked in stores for each in checked.findings]
    left = [each for each in found if not each.repaired]
    if output.json:
        from conjoin.cli.output.documents import write_json

        write_json(
            {
                "prefixes": [_prefix_document(each) for each in reports],
                "stores": [_store_document(each) for each in stores],
                "findings": len(found),
                "repaired": len(found) - len(left),
            }
        )
    else:
        for report in reports:
            _print_prefix(report, reporter)
        for checked in stores:
            _print_store(checked, reporter)
    if left:
        raise Findings(
            f"{len(left)} finding{'' if len(left) == 1 else 's'}",
            advice="it could not be repaired" if repair else "--repair puts right what can be",
        )


COMMAND = Command(
    verify,
    (
        Option("all", "all prefixes made here and the local store; with --store, all of that store"),
        STORE_URL._replace(help="that store, and no prefixes: a folder, s3://, gs://, az://"),
        Option("repair", "make prefixes anew, fetch damaged packages again, put back damaged locks"),
        Option("anew", "of a store, read again what was found right before, too"),
        OUTPUT,
    ),
    (ENV._replace(metavar="[ENV]", required=False, help=f"a prefix, a name, or {ENV.help}"),),
    examples=(
        Example("conjoin verify team/torch:v1", "Its prefixes here, its lock and its packages"),
        Example("conjoin verify --all --store s3://bucket/envs --repair", "A team's store"),
    ),
    more=("docs/store.md",),
)


def _chosen(env: str | None, there: Store, *, named: bool) -> tuple[list[Path], tuple[str, str] | None]:
    """Return the prefixes to look at, and the ids of the lock to look at in the store."""
    from conjoin.config.places import envs_dir
    from conjoin.prefix.prefix import Marker, read_marker
    from conjoin.prefix.registry import Registry
    from conjoin.store.layout import is_plain_name
    from conjoin.store.lookup.reference import find_lock

    complete = [each for each in Registry().all() if each.marker is not None and each.marker.complete]
    if env is None:
        return ([] if named else [each.path for each in complete]), None
    candidates = [Path(env)]
    if is_plain_name(env):
        candidates.append(envs_dir() / "named" / env)
    for path in candidates:
        if not named and read_marker(path) is not None:
            return [path.absolute()], None
    if Path(env).is_dir():
        raise NotFound("there is no environment of ours", where=env, advice="create it first")
    lock = find_lock(env, there)
    ids = (lock.req_id, lock.full_id)
    kept = there.locks.has(*ids)
    if named:
        if not kept:
            raise NotFound(f"no environment {':'.join(ids)}", where=there.place, advice="push it first")
        return [], ids
    paths = [
        each.path
        for each in complete
        if each.marker is not None
        and each.marker.platform in lock.platforms
        and Marker.of(lock, each.marker.platform).holds(each.marker)
    ]
    return paths, ids if kept else None


def _look(path: Path, there: Store, reporter: Reporter, *, repair: bool) -> PrefixReport:
    from conjoin.api import find_python
    from conjoin.prefix.options import HydrateOptions
    from conjoin.prefix.prefix import read_marker
    from conjoin.prefix.verify import verify_prefix

    reporter.say(f"looking through {path}")
    marker = read_marker(path)
    lock: Lock | None = None
    if marker is not None:
        try:
            lock = there.lock(marker.req_id, marker.full_id)
        except ConjoinError as error:
            reporter.detail(str(error))
    options = HydrateOptions(offline=not repair, find_python=find_python)
    return verify_prefix(path, lock, there, options, repair=repair)


def _look_at_store(
    there: Store,
    ids: tuple[str, str] | None,
    others: list[Store],
    reporter: Reporter,
    *,
    repair: bool,
    anew: bool,
) -> StoreReport:
    from conjoin.cli.output.transfer import transfer
    from conjoin.store.verification.verify_store import verify_store

    with transfer(reporter, f"looking through {there.place}") as moved:
        return verify_store(there, ids, repair=repair, others=others, anew=anew, moved=moved)


def _print_prefix(report: PrefixReport, reporter: Reporter) -> None:
    if not report.proved:
        reporter.warn(f"{report.prefix}: compared with its own records alone, as {report.reason}")
    _print_findings(report.findings, reporter)
    reporter.say(f"{report.prefix}: {_count(report.files, 'file')}, {_result(report.findings)}")


def _print_store(report: StoreReport, reporter: Reporter) -> None:
    from conjoin.cli.output.table import human_size

    _print_findings(report.findings, reporter)
    size = f" ({human_size(report.bytes_read)})" if report.bytes_read else ""
    known = f", {report.known} known from before" if report.known else ""
    reporter.say(
        f"{report.place}: {_count(report.objects, 'object')} hashed{size}{known}, "
        f"{_count(report.locks, 'lock')}, {_count(report.aliases, 'name')}, {_result(report.findings)}"
    )


def _print_findings(findings: Iterable[Finding], reporter: Reporter) -> None:
    every = list(findings)
    shown = every if reporter.verbose else every[:_MOST_SHOWN]
    for each in shown:
        more = [each.package and f"of {each.package}", each.by and f"by {each.by}", each.detail]
        words = "; ".join(filter(None, more))
        done = "repaired: " if each.repaired else ""
        print(f"{done}{each.problem}  {each.where}{f'  ({words})' if words else ''}")
    if len(every) > len(shown):
        print(f"and {len(every) - len(shown)} more; --verbose shows all")


def _result(findings: Iterable[Finding]) -> str:
    every = list(findings)
    if not every:
        return "all right"
    repaired = sum(each.repaired for each in every)
    return f"{_count(len(every), 'finding')}{f', {repaired} repaired' if repaired else ''}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _prefix_document(report: PrefixReport) -> dict[str, Any]:
    return {
        "prefix": str(report.prefix),
        "req_id": report.marker.req_id,
        "full_id": report.marker.full_id,
        "platform": report.marker.platform,
        "files": report.files,
        "measure": "packages" if report.proved else "records",
        "reason": report.reason,
        "findings": [_document(each) for each in report.findings],
    }


def _store_document(report: StoreReport) -> dict[str, Any]:
    return {
        "store": report.place,
        "objects": report.objects,
        "bytes": report.bytes_read,
        "known": report.known,
        "locks": report.locks,
        "aliases": report.aliases,
        "findings": [_document(each) for each in report.findings],
    }


def _document(finding: Finding) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(finding)
