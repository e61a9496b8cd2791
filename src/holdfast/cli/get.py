"""``holdfast get``: an environment's definition, out of a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.options import OutputOptions
from holdfast.cli.reporter import Reporter

__all__ = ["get"]


def get(
    output: OutputOptions,
    env: Annotated[str, typer.Argument(metavar="ENV", help="an alias, req_id:full_id or a lock file")],
    store: Annotated[
        str | None, typer.Option(metavar="URL", help="where from: a folder, s3://, gs://, az://")
    ] = None,
    lock_file: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="write the lock to a file, too")
    ] = None,
) -> None:
    """Fetch an environment's definition, and its name, into the local store and print its id; no packages."""
    from holdfast.store.getting import get as get_definition
    from holdfast.store.store import Store

    reporter = Reporter(quiet=output.quiet, verbose=output.verbose)
    there = Store(store)
    got = get_definition(there, env)
    lock = got.lock
    if got.alias and not got.named:
        reporter.warn(
            f"{got.alias} is written once and means another environment in your own store, which keeps that; "
            f"this one is {lock.req_id}:{lock.full_id} here"
        )
    if lock_file is not None:
        from holdfast.lock.format import write_lock

        write_lock(lock_file, lock)
    if output.json:
        from holdfast.cli.documents import lock_document, write_json

        write_json(lock_document(lock) | {"store": there.place, "alias": got.alias if got.named else None})
        return
    reporter.detail(f"from {there.place}")
    if got.named:
        reporter.detail(f"also {got.alias} here")
    print(f"{lock.req_id}:{lock.full_id}", flush=True)
