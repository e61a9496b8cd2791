"""The program: runs a command, and turns whatever happens into one line and an exit code."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Iterator, Sequence

from conjoin.cli.command import OutputClosed
from conjoin.errors import ConjoinError, UsageError

__all__ = ["main"]

_INTERRUPTED = 128 + signal.SIGINT
_BROKEN_PIPE = 141  # 128 + SIGPIPE, which Windows does not have


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code (design, section 9).

    :param arguments: without the program's name; default: this process's.
    """
    if arguments is None:
        with _without_collections():
            return _main(sys.argv[1:])
    return _main(list(arguments))


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """Keep the cyclic garbage collector from looking at what stays anyway, while working and at the end.

    It would take a quarter of the time of a resolve: hundreds of thousands of objects, hardly one of them
    garbage.
    """
    gc.set_threshold(200_000, 50, 100)
    try:
        yield
    finally:
        gc.freeze()  # else the interpreter looks at all of them once more before it ends


def _main(arguments: list[str]) -> int:
    try:
        if not arguments:
            with contextlib.redirect_stdout(sys.stderr):
                _run(["--help"])
            return UsageError.exit_code
        code = _run(arguments)
        sys.stdout.flush()
    except ConjoinError as error:
        from conjoin.cli.failure import report_error

        return report_error(error, verbose=not {"-v", "--verbose"}.isdisjoint(arguments))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (BrokenPipeError, OutputClosed):
        # The interpreter must not try to flush what is left, at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    except BaseException as error:  # a panic in py-rattler is no Exception
        if (message := _usage_message(error)) is not None:
            return _report_usage(message, error)
        from conjoin.cli.failure import report_bug

        return report_bug(error)
    return code


def _run(arguments: list[str]) -> int:
    if not arguments[0].startswith("-"):
        from conjoin.cli.plain import plain_call

        if (call := plain_call(arguments)) is not None:
            call()
            return 0
    from conjoin.cli.app import make_app

    code = make_app()(arguments, prog_name="conjoin", standalone_mode=False)
    return code if isinstance(code, int) else 0


def _usage_message(error: BaseException) -> str | None:
    """Return what typer has to say against the command line; None where ``error`` is something else.

    Told by what it can do: whether typer brings its own click, and under which name, differs by version.
    """
    describe = getattr(error, "format_message", None)
    if describe is None or not isinstance(getattr(error, "exit_code", None), int):
        return None
    return str(describe())


def _report_usage(message: str, error: BaseException) -> int:
    from conjoin.cli.failure import report_error

    context = getattr(error, "ctx", None)
    command = getattr(context, "command_path", None) or "conjoin"
    what = message.rstrip(".")
    return report_error(UsageError(what[:1].lower() + what[1:], advice=f"see `{command} --help`"))
