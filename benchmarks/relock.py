"""Asking again for what is locked already: nothing to solve, nothing to fetch."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.conda_only import CASES, PLATFORM
from benchmarks.figures import Row, Skipped
from benchmarks.timing import CommandFailed, run_command, time_command
from benchmarks.workshop import SAMPLE_CHANNEL, Workshop, each
from worlds import make_index, make_wheel

NAME = "relock"
_NOWHERE = "http://127.0.0.1:9"
"""A proxy that nobody listens at: whoever needs the network, fails."""


def measure(workshop: Workshop) -> Iterator[Row | Skipped]:
    if not SAMPLE_CHANNEL.is_dir():
        yield Skipped(NAME, "resolve again", "the conda-forge sample is not here")
        return
    wheels = [make_wheel(workshop.fresh("wheels"), "relocked", "1.0", ["numpy"])]
    index = workshop.serve(make_index(workshop.fresh("index"), wheels))
    channel = workshop.serve(SAMPLE_CHANNEL)
    command = workshop.conjoin(
        *("resolve", *each("--conda", CASES["science stack"]), "--pypi", "relocked"),
        *("-c", channel.url, "--index-url", index.url, "--platform", PLATFORM, "--json"),
    )
    home = workshop.fresh("relock")
    run_command(command, workshop.environment(home))
    channel.forget()
    index.forget()
    cut_off = workshop.environment(home, http_proxy=_NOWHERE, https_proxy=_NOWHERE, all_proxy=_NOWHERE)
    timing = time_command(command, cut_off, workshop.runs(15))
    if channel.requests or index.requests:
        raise CommandFailed("resolving what is locked asked the network")
    yield Row(
        NAME,
        "resolve again what is locked",
        timing,
        target="under 0.3 s, no network",
        most_seconds=0.3,
        note="network cut off",
    )
