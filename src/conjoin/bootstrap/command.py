"""The command line: ``python -m conjoin.bootstrap STORE ENV [options] [-- COMMAND ...]``."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from typing import TYPE_CHECKING

from conjoin.bootstrap import VERSION
from conjoin.bootstrap.bootstrapping import bootstrap
from conjoin.errors import ConjoinError, NotFound, UsageError
from conjoin.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conjoin.bootstrap.bootstrapping import Ready

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, or as of :mod:`conjoin.errors`."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    command = None
    if "--" in words:
        at = words.index("--")
        words, command = words[:at], words[at + 1 :]
    parser = _parser()
    options = parser.parse_args(words)
    if command is not None and not command:
        parser.error("no command is given after --")
    started = time.time()
    try:
        ready = bootstrap(
            options.store,
            options.env,
            platform=options.platform,
            prefix=options.prefix,
            cache=options.cache,
            endpoint=options.endpoint_url,
            id_file=options.id_file,
            variables=None if command is None else os.environ,
            toolkit=options.toolkit_sha256,
        )
        if not options.quiet:
            took, megabytes = time.time() - started, ready.received / 1e6
            told = f"{took:.1f} s, {ready.requests} requests, {megabytes:.1f} MB"
            print(f"conjoin: ready in {told}: {ready.prefix}", file=sys.stderr)
        if command is None:
            print(ready.prefix, flush=True)
            return 0
        _hand_over(ready, command)
    except ConjoinError as error:
        print("conjoin: error: " + " ".join(str(error).split()), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left is not flushed at exit
        return 141
    except Exception as error:
        if os.environ.get("CONJOIN_DEBUG"):
            raise
        told = redacted(" ".join(f"{type(error).__name__}: {error}".split()))
        print(f"conjoin: error: this is a bug: {told}; CONJOIN_DEBUG=1 shows where", file=sys.stderr)
        return ConjoinError.exit_code
    raise AssertionError("handing over does not return")


def _hand_over(ready: Ready, command: Sequence[str]) -> None:
    """Become a program of the environment; never returns.

    :raises NotFound: where there is no such program.
    """
    program = shutil.which(command[0], path=ready.variables.get("PATH"))
    if program is None:
        raise NotFound(f"there is no program {command[0]}", where=ready.prefix)
    sys.stdout.flush()
    sys.stderr.flush()
    for name in ("SIGPIPE", "SIGXFSZ"):  # which Python ignores, and the program would inherit that
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execve(program, list(command), ready.variables)  # noqa: S606 (there is no shell, on purpose)
    except OSError as error:
        raise UsageError(f"cannot be run ({error.strerror})", where=program) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m conjoin.bootstrap",
        description="Make an environment out of a store, in a container that has nothing but Python 3.8.",
        epilog="After --, a command to become, with the environment activated.",
        allow_abbrev=False,
    )
    parser.add_argument("store", metavar="STORE", help="s3://bucket/prefix, gs://, az://, https://, a folder")
    parser.add_argument(
        "env",
        metavar="ENV",
        help="a lock file, req_id:full_id, or a name in the store; with @sha256:DIGEST, that lock alone",
    )
    parser.add_argument("--platform", metavar="P", help="default: this machine's")
    parser.add_argument("--prefix", metavar="DIR", help="where to make it")
    parser.add_argument("--cache", metavar="DIR", help="what bootstraps on one node share")
    parser.add_argument("--endpoint-url", metavar="URL", help="the store's server, if not the cloud's own")
    parser.add_argument("--id-file", metavar="FILE", help="written with req_id:full_id when all is done")
    parser.add_argument(
        "--toolkit-sha256",
        metavar="DIGEST",
        action="append",
        default=[],
        help="what the toolkit's description has to have; once for each that may be used",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    parser.add_argument("--version", action="version", version="conjoin " + VERSION)
    return parser
