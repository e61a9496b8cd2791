"""``conjoin import``: an environment and its packages, out of an offline bundle."""

from __future__ import annotations

import time
from pathlib import Path

from conjoin.cli.options import (
    OUTPUT,
    STORE,
    Argument,
    Command,
    Example,
    Option,
    OutputOptions,
    StoreOptions,
)
from conjoin.cli.output.reporter import Reporter

__all__ = ["COMMAND", "import_bundle"]


def import_bundle(options: StoreOptions, output: OutputOptions, file: Path, alias: str | None = None) -> None:
    """Bring the environment and the packages of an offline bundle into a store, and print its id.

    Everything is verified; no network is needed.
    """
    from conjoin.cli.environments import open_store
    from conjoin.cli.output.table import human_size
    from conjoin.cli.output.transfer import transfer
    from conjoin.store.bundle.import_bundle import import_bundle as bring_in

    reporter = Reporter(quiet=output.quiet, verbose=output.verbose)
    started = time.monotonic()
    store = open_store(options)
    with transfer(reporter, f"bringing in {file.name}") as moved:
        done = bring_in(store, file, alias, moved=moved)
    seconds = time.monotonic() - started
    ids = f"{done.lock.req_id}:{done.lock.full_id}"
    if output.json:
        from conjoin.cli.output.documents import write_json

        write_json(
            {
                "req_id": done.lock.req_id,
                "full_id": done.lock.full_id,
                "store": store.place,
                "alias": done.alias,
                "exported_as": done.exported_as,
                "platforms": list(done.platforms),
                "received": done.received,
                "present": done.present,
                "bytes": done.size,
                "seconds": round(seconds, 3),
            }
        )
        return
    total = done.received + done.present
    count = f"{total} package{'' if total == 1 else 's'}"
    size = f" ({human_size(done.size)})" if done.size else ""
    reporter.say(
        f"{count}{size} for {', '.join(done.platforms)}, {done.received} new",
        "green",
    )
    if done.alias:
        reporter.say(f"also {done.alias}")
    elif done.exported_as:
        reporter.say(f"it was exported as {done.exported_as}; to name it so, add --alias {done.exported_as}")
    print(ids, flush=True)


COMMAND = Command(
    import_bundle,
    (Option("alias", "name it, e.g. team/torch:v1", "NAME", completes="environment"), STORE, OUTPUT),
    (Argument("file", "what conjoin export --offline-bundle wrote", "FILE", type=Path, completes="file"),),
    examples=(Example("conjoin import torch.bundle --alias team/torch:v1", "Bring it in, by a name"),),
    more=("docs/bundle-format.md",),
)
