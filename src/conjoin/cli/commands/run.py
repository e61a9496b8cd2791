"""``conjoin run``: a command inside an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conjoin.cli.options import (
    ENV,
    QUIET,
    REQUEST,
    STORE,
    VERBOSE,
    Command,
    Example,
    Group,
    OutputOptions,
    RequestOptions,
    StoreOptions,
)
from conjoin.cli.output.reporter import Reporter
from conjoin.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = ["COMMAND", "run"]

_USAGE = "conjoin run [OPTIONS] ENV -- COMMAND..., or conjoin run -f environment.yml -- COMMAND..."


def run(
    request: RequestOptions, options: StoreOptions, output: OutputOptions, words: Sequence[str] = ()
) -> None:
    """Run a command in an environment, or in what a request asks for; the exit code is the command's.

    With --script and no command, the script itself is run.
    """
    from conjoin.cli.environments import environment_of, make_prefix, open_store
    from conjoin.cli.request import is_request
    from conjoin.prefix.activation import run as run_in

    reporter = Reporter(quiet=output.quiet, verbose=output.verbose)
    env, command = _split(words, has_request=is_request(request))
    if not command and len(request.script) == 1:
        command = ["python", str(request.script[0])]
    if not command:
        raise UsageError("no command is given", advice=_USAGE)
    store = open_store(options)
    environment = environment_of(env, request, store, offline=options.offline, reporter=reporter)
    prefix = make_prefix(environment, store, options, reporter)
    code = run_in(prefix, command)  # on POSIX the command takes this process's place
    raise SystemExit(code)


COMMAND = Command(
    run,
    (
        REQUEST,
        STORE,
        # It has no result of its own, so no --json: stdout is the command's.
        Group("output", OutputOptions, (QUIET._replace(help="errors alone"), VERBOSE)),
    ),
    (
        ENV._replace(
            name="words",
            help="the environment, and what to run in it",
            metavar="[ENV] -- COMMAND...",
            required=False,
            repeats=True,
        ),
    ),
    examples=(
        Example("conjoin run team/torch:v1 -- python train.py", "In what a name means"),
        Example("conjoin run -f environment.yml -- pytest -q", "In what a file asks for"),
        Example("conjoin run --script script.py", "A script that says what it needs (PEP 723)"),
    ),
    more=("docs/store.md", "docs/files.md"),
    interspersed=False,  # the command's own options are not ours
)


def _split(words: Sequence[str], *, has_request: bool) -> tuple[str | None, list[str]]:
    """Return ``ENV`` (None where a request takes its place) and the command."""
    if has_request:
        # A `--` in front was taken as the end of options already.
        return None, list(words)
    if not words:
        raise UsageError("no environment is given", advice=_USAGE)
    env, command = words[0], list(words[1:])
    if command and command[0] == "--":
        return env, command[1:]
    if command and command[0].startswith("-"):
        raise UsageError(f"the option {command[0]} comes too late", advice=f"options come first: {_USAGE}")
    return env, command
