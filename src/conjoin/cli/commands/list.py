"""``conjoin list``: the environments that are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conjoin.cli.options import OUTPUT, STORE_URL, Command, Example, OutputOptions
from conjoin.cli.output.reporter import Reporter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conjoin.inventory import Known
    from conjoin.prefix.registry import KnownPrefix

__all__ = ["COMMAND", "known_document", "list_", "use_document"]


def list_(output: OutputOptions, store: str | None = None) -> None:
    """List the environments that are known here, or in a store; last used first."""
    from conjoin.inventory import inventory
    from conjoin.store.store import Store, local_folder

    reporter = Reporter(quiet=output.quiet, verbose=output.verbose)
    where = Store(store if store is not None else local_folder())
    found = inventory(
        where, prefixes=store is None, damaged=lambda error: reporter.warn(f"left out: {error}")
    )
    if output.json:
        from conjoin.cli.output.documents import write_json

        write_json({"store": where.place, "environments": [known_document(each) for each in found]})
        return
    if not found:
        reporter.say(f"no environments in {where.place}")
        return
    _print(found)


COMMAND = Command(
    list_,
    (STORE_URL._replace(help="of that store, instead of those known here"), OUTPUT),
    examples=(
        Example("conjoin list", "What is known on this machine"),
        Example("conjoin list --store s3://bucket/envs --json", "What a team keeps, for a program"),
    ),
    more=("docs/store.md",),
)


def known_document(known: Known) -> dict[str, Any]:
    """Return an environment as ``list --json`` tells it."""
    return {
        "req_id": known.ids[0],
        "full_id": known.ids[1],
        "platforms": known.platforms,
        "packages": known.packages,
        "size": known.size,
        **use_document(known),
    }


def use_document(known: Known) -> dict[str, Any]:
    """Return what an environment is called, where it is and when it was used."""
    from conjoin.cli.output.moments import rfc3339

    return {
        "aliases": list(known.aliases),
        "deployed_by": list(known.deployed_by),
        "default": known.is_default,
        "default_of": list(known.default_of),
        "last_used": rfc3339(known.last_used),
        "prefixes": [_prefix(each) for each in known.prefixes],
    }


def _prefix(known: KnownPrefix) -> dict[str, Any]:
    from conjoin.cli.output.moments import rfc3339

    return {
        "path": str(known.path),
        "platform": known.marker.platform if known.marker else None,
        "made": known.made or None,
        "last_used": rfc3339(known.last_used),
    }


def _print(found: Sequence[Known]) -> None:
    from conjoin.cli.output.moments import ago
    from conjoin.cli.output.table import Column, human_size, print_table
    from conjoin.store.lookup.reference import short_ids

    short = short_ids([each.ids for each in found])
    columns = (
        Column("environment", "bold"),
        Column("names", "green", long=True),
        Column("default", "cyan"),
        Column("platforms", "dim", long=True),
        Column("packages", right=True),
        Column("size", right=True),
        Column("prefixes", right=True),
        Column("last used", "dim"),
    )
    print_table(
        columns,
        [
            (
                short[each.ids],
                ", ".join((*each.aliases, *each.deployed_by)),
                "yes" if each.is_default else "",
                ", ".join(each.platforms),
                str(each.packages) if each.platforms else "",
                human_size(each.size),
                str(len(each.prefixes) or ""),
                ago(each.last_used),
            )
            for each in found
        ],
    )
