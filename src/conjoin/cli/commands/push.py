"""``conjoin push``: an environment and all its packages, for others."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from conjoin.cli.options import (
    ACCEPT_ROLLBACK,
    ENV,
    OUTPUT,
    PLATFORMS,
    SIGN,
    SIGNING_KEY,
    STORE_URL,
    Command,
    Example,
    Option,
    OutputOptions,
)
from conjoin.cli.output.reporter import Reporter
from conjoin.errors import ConjoinError, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conjoin.lock.model import Lock
    from conjoin.store.store import Store
    from conjoin.store.transfer.push import Pushed

__all__ = ["COMMAND", "push"]

_PAUSE = 0.1
"""Seconds between two looks at how much was sent."""


def push(
    output: OutputOptions,
    env: str,
    store: str | None = None,
    accept_rollback: bool = False,
    platform: Sequence[str] = (),
    alias: str | None = None,
    check: bool = False,
    toolkit: bool | None = None,
    sign: bool = False,
    signing_key: str | None = None,
) -> None:
    """Bring an environment and all its packages to a store, for everybody who can read it.

    What is there already is not sent again; a push that was interrupted goes on where it was.
    """
    from conjoin.cli.environments import signer_of
    from conjoin.cli.output.table import human_size
    from conjoin.store.store import Store
    from conjoin.store.transfer.push import push as send

    reporter = Reporter(quiet=output.quiet, verbose=output.verbose)
    started = time.monotonic()
    signer = signer_of(sign=sign, key=signing_key)
    if signer is not None and alias is None:
        raise UsageError("a name is signed, and none is given", advice="give --alias NAME")
    there = Store(store, accept_rollback=accept_rollback)
    lock = _find(env, there)
    with reporter.steps() as steps:
        steps(f"pushing to {there.place}")
        # Elsewhere than on a terminal, a line for every chunk would be noise.
        shown = _Sent(f"pushing to {there.place}", steps).add if reporter.is_terminal else lambda _bytes: None
        pushed = send(there, lock, platform or (), alias, sent=shown, check=check, signer=signer)
        _keep_toolkits(pushed, there, toolkit, reporter, steps)
    seconds = time.monotonic() - started
    if output.json:
        from conjoin.cli.output.documents import write_json

        write_json(
            {
                "req_id": lock.req_id,
                "full_id": lock.full_id,
                "store": there.place,
                "alias": pushed.alias,
                "platforms": list(pushed.platforms),
                "sent": pushed.sent,
                "present": pushed.present,
                "bytes_sent": pushed.bytes_sent,
                "seconds": round(seconds, 3),
            }
        )
        return
    size = f" ({human_size(pushed.bytes_sent)})" if pushed.bytes_sent else ""
    sent = f"sent {pushed.sent} package{'' if pushed.sent == 1 else 's'}{size}"
    reporter.say(f"{sent if pushed.sent else 'nothing to send'}, {pushed.present} were there", "green")
    reporter.say(f"{lock.req_id}:{lock.full_id}")
    if pushed.alias:
        reporter.say(f"also {pushed.alias}")


COMMAND = Command(
    push,
    (
        STORE_URL._replace(help="where to: a folder, s3://, gs://, az://"),
        PLATFORMS._replace(help="packages of this platform alone"),
        Option("alias", "name it there, e.g. team/torch:v1", "NAME", completes="environment"),
        Option("check", "look at every package there: somebody may have deleted one"),
        Option(
            "toolkit",
            "keep there what bare containers need as well; default: for Linux, in an object store",
            off="--no-toolkit",
        ),
        SIGN,
        SIGNING_KEY,
        ACCEPT_ROLLBACK,
        OUTPUT,
    ),
    (ENV,),
    examples=(
        Example(
            "conjoin push env.lock --store s3://bucket/envs --alias team/torch:v1", "For a team, by a name"
        ),
    ),
    more=("docs/store.md", "docs/bootstrap.md"),
)


def _keep_toolkits(
    pushed: Pushed, there: Store, asked: bool | None, reporter: Reporter, steps: Callable[[str], None]
) -> None:
    """Make sure that containers can use what was pushed; where that fails, the push is no less done."""
    if not (_is_configured(there) if asked is None else asked):
        return
    from conjoin.toolkit.making import has_toolkits, make_toolkit

    for platform in pushed.platforms:
        if not (has_toolkits(platform) if asked else platform.startswith("linux-")):
            continue
        try:
            made = make_toolkit(there, platform, pushed.lock, progress=steps)
        except ConjoinError as error:
            reporter.warn(f"no toolkit for bare containers of {platform}: {error}")
        else:
            for warning in made.warnings:
                reporter.warn(warning)


def _is_configured(there: Store) -> bool:
    from conjoin.config.load import load_settings

    said = load_settings().said("push-toolkit")
    return there.shared is not None and (not said or said[0].value is True)


class _Sent:
    """Counts bytes, from any thread, and shows now and then how many there are."""

    def __init__(self, text: str, show: Callable[[str], None]) -> None:
        self._text = text
        self._show = show
        self._lock = threading.Lock()
        self._bytes = 0
        self._shown_at = 0.0

    def add(self, count: int) -> None:
        from conjoin.cli.output.table import human_size

        with self._lock:
            self._bytes += count
            if time.monotonic() - self._shown_at > _PAUSE:
                self._shown_at = time.monotonic()
                self._show(f"{self._text}: {human_size(self._bytes)}")


def _find(env: str, there: Store) -> Lock:
    """Return the lock that ``env`` means here, else in the store it goes to."""
    from conjoin.store.lookup.reference import find_lock

    here = there.near()
    if here.place == there.place:
        return find_lock(env, here)
    try:
        return find_lock(env, here)
    except NotFound as error:
        try:
            return find_lock(env, there)
        except NotFound:
            raise error from None
