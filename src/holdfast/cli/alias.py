"""``holdfast alias``: names for environments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.options import OutputOptions
from holdfast.cli.reporter import Reporter
from holdfast.errors import NotFound, UsageError

if TYPE_CHECKING:
    from holdfast.store.aliases import Alias
    from holdfast.store.store import Store

__all__ = ["alias"]

_AT_ONCE = 16


def alias(
    output: OutputOptions,
    env: Annotated[
        str | None, typer.Argument(metavar="[ENV]", help="a lock file, req_id:full_id or an alias")
    ] = None,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="its name, e.g. team/torch:v1; no tag: latest")
    ] = None,
    store: Annotated[str | None, typer.Option(metavar="URL", help="where environments are kept")] = None,
    prefix: Annotated[
        str | None, typer.Option("--list", metavar="PREFIX", help="list the names that begin so; '' for all")
    ] = None,
) -> None:
    """Name an environment, or list names.

    The tags latest, candidate and stable may be moved; every other tag is written once.
    """
    from holdfast.store.aliases import parse_alias
    from holdfast.store.reference import find_lock
    from holdfast.store.store import Store

    reporter = Reporter(quiet=output.quiet, verbose=output.verbose)
    if prefix is not None:
        if env is not None:
            raise UsageError("an environment and --list are given", advice="give one of them")
        _show(Store(store), prefix, as_json=output.json)
        return
    if env is None or name is None:
        raise UsageError(
            "an environment and a name are needed", advice="holdfast alias ENV NAME, or --list PREFIX"
        )
    given = parse_alias(name)
    there = Store(store)
    lock = find_lock(env, there)
    if there.shared is None:
        there.alias(lock, name)
    else:
        there.aliases.set(given, lock.req_id, lock.full_id)
    if output.json:
        from holdfast.cli.documents import write_json

        write_json(
            {"alias": str(given), "req_id": lock.req_id, "full_id": lock.full_id, "store": there.place}
        )
        return
    reporter.say(f"{given} is {lock.req_id}:{lock.full_id}", "green")


def _show(store: Store, prefix: str, *, as_json: bool) -> None:
    found = list(store.aliases.all(prefix))
    if not as_json:
        for each in found:
            print(each)
        return
    from concurrent.futures import ThreadPoolExecutor

    from holdfast.cli.documents import write_json

    def one(each: Alias) -> dict[str, Any] | None:
        try:
            req_id, full_id = store.aliases.get(each)
        except NotFound:
            return None  # somebody removed it meanwhile
        return {"alias": str(each), "req_id": req_id, "full_id": full_id}

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        write_json({"store": store.place, "aliases": [each for each in pool.map(one, found) if each]})
