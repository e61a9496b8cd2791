"""The environment a command works on: ``ENV``, or what a request asks for; and its prefix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from conjoin.cli.options import RequestOptions, StoreOptions
from conjoin.cli.output.reporter import Reporter
from conjoin.cli.request import is_request, read_request
from conjoin.errors import UsageError

if TYPE_CHECKING:
    from conjoin.lock.model import Lock
    from conjoin.resolving import Resolution
    from conjoin.spec.requirements import Credential, Requirements
    from conjoin.store.records.signatures import Signer
    from conjoin.store.store import Store

__all__ = [
    "Base",
    "Environment",
    "base_of",
    "environment_of",
    "make_prefix",
    "open_store",
    "resolve_showing",
    "signer_of",
]


class Environment:
    """A lock, the platform asked for (None for this host's), and what its origins want to be shown."""

    def __init__(self, lock: Lock, platform: str | None, credentials: Sequence[Credential]) -> None:
        self.lock = lock
        self.platform = platform
        self.credentials = credentials


class Base(msgspec.Struct, frozen=True):
    """The environment that ``--using`` means, and how it was typed."""

    name: str
    lock: Lock


def base_of(request: RequestOptions, store: Store) -> Base | None:
    """Return the environment that a request extends, None where it extends none.

    :raises NotFound: where nothing of that name exists.
    """
    if request.using is None:
        return None
    from conjoin.store.lookup.reference import find_lock

    return Base(request.using, find_lock(request.using, store))


def open_store(options: StoreOptions, *, to_name: bool = False) -> Store:
    """Return the store; with ``--offline`` the local one, where that is an object store.

    :param to_name: the command will give a name there.
    :raises UsageError: where that needs the network, which may not be used.
    """
    from conjoin.store.store import Store

    store = Store(options.store, accept_rollback=options.accept_rollback)
    if not options.offline or store.shared is None:
        return store
    if to_name:
        raise UsageError(f"a name in {store.place} needs the network", advice="drop --offline or --alias")
    return store.local


def signer_of(*, sign: bool, key: str | None) -> Signer | None:
    """Return what signs: with a key that is given, else with the one that is configured; None for nothing.

    :raises UsageError: where no key is named.
    """
    if not sign and key is None:
        return None
    from conjoin.trust.policy import signing_key
    from conjoin.trust.ssh_keygen import signer

    return signer(key or signing_key())


def environment_of(
    env: str | None, request: RequestOptions, store: Store, *, offline: bool, reporter: Reporter
) -> Environment:
    """Return the environment that ``ENV`` means, or that the request asks for: resolved before, or now.

    :raises UsageError: where both are given, or neither.
    """
    asked = is_request(request)
    if env is not None and asked:
        raise UsageError(
            f"an environment ({env}) and a request are given", advice="give ENV, or what to resolve, not both"
        )
    platform = request.platform[0] if len(request.platform) == 1 else None
    if env is not None:
        from conjoin.store.lookup.reference import find_lock

        if len(request.platform) > 1:
            raise UsageError("a prefix is for one platform", advice="give --platform once")
        return Environment(find_lock(env, store), platform, ())
    if not asked:
        raise UsageError(
            "no environment is given",
            advice="give a lock file, req_id:full_id or an alias; or -f environment.yml and the like",
        )
    requirements = read_request(request, reporter)
    base = base_of(request, store)
    resolution = resolve_showing(
        requirements, store, base=base, use_latest=request.use_latest, offline=offline, reporter=reporter
    )
    if resolution.newly_resolved:
        reporter.say(
            f"resolved in {resolution.seconds:.1f} s: {resolution.lock.req_id}:{resolution.lock.full_id}"
        )
    credentials = (*requirements.credentials, *resolution.credentials)
    return Environment(resolution.lock, platform, credentials)


def resolve_showing(
    requirements: Requirements,
    store: Store,
    *,
    reporter: Reporter,
    base: Base | None = None,
    use_latest: str | None = None,
    update: Sequence[str] | None = None,
    offline: bool = False,
    force: bool = False,
    dry_run: bool = False,
) -> Resolution:
    """Resolve, and show what is being done and what should be known about the result."""
    from conjoin.resolving import ResolveOptions, resolve_request

    with reporter.steps() as steps:
        resolution = resolve_request(
            requirements,
            options=ResolveOptions(
                using=base.lock if base else None,
                using_name=base.name if base else "",
                use_latest=use_latest,
                update=update,
                force=force,
                dry_run=dry_run,
                offline=offline,
                progress=steps,
            ),
            store=store,
        )
    _say_whose(resolution, reporter)
    for warning in resolution.warnings:
        reporter.warn(warning)
    if resolution.rounds:
        reporter.detail(f"{resolution.rounds} rounds of the joint solve")
    return resolution


def _say_whose(resolution: Resolution, reporter: Reporter) -> None:
    """Say whose resolution was taken, unless it is the user's own of this host."""
    from conjoin.config.places import local_store_root
    from conjoin.store.user import current_user

    taken = resolution.taken_from
    if taken is None or (taken.user == current_user() and taken.place == str(local_store_root())):
        return
    what = "keeps what" if resolution.newly_resolved else "taken from what"
    reporter.say(f"{what} {taken.user} resolved at {taken.time} ({taken.place})")


def make_prefix(
    environment: Environment,
    store: Store,
    options: StoreOptions,
    reporter: Reporter,
    *,
    prefix: Path | None = None,
    name: str | None = None,
) -> Path:
    """Hydrate the environment, showing progress, and return its prefix."""
    from conjoin.api import hydrate
    from conjoin.cli.output.progress import hydration_progress

    return hydrate(
        environment.lock,
        environment.platform,
        store=store,
        prefix=prefix,
        name=name,
        progress=hydration_progress(reporter),
        offline=options.offline,
        credentials=environment.credentials,
    )
