"""Two commits beside each other: the same answers, byte by byte, and no slower.

``python -m benchmarks.two_commits COMMAND [--sets] [--runs N] [NAME...]``, from the root of the repository,
where COMMAND is the former commit's program, installed somewhere of its own. Both commands take turns,
so what else the machine does meets both; processor time counts children, too.

Locks are compared as written, but for ``--words OLD=NEW``: words that were renamed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import conda_only, mixed, pypi_only
from benchmarks.hydration_kit import make_kit
from benchmarks.workshop import ROOT, SAMPLE_CHANNEL, Workshop, each
from conjoin.config.toml import loads
from worlds import make_index, make_wheel

NAMES = ("startup", "relock", "conda", "mixed", "pypi", "hydrate")


@dataclass
class Side:
    """One of the two commits.

    :ivar seconds: wall clock and processor time of each run, by work.
    """

    command: tuple[str, ...]
    home: Path
    seconds: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    @property
    def program(self) -> str:
        """The name that its variables begin with, in lower case."""
        return Path(self.command[0]).name

    def environment(self, workshop: Workshop, home: Path) -> dict[str, str]:
        """Return the workshop's environment under the variables of this commit's program."""
        given = workshop.environment(home)
        prefix = f"{self.program.upper()}_"
        return {name.replace("CONJOIN_", prefix, 1): value for name, value in given.items()}


@dataclass
class Comparison:
    """Runs both sides and keeps what they took and how they differ."""

    workshop: Workshop
    former: Side
    latter: Side
    words: dict[str, str]
    differences: list[str] = field(default_factory=list)
    same: int = 0

    def run(self, work: str, runs: int, *arguments: str, homes: tuple[Path, Path] | None = None) -> None:
        """Run a command of both, once uncounted, then in turn."""
        homes = homes or (self.former.home, self.latter.home)
        for number in range(-1, runs):
            pair = list(zip((self.former, self.latter), homes, strict=True))
            for side, home in reversed(pair) if number % 2 else pair:
                taken = _timed([*side.command, *arguments], side.environment(self.workshop, home))
                if number >= 0:
                    side.seconds.setdefault(work, []).append(taken)

    def compare(self, work: str, *arguments: str) -> None:
        """Resolve with both and compare the locks."""
        said = []
        for side in (self.former, self.latter):
            lock = side.home / "lock.json"
            lock.unlink(missing_ok=True)
            done = subprocess.run(
                [*side.command, "resolve", *arguments, "--force", "-o", str(lock)],
                env=side.environment(self.workshop, side.home),
                capture_output=True,
                check=False,
            )
            answer = lock.read_text("utf-8") if lock.exists() else f"exit {done.returncode}"
            for old, new in self.words.items():
                answer = answer.replace(old, new)
            said.append(answer)
        if said[0] == said[1]:
            self.same += 1
        else:
            self.differences.append(f"{work}: {_first_difference(*said)}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.two_commits", description=__doc__)
    parser.add_argument("former", help="the former commit's program")
    parser.add_argument("names", nargs="*", choices=[[], *NAMES], default=[])
    parser.add_argument("--latter", default=str(Path(sys.executable).with_name("conjoin")))
    parser.add_argument("--sets", action="store_true", help="compare all sets of PyPI packages of the tests")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--words", action="append", default=[], metavar="OLD=NEW")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    with Workshop((options.latter,)) as workshop:
        comparison = Comparison(
            workshop,
            Side((options.former,), workshop.fresh("former")),
            Side((options.latter,), workshop.fresh("latter")),
            dict(word.split("=", 1) for word in options.words),
        )
        for name in options.names or NAMES:
            print(f"{name} ...", file=sys.stderr)
            MEASURES[name](comparison, options.runs)
        if options.sets:
            _sets(comparison)
    rows = list(_rows(comparison))
    print("| work | before, s (CPU) | after, s (CPU) | ratio | ratio of CPU |\n|---|--:|--:|--:|--:|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print(f"\n{comparison.same} locks are the same, {len(comparison.differences)} differ")
    for difference in comparison.differences:
        print(f"- {difference}")
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "differences": comparison.differences}, indent=1))
    return bool(comparison.differences)


def _startup(comparison: Comparison, runs: int) -> None:
    for words in (("--version",), ("--help",), ("resolve", "--help"), ("list",)):
        comparison.run(" ".join(words), 2 * runs + 1, *words)


def _relock(comparison: Comparison, runs: int) -> None:
    workshop = comparison.workshop
    wheels = [make_wheel(workshop.fresh("wheels"), "relocked", "1.0", ["numpy"])]
    index = workshop.serve(make_index(workshop.fresh("index"), wheels))
    channel = workshop.serve(SAMPLE_CHANNEL)
    comparison.run(
        "resolve again what is locked",
        2 * runs + 1,
        *("resolve", *each("--conda", conda_only.CASES["science stack"]), "--pypi", "relocked"),
        *("-c", channel.url, "--index-url", index.url, "--platform", conda_only.PLATFORM, "--json"),
    )


def _conda(comparison: Comparison, runs: int) -> None:
    channel = comparison.workshop.serve(SAMPLE_CHANNEL).url
    for name, specs in conda_only.CASES.items():
        asked = (*each("--conda", specs), "-c", channel, "--platform", conda_only.PLATFORM)
        comparison.run(f"conda: {name}, warm", runs, "resolve", *asked, "--force", "--json")
    listed = ROOT / "tests" / "solve" / "differential" / "conda.toml"
    for specs in loads(listed.read_text("utf-8"), where=str(listed))["requests"]:
        asked = (*each("--conda", specs), "-c", channel, "--platform", conda_only.PLATFORM)
        comparison.compare(f"conda: {', '.join(specs)}", *asked)


def _mixed(comparison: Comparison, runs: int) -> None:
    workshop = comparison.workshop
    channel = workshop.serve(SAMPLE_CHANNEL).url
    for case in json.loads(mixed.CASES.read_text("utf-8"))["cases"]:
        asked = (
            *(*each("--conda", case["conda"]), *each("--pypi", case["pypi"]), "-c", channel),
            *("--index-url", workshop.default_index(), "--platform", case["platform"]),
        )
        comparison.compare(case["id"], *asked)
        comparison.run(f"{case['id']}, warm", runs, "resolve", *asked, "--force", "--offline", "--json")


def _pypi(comparison: Comparison, runs: int) -> None:
    python = platform.python_version()
    for name, requirements in pypi_only.CASES.items():
        asked = (
            *(*each("--pypi", requirements), "--python", python, "--python-source", "host"),
            *("--index-url", comparison.workshop.default_index(), "--platform", "linux-64"),
        )
        comparison.compare(f"PyPI alone: {name}", *asked)
        comparison.run(f"PyPI alone: {name}, warm", runs, "resolve", *asked, "--force", "--offline", "--json")


def _sets(comparison: Comparison) -> None:
    channel = comparison.workshop.serve(SAMPLE_CHANNEL).url
    listed = ROOT / "tests" / "solve" / "differential" / "pypi.toml"
    for asked in loads(listed.read_text("utf-8"), where=str(listed))["set"]:
        comparison.compare(
            f"set {asked['id']}",
            *(*each("--pypi", asked["requires"]), "--conda", f"python {asked.get('python', '3.12.8')}"),
            *("-c", channel, "--index-url", comparison.workshop.default_index(), "--platform", "linux-64"),
        )


def _hydrate(comparison: Comparison, runs: int) -> None:
    workshop = comparison.workshop
    kit = make_kit(workshop)
    for number in range(-1, runs):
        pair = [comparison.former, comparison.latter]
        for side in reversed(pair) if number % 2 else pair:
            prefix = workshop.fresh("prefix") / "made"
            command = [*side.command, "create", str(kit.lock), "--prefix", str(prefix)]
            taken = _timed(command, side.environment(workshop, side.home))
            if number >= 0:
                side.seconds.setdefault("hydrate, warm cache", []).append(taken)
    for side in (comparison.former, comparison.latter):
        subprocess.run(
            [*side.command, "create", str(kit.lock)],
            env=side.environment(workshop, side.home),
            capture_output=True,
            check=True,
        )
    comparison.run("create what is there", 2 * runs + 1, "create", str(kit.lock))


MEASURES = {
    "startup": _startup,
    "relock": _relock,
    "conda": _conda,
    "mixed": _mixed,
    "pypi": _pypi,
    "hydrate": _hydrate,
}


def _timed(command: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{' '.join(command[:3])} ended with {done.returncode}: {done.stderr[-500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _rows(comparison: Comparison) -> Iterator[tuple[str, ...]]:
    for work, latter in comparison.latter.seconds.items():
        former = comparison.former.seconds[work]
        wall = [statistics.median(each[0] for each in side) for side in (former, latter)]
        busy = [statistics.median(each[1] for each in side) for side in (former, latter)]
        yield (
            work,
            *(f"{wall[side]:.3f} ({busy[side]:.3f})" for side in (0, 1)),
            f"{wall[1] / wall[0]:.2f}",
            f"{busy[1] / busy[0]:.2f}",
        )


def _first_difference(former: str, latter: str) -> str:
    for old, new in zip(former.splitlines(), latter.splitlines(), strict=False):
        if old != new:
            return f"{old.strip()} / {new.strip()}"
    return f"{len(former)} and {len(latter)} characters"


if __name__ == "__main__":
    sys.path.insert(0, os.fspath(ROOT / "tests"))
    sys.exit(main())
