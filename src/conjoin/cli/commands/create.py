"""``conjoin create``: a working prefix of an environment."""

from __future__ import annotations

import time
from pathlib import Path

from conjoin.cli.options import (
    ENV,
    OUTPUT,
    REQUEST,
    STORE,
    Command,
    Example,
    Option,
    OutputOptions,
    RequestOptions,
    StoreOptions,
)
from conjoin.cli.output.reporter import Reporter

__all__ = ["COMMAND", "create"]


def create(
    request: RequestOptions,
    options: StoreOptions,
    output: OutputOptions,
    env: str | None = None,
    prefix: Path | None = None,
    name: str | None = None,
) -> None:
    """Make a prefix of an environment, or of what a request asks for, and print its path."""
    from conjoin.cli.environments import environment_of, make_prefix, open_store
    from conjoin.prefix.host import choose_platform
    from conjoin.prefix.prefix import prefix_path

    reporter = Reporter(quiet=output.quiet, verbose=output.verbose)
    if prefix is not None and name is not None:
        from conjoin.errors import UsageError

        raise UsageError("a prefix and a name are given", advice="choose one of --prefix and --name")
    started = time.monotonic()
    store = open_store(options)
    environment = environment_of(env, request, store, offline=options.offline, reporter=reporter)
    prefix_path(environment.lock, prefix, name)  # an impossible one is refused before any work
    made = make_prefix(environment, store, options, reporter, prefix=prefix, name=name)
    seconds = time.monotonic() - started
    if output.json:
        from conjoin.cli.output.documents import write_json

        write_json(
            {
                "prefix": str(made),
                "req_id": environment.lock.req_id,
                "full_id": environment.lock.full_id,
                "platform": choose_platform(environment.lock, environment.platform),
                "seconds": round(seconds, 3),
            }
        )
        return
    reporter.say(f"ready in {seconds:.1f} s", "green")
    print(made, flush=True)


COMMAND = Command(
    create,
    (
        Option(
            "prefix",
            "where to; default: a folder named by the ids",
            "DIR",
            type=Path,
            completes="folder",
        ),
        Option("name", "a named environment, instead of --prefix", "N", ("--name", "-n"), completes="name"),
        REQUEST,
        STORE,
        OUTPUT,
    ),
    (ENV._replace(metavar="[ENV]", required=False),),
    examples=(
        Example("conjoin create team/torch:v1 --prefix ./env", "Make what a name means, in a folder"),
        Example("conjoin create -n work -f environment.yml", "Make what a file asks for, by a name"),
    ),
    more=("docs/store.md", "docs/files.md"),
)
