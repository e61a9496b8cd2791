"""``conjoin get``: an environment's definition, and if need be its packages, out of a store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from conjoin.cli.options import (
    ACCEPT_ROLLBACK,
    ENV,
    OUTPUT,
    PLATFORMS,
    STORE_URL,
    Command,
    Example,
    Option,
    OutputOptions,
)
from conjoin.cli.output.reporter import Reporter
from conjoin.errors import UsageError

if TYPE_CHECKING:
    from conjoin.lock.model import Lock
    from conjoin.store.store import Store

__all__ = ["COMMAND", "get"]


def get(
    output: OutputOptions,
    env: str,
    store: str | None = None,
    accept_rollback: bool = False,
    lock_file: Path | None = None,
    packages: bool = False,
    platform: Sequence[str] = (),
) -> None:
    """Fetch an environment's definition, and its name, into the local store and print its id."""
    from conjoin.store.store import Store
    from conjoin.store.transfer.get import get as get_definition

    if platform and not packages:
        raise UsageError("--platform is for packages", advice="add --packages, or drop it")

    reporter = Reporter(quiet=output.quiet, verbose=output.verbose)
    there = Store(store, accept_rollback=accept_rollback)
    got = get_definition(there, env)
    lock = got.lock
    if got.alias and not got.named:
        reporter.warn(
            f"{got.alias} is written once and means another environment in your own store, which keeps that; "
            f"this one is {lock.req_id}:{lock.full_id} here"
        )
    if packages:
        _get_packages(there, lock, platform, reporter)
    if lock_file is not None:
        from conjoin.lock.format import write_lock

        write_lock(lock_file, lock)
    if output.json:
        from conjoin.cli.output.documents import lock_document, write_json

        write_json(lock_document(lock) | {"store": there.place, "alias": got.alias if got.named else None})
        return
    reporter.detail(f"from {there.place}")
    if got.named:
        reporter.detail(f"also {got.alias} here")
    print(f"{lock.req_id}:{lock.full_id}", flush=True)


COMMAND = Command(
    get,
    (
        Option(
            "lock_file",
            "write the lock to a file, too",
            "FILE",
            ("--output", "-o"),
            type=Path,
            completes="file",
        ),
        Option("packages", "its packages, too: it runs --offline then"),
        PLATFORMS._replace(help="packages of this platform; default: this host's"),
        STORE_URL._replace(help="where from: a folder, s3://, gs://, az://"),
        ACCEPT_ROLLBACK,
        OUTPUT,
    ),
    (ENV._replace(help="an alias, req_id:full_id or a lock file"),),
    examples=(
        Example("conjoin get team/torch:v1 --store s3://bucket/envs", "What a team keeps by a name"),
        Example("conjoin get team/torch:v1 --packages", "And its packages, for later without a network"),
    ),
    more=("docs/store.md",),
)


def _get_packages(there: Store, lock: Lock, platforms: Sequence[str], reporter: Reporter) -> None:
    from conjoin.cli.output.transfer import transfer
    from conjoin.prefix.host import choose_platform
    from conjoin.store.transfer.get import get_packages

    wanted = platforms or [choose_platform(lock, None)]
    with transfer(reporter, f"fetching packages from {there.place}") as moved:
        count = get_packages(there, lock, wanted, moved=moved)
    reporter.say(
        f"fetched {count} package{'' if count == 1 else 's'}" if count else "nothing to fetch", "green"
    )
