"""``conjoin alias``: names for environments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conjoin.cli.options import (
    ACCEPT_ROLLBACK,
    ENV,
    OUTPUT,
    SIGN,
    SIGNING_KEY,
    STORE_URL,
    Argument,
    Command,
    Example,
    Option,
    OutputOptions,
)
from conjoin.cli.output.reporter import Reporter
from conjoin.errors import IntegrityError, NotFound, UsageError

if TYPE_CHECKING:
    from conjoin.store.aliases import Alias
    from conjoin.store.store import Store

__all__ = ["COMMAND", "alias"]

_AT_ONCE = 16


def alias(
    output: OutputOptions,
    env: str | None = None,
    name: str | None = None,
    store: str | None = None,
    accept_rollback: bool = False,
    prefix: str | None = None,
    history: str | None = None,
    sign: bool = False,
    signing_key: str | None = None,
) -> None:
    """Name an environment, list names, or show what a name meant before.

    The tags latest, candidate and stable may be moved; every other tag is written once.
    """
    from conjoin.cli.environments import signer_of
    from conjoin.store.aliases import parse_alias
    from conjoin.store.lookup.reference import find_lock
    from conjoin.store.store import Store
    from conjoin.store.transfer.alias import alias_lock
    from conjoin.store.transfer.naming import signed_name

    reporter = Reporter(quiet=output.quiet, verbose=output.verbose)
    if prefix is not None or history is not None:
        if env is not None or (prefix is not None and history is not None):
            raise UsageError("that is too much at once", advice="give ENV NAME, --list or --history")
        if history is not None:
            _show_history(Store(store), parse_alias(history), as_json=output.json)
        else:
            _show(Store(store), prefix or "", reporter, as_json=output.json)
        return
    if env is None or name is None:
        raise UsageError(
            "an environment and a name are needed",
            advice="conjoin alias ENV NAME, --list PREFIX or --history NAME",
        )
    given = parse_alias(name)
    there = Store(store, accept_rollback=accept_rollback)
    signer = signer_of(sign=sign, key=signing_key)
    lock = find_lock(env, there)
    if there.shared is None:
        alias_lock(there, lock, name, signer=signer)
    else:
        with signed_name(there, lock, given, signer):
            there.name(lock, given)
    if output.json:
        from conjoin.cli.output.documents import write_json

        write_json(
            {"alias": str(given), "req_id": lock.req_id, "full_id": lock.full_id, "store": there.place}
        )
        return
    reporter.say(f"{given} is {lock.req_id}:{lock.full_id}", "green")


COMMAND = Command(
    alias,
    (
        Option(
            "prefix",
            "list the names that begin so; '' for all",
            "PREFIX",
            ("--list",),
            completes="environment",
        ),
        Option("history", "show who made that name mean what, newest first", "NAME", completes="environment"),
        STORE_URL,
        SIGN,
        SIGNING_KEY,
        ACCEPT_ROLLBACK,
        OUTPUT,
    ),
    (
        ENV._replace(metavar="[ENV]", required=False),
        Argument(
            "name",
            "its name, e.g. team/torch:v1; no tag: latest",
            "[NAME]",
            required=False,
            completes="environment",
        ),
    ),
    examples=(
        Example("conjoin alias env.lock team/torch:v1", "Name what a lock file holds"),
        Example("conjoin alias --list team/", "List the names of a team"),
        Example("conjoin alias --history team/torch:latest", "Who moved a name, and when"),
    ),
    more=("docs/store.md",),
)


def _show_history(store: Store, alias: Alias, *, as_json: bool) -> None:
    moves, forgotten = store.aliases.history(alias)
    if as_json:
        from conjoin.cli.output.documents import write_json

        before = [":".join(move.target.ids) for move in moves[1:]]
        write_json(
            {
                "alias": str(alias),
                "store": store.place,
                "moves": [
                    {
                        "time": move.time or None,
                        "user": move.user or None,
                        "from": earlier,
                        "to": ":".join(move.target.ids),
                        "lock_digest": move.lock_digest,
                    }
                    for move, earlier in zip(moves, [*before, None], strict=True)
                ],
                "forgotten": forgotten,
            }
        )
        return
    from conjoin.cli.output.table import Column, print_table

    rows = [
        (move.time.partition(".")[0].replace("T", " "), move.user, ":".join(move.target.ids))
        for move in moves
    ]
    if forgotten:
        rows.append(("", "", f"and {forgotten} moves before"))
    print_table((Column("time (UTC)", "dim"), Column("who", "cyan"), Column("environment", "green")), rows)


def _show(store: Store, prefix: str, reporter: Reporter, *, as_json: bool) -> None:
    found = list(store.aliases.all(prefix))
    if not as_json:
        for each in found:
            print(each)
        return
    from concurrent.futures import ThreadPoolExecutor

    from conjoin.cli.output.documents import write_json

    def one(each: Alias) -> dict[str, Any] | None:
        try:
            target = store.aliases.get(each)
        except NotFound:
            return None  # somebody removed it meanwhile
        except (IntegrityError, UsageError) as error:
            reporter.warn(f"left out: {error}")
            return None
        return {"alias": str(each), **target._asdict()}

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        write_json({"store": store.place, "aliases": [each for each in pool.map(one, found) if each]})
