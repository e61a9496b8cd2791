"""The command line of ``metaflow environment``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Sequence

from metaflow.metaflow_config import DEFAULT_DATASTORE
from metaflow.plugins import DATASTORES, METADATA_PROVIDERS

from metaflow_extensions.conjoin.cmd.environment.session import Session, platforms_in
from metaflow_extensions.conjoin.config.settings import override
from metaflow_extensions.conjoin.errors import reported
from metaflow_extensions.conjoin.metaflow_internals import metaflow_click
from metaflow_extensions.conjoin.plugins.environment.request.environment_types import ENVIRONMENT_TYPES

__all__ = ["cli"]

click = metaflow_click()

_LOCAL_ONLY = click.option(
    "--local-only/--non-local", default=False, help="As far as this machine knows, without a network."
)
_PATHSPEC = click.option(
    "--pathspec", is_flag=True, default=False, help="The environment is that of this step: Flow/run/step."
)


@click.group()
def cli() -> None:
    """Give Metaflow the group it takes commands from."""


@cli.group(help="Environments of conda and PyPI packages.")
@click.option("--quiet/--no-quiet", default=False, help="Results alone, a line for each environment.")
@click.option(
    "--metadata",
    default=None,
    type=click.Choice([one.TYPE for one in METADATA_PROVIDERS]),
    help="Where past runs are looked up; default: as configured.",
)
@click.option(
    "--datastore",
    default=DEFAULT_DATASTORE,
    show_default=True,
    type=click.Choice([one.TYPE for one in DATASTORES]),
    help="The datastore of the flows that the environments are for.",
)
@click.option(
    "--environment",
    default=ENVIRONMENT_TYPES[0],
    show_default=True,
    type=click.Choice(ENVIRONMENT_TYPES),
    help="The type of environment; they are the same.",
)
@click.option("--conda-root", default=None, help="Where environments are kept, e.g. s3://bucket/conda_env.")
@click.option("--quiet-file-output", default=None, hidden=True, help="A file for the results, too.")
@click.pass_context
def environment(
    ctx: Any,
    quiet: bool,
    metadata: str | None,
    datastore: str,
    environment: str,
    conda_root: str | None,
    quiet_file_output: str | None,
) -> None:
    """Take the group's options: where environments are kept, and how results are told."""
    if conda_root:
        override(f"CONDA_{datastore.upper()}ROOT", conda_root)
    if metadata:
        from metaflow import metadata as use_metadata

        with reported():
            use_metadata(metadata)
    if quiet_file_output:
        Path(quiet_file_output).write_text("", encoding="utf-8")
    ctx.obj = Session(quiet, datastore, quiet_file_output)


@environment.command(help="Make an environment on this machine, and print its Python.")
@click.option("--name", default=None, help="Make it under this name.")
@_LOCAL_ONLY
@click.option("--force/--no-force", default=False, help="Make it anew, with what is in its place.")
@click.option(
    "--strict/--no-strict", default=True, help="Refuse another version of Metaflow than that of the step."
)
@click.option("--into-dir", default=None, help="A new folder for the code of the step, and its Python.")
@click.option(
    "--install-notebook/--no-install-notebook", default=False, help="Make it a kernel of your Jupyter."
)
@_PATHSPEC
@click.argument("env-name")
@click.pass_obj
def create(obj: Session, env_name: str, **options: Any) -> None:
    """Make an environment's prefix on this machine, and print the path of its Python."""
    with reported():
        from metaflow_extensions.conjoin.cmd.environment.create import create as make

        make(obj, env_name, **options)


@environment.command(help="Resolve an environment out of files, or out of another environment.")
@click.option("--alias", multiple=True, help="Name it, e.g. team/torch:v1.")
@click.option("--force/--no-force", default=False, help="Solve again what was solved before.")
@_LOCAL_ONLY
@click.option("--dry-run/--no-dry-run", default=False, help="Keep nothing.")
@click.option(
    "--set-default/--no-set-default", default=True, help="The same request gets this one from now on."
)
@click.option(
    "--skip-metaflow-deps/--no-skip-metaflow-deps",
    default=False,
    help="Without the libraries that Metaflow needs in a step.",
)
@click.option("--arch", multiple=True, help="Platform, e.g. linux-64; default: this machine's.")
@click.option("--python", default=None, help="Python's version; default: as the files say, else this one's.")
@click.option("-r", "--requirement", multiple=True, help="A requirements.txt.")
@click.option("-f", "--file", multiple=True, help="An environment.yml.")
@click.option("-p", "--pyproject", multiple=True, help="A pyproject.toml.")
@click.option("--using", default=None, help="Extend this environment: all of its packages stay.")
@click.option("--using-pathspec", default=None, help="Extend the environment of this step.")
@click.option("--from", "from_", default=None, help="Resolve again what this environment was resolved from.")
@click.option("--from-pathspec", default=None, help="Resolve again what this step's was resolved from.")
@click.pass_obj
def resolve(
    obj: Session,
    alias: Sequence[str],
    force: bool,
    local_only: bool,
    dry_run: bool,
    set_default: bool,
    skip_metaflow_deps: bool,
    arch: Sequence[str],
    python: str | None,
    requirement: Sequence[str],
    file: Sequence[str],
    pyproject: Sequence[str],
    using: str | None,
    using_pathspec: str | None,
    from_: str | None,
    from_pathspec: str | None,
) -> None:
    """Resolve an environment out of files or another environment, keep it, and print it."""
    with reported():
        from metaflow_extensions.conjoin.cmd.environment.resolve import Source
        from metaflow_extensions.conjoin.cmd.environment.resolve import resolve as resolve_source

        kinds = (("environment", file), ("requirements", requirement), ("pyproject", pyproject))
        source = Source(
            files=[(kind, path) for kind, paths in kinds for path in paths],
            python=python,
            arch=arch,
            using=_one_of(using, using_pathspec, "--using"),
            again=_one_of(from_, from_pathspec, "--from"),
        )
        resolve_source(
            obj,
            source,
            alias=alias,
            force=force,
            local_only=local_only,
            dry_run=dry_run,
            set_default=set_default,
            metaflow=not skip_metaflow_deps,
        )


@environment.command(help="Show what is in environments.")
@_LOCAL_ONLY
@click.option("--arch", multiple=True, help="This platform alone.")
@_PATHSPEC
@click.argument("envs", required=True, nargs=-1)
@click.pass_obj
def show(obj: Session, local_only: bool, arch: Sequence[str], pathspec: bool, envs: Sequence[str]) -> None:
    """Print what is in environments."""
    with reported():
        from metaflow_extensions.conjoin.plugins.flow_cli.environment_names import environment_named

        store = obj.store(local_only=local_only)
        # All of them before the first is told: a result that ends with an error is none.
        found = [(name, environment_named(name, store, pathspec=pathspec).lock) for name in envs]
        rows = [(name, lock, platform) for name, lock in found for platform in platforms_in(lock, arch, name)]
        for name, lock, platform in rows:
            obj.environment(lock, platform, name, store)


@environment.command(help="Give an environment a name.")
@_LOCAL_ONLY
@_PATHSPEC
@click.argument("source-env")
@click.argument("alias")
@click.pass_obj
def alias(obj: Session, local_only: bool, pathspec: bool, source_env: str, alias: str) -> None:
    """Give an environment a name, and print both."""
    with reported():
        from conjoin.store.aliases import parse_alias
        from conjoin.store.transfer.alias import alias_lock
        from metaflow_extensions.conjoin.plugins.flow_cli.environment_names import environment_named

        name = parse_alias(alias)
        store = obj.store(local_only=local_only)
        lock = environment_named(source_env, store, pathspec=pathspec).lock
        alias_lock(store, lock, str(name))
        obj.result(f"{name} {lock.req_id}:{lock.full_id}")


@environment.command(help="Fetch what is known of an environment to this machine.")
@click.option(
    "--default/--no-default", default=False, help="The same request gets this one here from now on."
)
@click.option("--arch", multiple=True, help="It must be there for this platform.")
@_PATHSPEC
@click.argument("source-env")
@click.pass_obj
def get(obj: Session, default: bool, arch: Sequence[str], pathspec: bool, source_env: str) -> None:
    """Fetch what the store knows of an environment to this machine, and print it."""
    with reported():
        from conjoin.store.transfer.get import get as fetch
        from conjoin.store.user import current_user
        from metaflow_extensions.conjoin.plugins.flow_cli.environment_names import environment_named

        store = obj.store()
        lock, step = environment_named(source_env, store, pathspec=pathspec)
        platforms = platforms_in(lock, arch, source_env)
        if store.shared is not None:
            fetch(store, f"{lock.req_id}:{lock.full_id}" if step else source_env)
        if default:
            store.local.locks.point(lock.req_id, lock.full_id, current_user(), {})
        for platform in platforms:
            obj.environment(lock, platform, source_env, store)


def _one_of(name: str | None, pathspec: str | None, option: str) -> tuple[str, bool] | None:
    from conjoin.errors import UsageError

    if name and pathspec:
        raise UsageError(f"{option} and {option}-pathspec are given", advice="choose one of them")
    return (name, False) if name else (pathspec, True) if pathspec else None
