"""What all commands of ``metaflow environment`` share: the store, and how results are told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from conjoin.cli.output.reporter import Reporter
    from conjoin.lock.model import Lock
    from conjoin.store.store import Store

__all__ = ["Session"]


class Session(NamedTuple):
    """The options of the group.

    :ivar quiet: say nothing but results, in lines for programs.
    :ivar datastore: the type of the datastore, which decides on the store.
    :ivar quiet_file: where such lines go as well.
    """

    quiet: bool
    datastore: str
    quiet_file: str | None

    def store(self, *, local_only: bool = False) -> Store:
        """Return the store that flows with this datastore use.

        :param local_only: what of it this machine has, if it is an object store.
        :raises EnvironmentProblem: where it cannot be opened.
        """
        from metaflow_extensions.conjoin.config.flow_store import open_store

        store = open_store(self.datastore)
        return store.local if local_only else store

    @property
    def reporter(self) -> Reporter:
        """What says on stderr what is being done."""
        from conjoin.cli.output.reporter import Reporter

        return Reporter(quiet=self.quiet)

    def result(self, line: str) -> None:
        """Tell a result: a line on stdout, and in the file for programs."""
        print(line, flush=True)
        if self.quiet_file:
            with Path(self.quiet_file).open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    def environment(self, lock: Lock, platform: str, title: str, store: Store) -> None:
        """Tell about an environment."""
        from metaflow_extensions.conjoin.plugins.flow_cli.output import machine_line, print_environment

        if self.quiet:
            self.result(machine_line(lock, platform, store))
        else:
            print_environment(lock, platform, title, store)


def platforms_in(lock: Lock, names: Any, what: str) -> list[str]:
    """Return which of a lock's platforms are meant: those of these names, or all.

    :raises conjoin.errors.NotFound: where it lacks one.
    """
    from conjoin.errors import NotFound
    from conjoin.spec.platform import platform_name

    wanted = [platform_name(name) for name in names]
    for platform in wanted:
        if platform not in lock.platforms:
            raise NotFound(
                f"{what} has no environment for {platform}, only for {', '.join(lock.platforms)}",
                advice=f"metaflow environment resolve --from {what} --arch {platform}",
            )
    return wanted or list(lock.platforms)
