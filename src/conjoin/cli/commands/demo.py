"""``conjoin demo``: the main job on real input, told step by step."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from conjoin.cli.options import OUTPUT, Command, Example, Option, OutputOptions
from conjoin.cli.output.reporter import Reporter, is_terminal, presentable, styled
from conjoin.cli.output.table import Column, print_table
from conjoin.errors import ConjoinError

if TYPE_CHECKING:
    from conjoin.demo.steps import CondaFirst, Report
    from conjoin.forge.interpreter import Interpreter
    from conjoin.resolving import Resolution
    from conjoin.store.store import Store

__all__ = ["COMMAND", "demo"]

_NAME = "demo"
_MOST_REASONS = 6


def demo(
    output: OutputOptions, directory: Path | None = None, python: str | None = None, offline: bool = False
) -> None:
    """Show what this is about: one environment out of conda and PyPI that conda-first tools cannot find."""
    from conjoin.config.places import cache_dir
    from conjoin.demo.steps import choose_python
    from conjoin.store.store import Store

    directory = directory.absolute() if directory else None
    store = Store(directory / "store" if directory else None)
    reporter = Reporter(quiet=output.quiet or output.json, verbose=output.verbose)
    telling = _Demo(
        directory=directory,
        channels=directory or cache_dir() / "demo",
        store=store,
        offline=offline,
        reporter=reporter,
        # Of two results, the document is the one that goes to stdout.
        story=_Story(sys.stderr if output.json else sys.stdout),
    )
    document = telling.tell(choose_python(python))
    if output.json:
        from conjoin.cli.output.documents import write_json

        write_json(document)


COMMAND = Command(
    demo,
    (
        Option(
            "directory",
            "keep everything in this folder; default: the usual places",
            "DIR",
            ("--dir",),
            type=Path,
            completes="folder",
        ),
        Option("python", "version or path of the Python that goes into the channel", "V", completes="file"),
        Option("offline", "never use the network, after a first time"),
        OUTPUT,
    ),
    examples=(Example("conjoin demo --dir ./demo", "Keep all of it in one folder"),),
    more=("README.md", "docs/solving.md"),
)


class _Demo:
    """The steps, and what they share."""

    def __init__(
        self,
        *,
        directory: Path | None,
        channels: Path,
        store: Store,
        offline: bool,
        reporter: Reporter,
        story: _Story,
    ) -> None:
        self.directory = directory
        self.channels = channels
        self.store = store
        self.offline = offline
        self.reporter = reporter
        self.story = story
        self.seconds: dict[str, float] = {}

    def tell(self, python: Interpreter) -> dict[str, Any]:
        """Do everything, telling it, and return what came of it."""
        channel = self._forge(python)
        first = self._conda_first(channel)
        resolution = self._solve(channel, first)
        prefix = self._hydrate(resolution)
        report = self._ask(prefix)
        self._end()
        lock = resolution.lock
        return {
            "channel": str(channel),
            "conda_first": {
                "chosen": first.chosen,
                "error": first.failure and str(first.failure),
                "reasons": getattr(first.failure, "reasons", "").splitlines(),
            },
            "req_id": lock.req_id,
            "full_id": lock.full_id,
            "rounds": resolution.rounds,
            "prefix": str(prefix),
            "packages": report.packages,
            "work": report.work,
            "program": report.program,
            "seconds": self.seconds,
        }

    def _forge(self, python: Interpreter) -> Path:
        from conjoin.demo.steps import forge_channel, has_compiler

        self.story.chapter("Set-up: a conda channel, forged on this machine")
        started = time.monotonic()
        with self.reporter.steps() as steps:
            steps(f"forging Python {python.version}, two numpys and a C program (a minute, the first time)")
            channel = forge_channel(self.channels, python)
        program = "a C library and program" if has_compiler() else "(no C compiler here: no C program)"
        took = self._took("forge", started)
        self.story.say(f"Python {python.version}, numpy 1.26.4 and 2.2.6, {program}  ({took})")
        self.story.say(str(channel), "dim")
        return channel

    def _conda_first(self, channel: Path) -> CondaFirst:
        from conjoin.demo.steps import PYPI, conda_packages, solve_conda_first

        self.story.chapter("The request")
        asked = [f"conda  {', '.join(conda_packages())}", f"PyPI   {', '.join(PYPI)}"]
        self.story.panel("wanted together", "\n".join(asked))
        self.story.chapter("Conda first, as other tools do it")
        started = time.monotonic()
        with self.reporter.steps() as steps:
            steps("solving conda alone, then PyPI with the result pinned")
            first = solve_conda_first(channel, self.store, offline=self.offline)
        took = self._took("conda_first", started)
        self.story.say(
            f"conda alone chooses numpy {first.chosen['numpy']}. With that pinned, PyPI has  ({took})"
        )
        if first.failure is None:
            raise ConjoinError("solving conda first did not fail", advice="please report it")
        self.story.say("no solution:", "bold red")
        reasons = getattr(first.failure, "reasons", "") or str(first.failure)
        self.story.say("\n".join(f"  {line}" for line in reasons.splitlines()[:_MOST_REASONS]), "dim")
        return first

    def _solve(self, channel: Path, first: CondaFirst) -> Resolution:
        from conjoin.cli.environments import resolve_showing
        from conjoin.demo.steps import PYPI, conda_packages, requirements
        from conjoin.spec.platform import host_platform
        from conjoin.store.transfer.alias import alias_lock

        self.story.chapter("Conjoin: conda and PyPI in one solve")
        started = time.monotonic()
        asked = requirements(channel, conda_packages(), PYPI)
        resolution = resolve_showing(
            asked, self.store, force=True, offline=self.offline, reporter=self.reporter
        )
        alias_lock(self.store, resolution.lock, _NAME)
        took = self._took("solve", started)
        packages = resolution.lock.platforms[host_platform()].packages
        (numpy,) = (package for package in packages if package.name == "numpy")
        rounds = "1 round" if resolution.rounds == 1 else f"{resolution.rounds} rounds"
        self.story.say(
            f"solved in {rounds}  ({took}): numpy {numpy.version} from {numpy.kind}, "
            f"not {first.chosen['numpy']}, and everybody is content:",
            "green",
        )
        kinds = ("conda", "pypi")
        by_kind = {kind: [f"{p.name} {p.version}" for p in packages if p.kind == kind] for kind in kinds}
        self.story.panel("locked", "\n".join(f"{kind:<6} {', '.join(by_kind[kind])}" for kind in kinds))
        return resolution

    def _hydrate(self, resolution: Resolution) -> Path:
        from conjoin.api import hydrate
        from conjoin.cli.output.progress import hydration_progress
        from conjoin.demo.steps import forget_prefix
        from conjoin.prefix.prefix import prefix_path

        self.story.chapter("Hydrate: exactly these packages, every hash verified")
        target = (
            prefix_path(resolution.lock, self.directory / "env")
            if self.directory
            else prefix_path(resolution.lock, None, _NAME)
        )
        forget_prefix(target)
        started = time.monotonic()
        progress = hydration_progress(self.reporter)
        hydrate(resolution.lock, store=self.store, prefix=target, progress=progress, offline=self.offline)
        self.story.say(f"ready  ({self._took('hydrate', started)})", "green")
        self.story.say(str(target), "dim")
        return target

    def _ask(self, prefix: Path) -> Report:
        from conjoin.demo.steps import ask

        self.story.chapter("Run: a script in it says what it finds, and where that came from")
        started = time.monotonic()
        report = ask(prefix)
        self._took("run", started)
        self.story.table(
            (
                Column("package", "bold"),
                Column("version", "green"),
                Column("kind", "cyan"),
                Column("origin", "dim"),
            ),
            (
                (entry["name"], entry["version"], entry["kind"], entry["origin"].rpartition("/")[2])
                for entry in report.packages
            ),
        )
        self.story.say()
        self.story.say(f"contourpy (PyPI) with numpy (conda): {report.work}")
        if report.program:
            self.story.panel("forgedemo, a C program that prints its own prefix", report.program)
        return report

    def _end(self) -> None:
        self.story.chapter("Go on")
        where = f" --store {self.directory / 'store'}" if self.directory else ""
        self.story.say(f"conjoin show{where} {_NAME}\nconjoin run{where} {_NAME} -- python")

    def _took(self, what: str, started: float) -> str:
        self.seconds[what] = round(time.monotonic() - started, 3)
        return f"{self.seconds[what]:.1f} s"


class _Story:
    """Tells, to ``stream``: chapters and paragraphs, ruled and coloured on a terminal, plain elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._chapter = 0

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self._chapter += 1
        heading = f"{self._chapter}. {title}"
        print(file=self._stream)
        if is_terminal(self._stream):
            from rich.console import Console
            from rich.text import Text

            Console(file=self._stream).rule(Text(heading, style="bold"), align="left", style="cyan")
        else:
            print(heading, file=self._stream)

    def say(self, text: str = "", style: str = "") -> None:
        """Say a paragraph; each line is a line."""
        for line in presentable(text).splitlines() or [""]:
            shown = f"   {line}".rstrip()
            print(styled(shown, style, self._stream) if style else shown, file=self._stream)
        self._stream.flush()

    def panel(self, title: str, text: str) -> None:
        """Show a text that belongs together."""
        if not is_terminal(self._stream):
            self.say(f"{title}:")
            self.say("\n".join(f"  {line}" for line in text.splitlines()))
            return
        from rich.console import Console
        from rich.panel import Panel
        from rich.text import Text

        shown = Text(presentable(text.strip()))
        panel = Panel.fit(shown, title=title, title_align="left", border_style="dim")
        Console(file=self._stream).print(panel)

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
        """Show a table."""
        print_table(columns, rows, self._stream)
        self._stream.flush()
