"""Solving for five platforms at once, beside solving for one: what they share is read once."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.conda_only import CASES
from benchmarks.figures import Row, Skipped
from benchmarks.timing import CommandFailed, time_command
from benchmarks.workshop import SAMPLE_CHANNEL, Workshop, each

NAME = "platforms"
FIVE = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64")
CONDA = CASES["numpy, pandas"]
PYPI = ("requests", "httpx[http2]", "fastapi", "rich")
LARGE = (
    *("jupyterlab", "fastapi", "uvicorn", "sqlalchemy", "pandas", "matplotlib", "seaborn", "plotly", "s3fs"),
    *("dask", "distributed", "sphinx", "pytest", "black", "mypy", "twine", "httpx[http2]", "pydantic"),
    *("scrapy", "streamlit"),
)
"""Some 210 packages on each platform, of which all have wheels."""
_PYTHON = "3.12"
_TARGET = "less than twice one platform"


def measure(workshop: Workshop) -> Iterator[Row | Skipped]:
    if not SAMPLE_CHANNEL.is_dir():
        yield Skipped(NAME, "solve for five platforms", "the conda-forge sample is not here")
        return
    channel = workshop.serve(SAMPLE_CHANNEL).url
    yield from _measure(workshop, "conda alone", channel, each("--conda", CONDA))
    if reason := workshop.index_unreachable():
        yield Skipped(NAME, "solve for five platforms, conda and PyPI", reason)
        return
    index = ["--index-url", workshop.default_index()]
    mixed = [*each("--conda", CONDA), *each("--pypi", PYPI), *index]
    yield from _measure(workshop, "conda and PyPI", channel, mixed)
    if not workshop.quick:
        pypi = [*each("--pypi", LARGE), "--python", _PYTHON, "--only-binary", ":all:", *index]
        yield from _measure(workshop, "200 packages of PyPI alone", channel, pypi)


def _measure(workshop: Workshop, what: str, channel: str, asked: list[str]) -> Iterator[Row | Skipped]:
    command = workshop.conjoin("resolve", *asked, "-c", channel, "--force", "--json")
    one, five = [*command, "--platform", FIVE[0]], [*command, *each("--platform", FIVE)]
    try:
        # Each cold figure has a cache of its own, which the warm ones then find filled.
        cold_one = time_command(one, workshop.environment(workshop.fresh("one")), 1, warm_up=False)
        environment = workshop.environment(workshop.fresh("five"))
        cold_five = time_command(five, environment, 1, warm_up=False)
        runs = workshop.runs(7)
        warm_one, warm_five = time_command(one, environment, runs), time_command(five, environment, runs)
    except CommandFailed as error:
        yield Skipped(NAME, f"solve for five platforms, {what}", str(error))
        return
    for state, many, single in (("cold", cold_five, cold_one), ("warm", warm_five, warm_one)):
        yield Row(
            NAME, f"five platforms, {what}; {state}", many, "one platform", single, _TARGET, most_ratio=2.0
        )
