"""``conjoin log``: who did what in a store."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from conjoin.cli.options import OUTPUT, STORE_URL, Argument, Command, Example, Option, OutputOptions
from conjoin.cli.output.reporter import Reporter

if TYPE_CHECKING:
    from conjoin.trust.log import LogEntry

__all__ = ["COMMAND", "log"]

_USUALLY = 100
_DIGITS_SHOWN = 7


def log(
    output: OutputOptions, name: str | None = None, store: str | None = None, last: int = _USUALLY
) -> None:
    """Show who pushed, named, collected or deleted what in a store, newest first.

    An account by those who did it, not a proof: only what is signed proves anything (docs/security.md).
    """
    from conjoin.store.store import Store

    reporter = Reporter(quiet=output.quiet, verbose=output.verbose)
    there = Store(store)
    found = there.log.entries(reporter.warn)
    entries = list(islice((each for each in found if name is None or each.concerns(name)), last or None))
    if output.json:
        from conjoin.cli.output.documents import write_json

        write_json({"store": there.place, "entries": [_document(each) for each in entries]})
        return
    if not entries:
        about = f" about {name}" if name is not None else ""
        reporter.say(f"the log of {there.place} says nothing{about}")
        return
    from conjoin.cli.output.table import Column, print_table

    columns = (
        Column("time (UTC)", "dim"),
        Column("who", "cyan"),
        Column("did"),
        Column("name", "bold"),
        Column("environment", "green"),
        Column("more", long=True),
    )
    print_table(columns, [_row(each) for each in entries])


def _number(text: str) -> int:
    number = int(text[:12])
    if number < 0:
        raise ValueError
    return number


COMMAND = Command(
    log,
    (
        Option(
            "last",
            f"how many entries, 0 for all; default: {_USUALLY}",
            "N",
            type=_number,
            expected="a number from 0 on",
        ),
        STORE_URL,
        OUTPUT,
    ),
    (
        Argument(
            "name",
            "what is told of this name, with or without its tag, or of this id",
            "[NAME]",
            required=False,
            completes="environment",
        ),
    ),
    examples=(
        Example("conjoin log --store s3://bucket/envs", "What happened last in a team's store"),
        Example("conjoin log team/torch", "What happened to a name"),
    ),
    more=("docs/security.md", "docs/store.md"),
)


def _document(entry: LogEntry) -> dict[str, Any]:
    document: dict[str, Any] = {"time": entry.time, "user": entry.user, "act": entry.act}
    if entry.name:
        document["name"] = entry.name
    if entry.environments:
        document["environments"] = list(entry.environments)
    if entry.before:
        document["before"] = entry.before
    if entry.count or entry.size:
        document |= {"count": entry.count, "bytes": entry.size}
    if entry.told:
        document["told"] = entry.told
    return document | ({"version": entry.version} if entry.version else {})


def _row(entry: LogEntry) -> tuple[str, ...]:
    from conjoin.cli.output.table import human_size

    more = [entry.told] if entry.told else []
    if entry.before:
        more.append(f"before: {_short(entry.before)}")
    if entry.count:
        what = "packages" if entry.act == "push" else "objects"
        more.append(f"{entry.count} {what if entry.count > 1 else what[:-1]}")
    if entry.size:
        more.append(human_size(entry.size))
    shown = ", ".join(map(_short, entry.environments[:2]))
    left = len(entry.environments) - 2
    return (
        entry.time.partition(".")[0].replace("T", " ").removesuffix("Z"),
        entry.user,
        entry.act,
        entry.name,
        f"{shown} and {left} more" if left > 0 else shown,
        ", ".join(more),
    )


def _short(ids: str) -> str:
    """Return the beginnings of an environment's ids, as `conjoin list` shows them."""
    return ":".join(each[:_DIGITS_SHOWN] for each in ids.split(":"))
