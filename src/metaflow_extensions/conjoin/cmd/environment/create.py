"""``metaflow environment create``: the prefix of an environment, and what may go with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from metaflow_extensions.conjoin.cmd.environment.session import Session
from metaflow_extensions.conjoin.config.settings import engine_settings

if TYPE_CHECKING:
    from conjoin.lock.model import Lock
    from conjoin.store.store import Store

__all__ = ["create"]


def create(
    session: Session,
    env_name: str,
    *,
    pathspec: bool,
    name: str | None,
    local_only: bool,
    force: bool,
    strict: bool,
    into_dir: str | None,
    install_notebook: bool,
) -> None:
    """Make the prefix, unless it is there, and tell its Python.

    :raises conjoin.errors.ConjoinError: where that cannot be done.
    """
    from conjoin.api import hydrate
    from conjoin.cli.output.progress import hydration_progress
    from metaflow_extensions.conjoin.cmd.environment.code_folder import (
        check_folder,
        make_folder,
        past_code,
    )
    from metaflow_extensions.conjoin.plugins.flow_cli.environment_names import environment_named

    folder = Path(into_dir).absolute() if into_dir else None
    if folder is not None:
        check_folder(folder, force=force)
    store = session.store(local_only=local_only)
    reporter = session.reporter
    lock, step = environment_named(env_name, store, pathspec=pathspec)
    code = past_code(step) if folder is not None and step else None
    offline = local_only or engine_settings().flag("offline")
    if install_notebook:
        lock = _with_kernel(lock, env_name, store, session, offline=offline)
    # What is named by its ids never changes, and tasks may be running in it: there, force means the folder.
    _make_way(lock, name, force=force and (name is not None or folder is None))
    prefix = hydrate(lock, store=store, name=name, progress=hydration_progress(reporter), offline=offline)
    ids = f"{lock.req_id}:{lock.full_id}"
    if folder is not None:
        make_folder(folder, prefix, ids, code, strict=strict, warn=reporter.warn)
        reporter.say(f"read {folder}/metaflow_setup.sh in a shell to see what the step saw", "green")
    if install_notebook:
        from conjoin.prefix.kernel import install_kernel

        called = name or env_name
        variables = {"PYTHONPATH": f"{folder}/.mf_code:{folder}"} if folder else {}
        kernel = install_kernel(prefix, _kernel_name(called), f"Metaflow {called}", variables)
        reporter.say(f"the kernel is in {kernel}", "green")
    session.result(str(prefix / "bin" / "python"))


def _make_way(lock: Lock, name: str | None, *, force: bool) -> None:
    """Refuse to change a named environment unasked; with ``force``, have it made anew.

    :raises conjoin.errors.Conflict: where it holds another environment.
    """
    from conjoin.errors import Conflict
    from conjoin.prefix.host import choose_platform
    from conjoin.prefix.prefix import Marker, Prefix, prefix_path, read_marker
    from conjoin.store.backend.filelock import locked

    path = prefix_path(lock, None, name)
    there = read_marker(path)
    if there is None:
        return
    if force:
        platform = choose_platform(lock, None)
        prefix = Prefix(path, Marker.of(lock, platform))
        with locked(prefix.lock_file):
            prefix.claim()
    elif (there.req_id, there.full_id) != (lock.req_id, lock.full_id):
        raise Conflict(f"{name} holds another environment", where=str(path), advice="replace it with --force")


def _with_kernel(lock: Lock, name: str, store: Store, session: Session, *, offline: bool) -> Lock:
    """Return the environment with what Jupyter needs: on top of it, so that everything else stays."""
    from conjoin.prefix.host import choose_platform
    from conjoin.prefix.kernel import PACKAGE
    from conjoin.resolving import ResolveOptions, resolve_request
    from conjoin.spec.build import build_requirements
    from metaflow_extensions.conjoin.plugins.flow_cli.output import environment_type

    platform = choose_platform(lock, None)
    if any(package.name == PACKAGE for package in lock.platforms[platform].packages):
        return lock
    from_pypi = environment_type(lock, store) == "pypi-only"
    requirements = build_requirements(
        settings=engine_settings(),
        base=f"{lock.req_id}:{lock.full_id}",
        conda=[] if from_pypi else [PACKAGE],
        pypi=[PACKAGE] if from_pypi else [],
    )
    with session.reporter.steps() as steps:
        return resolve_request(
            requirements,
            [platform],
            ResolveOptions(using=lock, using_name=name, offline=offline, progress=steps),
            store=store,
        ).lock


def _kernel_name(name: str) -> str:
    return "metaflow_" + re.sub(r"[^A-Za-z0-9.-]+", "_", name)
