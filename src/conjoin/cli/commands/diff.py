"""``conjoin diff``: what differs between two environments."""

from __future__ import annotations

import sys
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
from conjoin.errors import Findings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conjoin.lock.changes import Change

__all__ = ["COMMAND", "diff"]


def diff(
    output: OutputOptions,
    before: str,
    now: str,
    platform: Sequence[str] = (),
    exit_code: bool = False,
    store: str | None = None,
    accept_rollback: bool = False,
) -> None:
    """Show what came, went or moved between two environments, platform by platform."""
    from conjoin.lock.changes import changes
    from conjoin.spec.platform import platform_name
    from conjoin.store.lookup.reference import find_lock
    from conjoin.store.store import Store

    there = Store(store, accept_rollback=accept_rollback)
    old, new = find_lock(before, there), find_lock(now, there)
    wanted = [platform_name(name) for name in platform]
    old_platforms = {name: each for name, each in old.platforms.items() if not wanted or name in wanted}
    new_platforms = {name: each for name, each in new.platforms.items() if not wanted or name in wanted}
    found = changes(old_platforms, new_platforms)
    gone = sorted(old_platforms.keys() - new_platforms.keys())
    come = sorted(new_platforms.keys() - old_platforms.keys())
    if output.json:
        from conjoin.cli.output.documents import change_document, write_json

        write_json(
            {
                "from": {"req_id": old.req_id, "full_id": old.full_id},
                "to": {"req_id": new.req_id, "full_id": new.full_id},
                "same_request": old.req_id == new.req_id,
                "platforms_gone": gone,
                "platforms_come": come,
                "changes": [change_document(change) for change in found],
            }
        )
    else:
        _print(found, gone, come)
    if exit_code and (found or gone or come):
        raise Findings(
            f"{len(found)} packages differ" if found else "the environments are for different platforms"
        )


COMMAND = Command(
    diff,
    (
        PLATFORMS,
        Option("exit_code", "exit with 8 where anything differs"),
        STORE_URL,
        ACCEPT_ROLLBACK,
        OUTPUT,
    ),
    (
        ENV._replace(name="before", metavar="A"),
        ENV._replace(name="now", metavar="B", help="what it is compared with"),
    ),
    examples=(
        Example("conjoin diff old.lock new.lock", "What moved between two lock files"),
        Example("conjoin diff --exit-code team/torch:v1 team/torch:v2", "The same, for a script"),
    ),
    more=("docs/lock-format.md",),
)


def _print(found: tuple[Change, ...], gone: list[str], come: list[str]) -> None:
    from conjoin.cli.output.table import Column, print_table

    for name in gone:
        print(f"only in the first: {name}")
    for name in come:
        print(f"only in the second: {name}")
    if not found:
        if not gone and not come:
            print("the same packages")
        return
    columns = (
        Column("package", "bold"),
        Column("kind", "cyan"),
        Column("before", "dim"),
        Column("now", "green"),
        Column("platform"),
    )
    rows = [
        (change.name, change.kind, change.before or "-", change.now or "-", change.platform)
        for change in found
    ]
    print_table(columns, rows, sys.stdout)
