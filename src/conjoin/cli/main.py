# PYTHON_ARGCOMPLETE_OK (for those who have argcomplete's completion of all programs)
"""The program: runs a command, and turns whatever happens into one line and an exit code."""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False  # typing's takes longer to import than saying the version takes
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_INTERRUPTED = 130  # 128 + SIGINT; the module signal is not worth its import
_BROKEN_PIPE = 141  # 128 + SIGPIPE, which Windows does not have
_VERSION = (["version"], ["--version"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code (docs/errors.md).

    :param arguments: without the program's name; default: this process's.
    """
    if arguments is not None:
        return _main(list(arguments))
    # The cyclic garbage collector would take a quarter of the time of a resolve: hundreds of thousands of
    # objects, hardly one of them garbage. (The library asks for the same where it works: cyclic_gc.py,
    # which is not imported here, since most commands have nothing to do with indexes.)
    gc.set_threshold(200_000, 50, 100)
    try:
        return _main(sys.argv[1:])
    finally:
        gc.freeze()  # else the interpreter looks at all of them once more before it ends


def _main(arguments: list[str]) -> int:
    try:
        if "_ARGCOMPLETE" in os.environ and "COMP_LINE" in os.environ:  # a shell asks what comes next
            from conjoin.cli.completion import complete
            from conjoin.cli.root import ROOT

            return complete(ROOT)
        if arguments in _VERSION:
            from conjoin.version import __version__

            print(f"conjoin {__version__}", flush=True)
            return 0
        return _reported(arguments)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The interpreter must not try to flush what is left, at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1


def _reported(arguments: list[str]) -> int:
    from conjoin.errors import ConjoinError

    try:
        code = _run(arguments)
        sys.stdout.flush()
    except ConjoinError as error:
        from conjoin.cli.output.failure import report_error

        return report_error(error, verbose=not {"-v", "--verbose"}.isdisjoint(arguments))
    except (KeyboardInterrupt, BrokenPipeError, SystemExit):
        raise
    except OSError as error:  # what nobody expected there: stdout itself may go to a disk that is full
        from conjoin.cli.output.failure import report_bug, report_error
        from conjoin.writing import disk_error

        told = disk_error(error, error.filename or "the output")
        return report_error(told) if told is not None else report_bug(error)
    except BaseException as error:  # a panic in py-rattler is no Exception
        from conjoin.cli.output.failure import report_bug

        return report_bug(error)
    return code


def _run(arguments: list[str]) -> int:
    import warnings

    from conjoin.cli.output.reporter import Reporter
    from conjoin.cli.parser import NAME, print_help, run
    from conjoin.cli.root import ROOT
    from conjoin.errors import UsageError

    if not arguments:
        print_help(ROOT, NAME, sys.stderr)
        return UsageError.exit_code
    # What is done all the same, and should be known: in a line of ours, as often as it happens.
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, category, *_where, **_more: (
            Reporter().warn(str(message)) if category is UserWarning else None
        )
        run(ROOT, arguments)
    return 0
