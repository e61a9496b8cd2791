"""``conjoin show``: what is in an environment."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from conjoin.cli.options import (
    ACCEPT_ROLLBACK,
    ENV,
    OUTPUT,
    PLATFORMS,
    STORE_URL,
    Command,
    Example,
    OutputOptions,
)
from conjoin.cli.output.reporter import presentable, styled
from conjoin.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conjoin.inventory import Known
    from conjoin.lock.model import Lock, LockedPlatform

__all__ = ["COMMAND", "show"]


def show(
    output: OutputOptions,
    env: str,
    platform: Sequence[str] = (),
    store: str | None = None,
    accept_rollback: bool = False,
) -> None:
    """Show the packages of an environment, for each platform."""
    from conjoin.inventory import known_environment
    from conjoin.lock.identity import lock_digest
    from conjoin.spec.platform import platform_name
    from conjoin.store.lookup.reference import find_lock
    from conjoin.store.store import Store

    there = Store(store, accept_rollback=accept_rollback)
    lock = find_lock(env, there)
    wanted = [platform_name(name) for name in platform] or list(lock.platforms)
    if missing := [name for name in wanted if name not in lock.platforms]:
        raise NotFound(
            f"the lock has no environment for {missing[0]}, only for {', '.join(lock.platforms)}",
            advice=f"resolve again with --platform {missing[0]}",
        )
    known = known_environment(there.local, (lock.req_id, lock.full_id))
    if output.json:
        from conjoin.cli.commands.list import use_document
        from conjoin.cli.output.documents import lock_document, write_json

        document = lock_document(lock)
        document["platforms"] = {name: document["platforms"][name] for name in wanted}
        if scripts := {name: found for name in wanted if (found := _link_scripts(lock.platforms[name]))}:
            document["link_scripts"] = scripts
        write_json(document | {"lock_digest": lock_digest(lock), "here": use_document(known)})
        return
    _print_head(lock)
    _print_known(known)
    for name in wanted:
        _print_platform(name, lock.platforms[name])


COMMAND = Command(
    show,
    (PLATFORMS, STORE_URL, ACCEPT_ROLLBACK, OUTPUT),
    (ENV,),
    examples=(
        Example("conjoin show team/torch:v1", "What a name means"),
        Example(
            "conjoin show env.lock --platform linux-64 --json", "One platform of a lock file, for a program"
        ),
    ),
    more=("docs/lock-format.md",),
)


def _print_head(lock: Lock) -> None:
    from conjoin.lock.identity import lock_digest

    _print_fact("environment", f"{lock.req_id}:{lock.full_id}")
    _print_fact("lock", f"sha256:{lock_digest(lock)}")
    asked = lock.requirements
    for title, key in (("channels", "channels"), ("indexes", "indexes")):
        if asked.get(key):
            _print_fact(title, ", ".join(map(str, asked[key])))
    for name, urls in asked.get("channel_aliases", {}).items():
        _print_fact(f"  {name}", " + ".join(urls))  # what the channel's name stood for


def _print_known(known: Known) -> None:
    from conjoin.cli.output.moments import ago

    if known.aliases:
        _print_fact("names", ", ".join(known.aliases))
    if known.is_default:
        _print_fact("default", "of its request: the same request gets it again, until --force")
    for prefix in known.prefixes:
        _print_fact("prefix", f"{prefix.path} (used {ago(prefix.last_used)})")
    if known.last_used:
        _print_fact("last used", ago(known.last_used))


def _print_platform(name: str, locked: LockedPlatform) -> None:
    from conjoin.cli.output.packages import counts, print_packages, total_size

    print()
    size = total_size(locked)
    _print_fact("platform", f"{name}: {counts(locked)}{f', {size}' if size else ''}")
    python = [package for package in locked.packages if package.name == "python" or package.kind == "python"]
    if python:
        _print_fact("python", python[0].version)
    _print_fact("assumes", ", ".join(f"{key} {value}" for key, value in locked.virtual_packages.items()))
    if scripts := _link_scripts(locked):
        _print_fact("not run", f"the post-link scripts of {', '.join(scripts)}")
    print_packages(locked, sys.stdout)


def _link_scripts(locked: LockedPlatform) -> list[str]:
    """Return the conda packages with scripts that conda would run on linking, of those extracted here."""
    from conjoin.config.places import cache_dir
    from conjoin.prefix.link.extracted_package import known_link_scripts

    root = cache_dir() / "conda"
    packages = [package for package in locked.packages if package.kind == "conda"]
    return [package.name for package in packages if known_link_scripts(root, package.sha256)]


def _print_fact(title: str, text: str) -> None:
    print(f"{styled(f'{title:<12}', 'dim', sys.stdout)}{presentable(text)}")
