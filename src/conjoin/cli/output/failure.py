"""Errors as people read them: one line that says what, where, and what to do; and the exit code."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from datetime import datetime, timezone
from pathlib import Path

from conjoin.cli.output.reporter import presentable, styled
from conjoin.errors import ConjoinError, NoSolution

__all__ = ["report_bug", "report_error"]

_MOST_REASONS = 24
"""Lines of the solver's reasons that are shown; all of them with ``--verbose``."""
_LONGEST_LINE = 2000
"""Characters of what is told of one error."""


def report_error(error: ConjoinError, *, verbose: bool = False) -> int:
    """Show an error and return its exit code."""
    # A conflict is told in paragraphs: the cause, what else there is to say, the chains, and what would help.
    reasons = getattr(error, "reasons", None) if isinstance(error, NoSolution) else None
    place = f"{error.where}: " if error.where else ""
    first = str(error) if reasons is None else f"{place}{error.what}"
    print(f"{styled('error:', 'bold red', sys.stderr)} {_line(first)}", file=sys.stderr)
    if reasons is not None:
        _report_reasons(error, reasons, verbose=verbose)
    if os.environ.get("CONJOIN_DEBUG"):
        print(presentable("".join(traceback.format_exception(error))), file=sys.stderr, end="")
    return error.exit_code


def _report_reasons(error: ConjoinError, reasons: str, *, verbose: bool) -> None:
    for cause in getattr(error, "causes", ())[1:]:
        print(f"  also: {_line(cause)}", file=sys.stderr)
    lines = presentable(reasons).splitlines()
    shown = lines if verbose else lines[:_MOST_REASONS]
    for line in shown:
        print(f"  {line}".rstrip(), file=sys.stderr)
    if len(shown) < len(lines):
        print(f"  ... {len(lines) - len(shown)} lines more with --verbose", file=sys.stderr)
    if error.advice:
        print(f"  {styled('help:', 'bold cyan', sys.stderr)} {_line(error.advice)}", file=sys.stderr)


def report_bug(error: BaseException) -> int:
    """Show that something happened which must not happen, keep the traceback, and return the exit code."""
    text = presentable("".join(traceback.format_exception(error)))
    if os.environ.get("CONJOIN_DEBUG"):
        print(text, file=sys.stderr, end="")
    summary = presentable(f"{type(error).__name__}: {error}").splitlines()[0]
    kept = _keep(text)
    more = f"; the traceback is in {kept}" if kept else "; CONJOIN_DEBUG=1 shows the traceback"
    label = styled("error:", "bold red", sys.stderr)
    print(f"{label} this is a bug in conjoin: {summary}{more}; please report it", file=sys.stderr)
    return ConjoinError.exit_code


def _line(text: str) -> str:
    # What others wrote is quoted, however long it is: its beginning is enough; the advice stands behind.
    if len(text) > _LONGEST_LINE:
        text = f"{text[: _LONGEST_LINE // 2]} ... {text[-_LONGEST_LINE // 2 :]}"
    return " ".join(presentable(text).splitlines())


def _keep(text: str) -> Path | None:
    from conjoin.config.places import cache_dir

    now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    try:
        folder = cache_dir() / "tracebacks"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=folder, prefix=f"{now}-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.write(f"{text}\n{sys.version}\n")
    except Exception:  # where the cache is may be what cannot be read; and two bugs are no help
        return None
    return Path(file.name)
