"""``conjoin toolkit``: what a bare container needs to make environments out of a store."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conjoin.lock.model import Lock
    from conjoin.store.store import Store
    from conjoin.toolkit.making import Made

__all__ = ["COMMAND", "toolkit"]


def toolkit(
    output: OutputOptions,
    env: str | None = None,
    store: str | None = None,
    accept_rollback: bool = False,
    platform: Sequence[str] = (),
    force: bool = False,
) -> None:
    """Keep in a store what bare containers need: `python bootstrap.pyz STORE ENV` does the rest.

    Pushing to an object store does this by itself, once for each platform and version of Conjoin.
    """
    from conjoin.store.store import Store

    reporter = Reporter(quiet=output.quiet, verbose=output.verbose)
    there = Store(store, accept_rollback=accept_rollback)
    lock = _lock(env, there)
    with reporter.steps() as steps:
        made = [_made(there, each, lock, force, steps) for each in platform or ["linux-64"]]
    for one in made:
        for warning in one.warnings:
            reporter.warn(warning)
    if output.json:
        from conjoin.cli.output.documents import write_json

        write_json({"store": there.place, "toolkits": [_told(one) for one in made]})
        return
    from conjoin.cli.output.table import human_size

    for one in made:
        size = f"sent {len(one.files)} files ({human_size(one.bytes_sent)})" if one.files else "all was there"
        python = "; with a Python for old containers" if one.packed_python else ""
        reporter.say(f"{one.platform}: {size}{python}", "green")
        for digest in one.descriptions:
            reporter.say(f"  --toolkit-sha256 {digest}", "dim")
    reporter.say(f"{there.place}/toolkit/bootstrap.pyz  sha256:{made[0].bootstrap_sha256}")


COMMAND = Command(
    toolkit,
    (
        STORE_URL._replace(help="where to: a folder, s3://, gs://, az://"),
        PLATFORMS._replace(help="of the containers; default: linux-64"),
        Option("force", "make it anew, of the versions that are installed here"),
        ACCEPT_ROLLBACK,
        OUTPUT,
    ),
    (
        ENV._replace(
            metavar="[ENV]",
            required=False,
            help="whose Python is packed for containers that have an old one",
        ),
    ),
    examples=(Example("conjoin toolkit --store s3://bucket/envs", "For containers of Linux"),),
    more=("docs/bootstrap.md",),
)


def _made(there: Store, platform: str, lock: Lock | None, force: bool, steps: Callable[[str], None]) -> Made:
    from conjoin.config.load import load_settings
    from conjoin.spec.platform import platform_name
    from conjoin.toolkit.making import make_toolkit

    offline = load_settings().flag("offline")
    return make_toolkit(
        there, platform_name(platform), lock, force=force, offline=offline, reread=True, progress=steps
    )


def _lock(env: str | None, there: Store) -> Lock | None:
    if env is None:
        return None
    from conjoin.store.lookup.reference import find_lock

    return find_lock(env, there)


def _told(made: Made) -> dict[str, object]:
    return {
        "platform": made.platform,
        "files": list(made.files),
        "pythons": list(made.pythons),
        "packed_python": made.packed_python,
        "bytes_sent": made.bytes_sent,
        "descriptions": list(made.descriptions),
        "bootstrap_sha256": made.bootstrap_sha256,
        "warnings": list(made.warnings),
    }
