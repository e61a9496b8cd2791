"""``metaflow environment resolve``: an environment for no flow in particular, or for any."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Sequence

from metaflow_extensions.conjoin.cmd.environment.session import Session
from metaflow_extensions.conjoin.config.settings import engine_settings

if TYPE_CHECKING:
    from conjoin.lock.model import Lock
    from conjoin.resolving import Resolution
    from conjoin.store.store import Store
    from metaflow_extensions.conjoin.cmd.environment.requirements import ResolveRequest

__all__ = ["Source", "resolve"]


class Source(NamedTuple):
    """What to resolve, as it was typed.

    :ivar files: kinds (``environment``, ``requirements``, ``pyproject``) and paths.
    :ivar using: an environment to extend, and whether it is a pathspec.
    :ivar again: an environment whose requirements to resolve again, and whether it is a pathspec.
    """

    files: Sequence[tuple[str, str]]
    python: str | None
    arch: Sequence[str]
    using: tuple[str, bool] | None
    again: tuple[str, bool] | None


def resolve(
    session: Session,
    source: Source,
    *,
    alias: Sequence[str],
    force: bool,
    local_only: bool,
    dry_run: bool,
    set_default: bool,
    metaflow: bool,
) -> None:
    """Resolve, keep, name and tell.

    :raises conjoin.errors.ConjoinError: where that cannot be done.
    """
    from conjoin.resolving import ResolveOptions, resolve_request
    from conjoin.spec.platform import platform_name
    from metaflow_extensions.conjoin.plugins.flow_cli.environment_names import (
        aliases_of,
        give_names,
        keep_in_store,
        refuse_taken,
    )

    aliases = aliases_of(alias, dry_run=dry_run)
    store = session.store()
    reporter = session.reporter
    source = source._replace(arch=[platform_name(name) for name in source.arch])
    wanted = _wanted(session, source, session.store(local_only=local_only), metaflow=metaflow)
    for note in wanted.notes:
        reporter.warn(note)
    refuse_taken(aliases, wanted.requirements, wanted.base, store, force=force)
    default = _Default(store, wanted)
    settings = engine_settings()
    with reporter.steps() as steps:
        resolution = resolve_request(
            wanted.requirements,
            wanted.platforms,
            ResolveOptions(
                using=wanted.base,
                using_name=source.using[0] if source.using else "",
                use_latest=settings.text("use-remote-latest") or None,
                force=force,
                dry_run=dry_run,
                offline=settings.flag("offline"),
                progress=steps,
            ),
            store=store,
        )
    for warning in resolution.warnings:
        reporter.warn(warning)
    if not dry_run:
        if not set_default:
            default.restore(resolution.lock)
        keep_in_store(resolution.lock, store, wanted.requirements.credentials)
    give_names(aliases, resolution.lock, store, wanted.requirements.credentials)
    _tell(session, resolution, source, store)


def _wanted(session: Session, source: Source, known: Store, *, metaflow: bool) -> ResolveRequest:
    """Return what is asked for.

    :param known: where environments are looked for.
    """
    from conjoin.errors import UsageError
    from metaflow_extensions.conjoin.cmd.environment.requirements import (
        requirements_again,
        requirements_of_files,
    )
    from metaflow_extensions.conjoin.plugins.flow_cli.environment_names import environment_named

    if source.again is not None:
        if source.using or source.files or source.python:
            raise UsageError(
                "--from asks for what the environment asked for, and nothing else",
                advice="drop --using, --python and the files, or extend it with --using",
            )
        lock = environment_named(source.again[0], known, pathspec=source.again[1]).lock
        base = str(lock.requirements.get("base") or "")
        return requirements_again(lock, known.lock(*base.split(":")) if base else None, source.arch)
    if not source.files and not source.using and not source.python:
        raise UsageError(
            "nothing is asked for",
            advice="give -f environment.yml, -r requirements.txt, -p pyproject.toml, --using or --from",
        )
    using = source.using
    return requirements_of_files(
        source.files,
        python=source.python,
        base=environment_named(using[0], known, pathspec=using[1]).lock if using else None,
        platforms=source.arch,
        datastore=session.datastore,
        metaflow=metaflow,
    )


class _Default:
    """What the same requirements mean for this user before something else is resolved."""

    def __init__(self, store: Store, wanted: ResolveRequest) -> None:
        from conjoin.spec.canonical import req_id

        requirements = wanted.requirements
        if wanted.base is not None:
            from conjoin.lock.extend import extended

            requirements = extended(requirements, wanted.base)
        self._store = store
        self._before = store.default_lock(req_id(requirements))

    def restore(self, resolved: Lock) -> None:
        """Have them mean that again; where they meant nothing, what was resolved is all there is."""
        from conjoin.store.user import current_user

        before = self._before
        if before is not None and before.full_id != resolved.full_id:
            self._store.local.locks.point(before.req_id, before.full_id, current_user(), {})


def _tell(session: Session, resolution: Resolution, source: Source, store: Store) -> None:
    lock = resolution.lock
    how = "resolved" if resolution.newly_resolved else "resolved before"
    for platform in source.arch or list(lock.platforms):
        session.environment(lock, platform, f"{how} ({resolution.seconds:.2f} s)", store)
