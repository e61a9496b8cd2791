"""``conjoin export``: an environment in another form."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from conjoin.cli.options import (
    ENV,
    OUTPUT,
    PLATFORMS,
    STORE,
    Command,
    Example,
    Option,
    OutputOptions,
    StoreOptions,
)
from conjoin.cli.output.reporter import Reporter
from conjoin.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conjoin.store.bundle.export import Exported

__all__ = ["COMMAND", "export"]


def export(
    options: StoreOptions,
    output: OutputOptions,
    env: str,
    offline_bundle: Path | None = None,
    platform: Sequence[str] = (),
) -> None:
    """Write an environment in another form.

    An offline bundle is brought in, on whatever machine, with `conjoin import FILE`.
    """
    from conjoin.cli.environments import open_store
    from conjoin.cli.output.transfer import transfer
    from conjoin.store.bundle.export import export_bundle
    from conjoin.store.lookup.reference import alias_in, find_lock

    if offline_bundle is None:
        raise UsageError("no form is given", advice="give --offline-bundle FILE")
    reporter = Reporter(quiet=output.quiet, verbose=output.verbose)
    started = time.monotonic()
    store = open_store(options)
    lock = find_lock(env, store)
    alias = alias_in(env, lock)
    with transfer(reporter, f"writing {offline_bundle.name}") as moved:
        exported = export_bundle(
            store,
            lock,
            offline_bundle,
            platform or (),
            str(alias) if alias else "",
            offline=options.offline,
            moved=moved,
        )
    _report(exported, time.monotonic() - started, output, reporter)


COMMAND = Command(
    export,
    (
        Option(
            "offline_bundle",
            "one file with all packages, for a machine without any network",
            "FILE",
            type=Path,
            completes="file",
        ),
        PLATFORMS._replace(help="packages of this platform alone"),
        STORE,
        OUTPUT,
    ),
    (ENV,),
    examples=(
        Example("conjoin export team/torch:v1 --offline-bundle torch.bundle", "Everything, in one file"),
    ),
    more=("docs/bundle-format.md",),
)


def _report(exported: Exported, seconds: float, output: OutputOptions, reporter: Reporter) -> None:
    if output.json:
        from conjoin.cli.output.documents import write_json

        write_json(
            {
                "req_id": exported.lock.req_id,
                "full_id": exported.lock.full_id,
                "file": str(exported.path.absolute()),
                "platforms": list(exported.platforms),
                "packages": exported.packages,
                "bytes": exported.size,
                "seconds": round(seconds, 3),
            }
        )
        return
    from conjoin.cli.output.table import human_size

    count = f"{exported.packages} package{'' if exported.packages == 1 else 's'}"
    size = human_size(exported.size)
    reporter.say(
        f"wrote {exported.path} ({size}): {count} for {', '.join(exported.platforms)}",
        "green",
    )
    reporter.say(f"bring it in with: conjoin import {exported.path.name}")
