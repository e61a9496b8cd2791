"""Text of others takes time in proportion to its length: regular expressions, and what reads with them."""

from __future__ import annotations

import functools
import gc
import importlib
import re
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import conjoin
from conjoin.config.toml import line_of, line_of_key
from conjoin.errors import ConjoinError
from conjoin.index.pypi.simple_api import links
from conjoin.spec.readers.pyproject import read_pyproject
from conjoin.spec.readers.read_file import read_script
from conjoin.spec.readers.requirements_txt import read_requirements_txt
from conjoin.spec.syntax.conda_requirement import conda_requirement

ROOT = Path(conjoin.__file__).parents[1]
LONG = 100_000
"""Characters: their square is more than a minute of any of these."""
PUMPED = 10_000
"""The same for those that are tried thousands of times: a quarter of a second at least."""

ELSEWHERE = {
    # Of our own text alone.
    "conjoin.cli.parser",
    "conjoin.demo",
    # Of what takes passwords out of texts, tests/spec/test_credentials.py has tests of its own.
    "conjoin.spec.credentials",
    "conjoin.redaction",
}

STOPS = {"_TAG"}
"""Of whose matches the reader stops at the first that ends nowhere (``test_readers_are_linear``)."""


def cpu(work: Callable[[], object]) -> float:
    """Return the seconds of the processor that it takes: the least of three, whatever else runs."""
    least = float("inf")
    for _ in range(3):
        gc.collect(0)
        started = time.process_time()
        work()
        least = min(least, time.process_time() - started)
        if least < 0.05:
            break
    return least


def expressions() -> dict[str, list[tuple[str, re.Pattern[Any], str]]]:
    """Return every regular expression that a module keeps, by module, with each way it is used."""
    uses: dict[tuple[str, str], set[str]] = defaultdict(set)
    modules = [
        path
        for path in sorted(ROOT.glob("conjoin/**/*.py"))
        if "__main__" not in path.name and "sample" not in path.parts
    ]
    for path in modules:
        for name, method in re.findall(
            r"\b(_?[A-Z][A-Z0-9_]*)\.(search|match|fullmatch|sub|finditer|findall|split)\b", path.read_text()
        ):
            uses[str(path) if name.startswith("_") else "", name].add(method)
    found: dict[str, list[tuple[str, re.Pattern[Any], str]]] = {}
    for path in modules:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if "re.compile(" not in path.read_text() or any(name.startswith(each) for each in ELSEWHERE):
            continue
        kept = vars(importlib.import_module(name))
        found[name] = [
            (constant, pattern, method)
            for constant, pattern in kept.items()
            if isinstance(pattern, re.Pattern) and constant not in STOPS
            for method in sorted(
                uses[str(path) if constant.startswith("_") else "", constant] or {"fullmatch"}
            )
        ]
    return found


EXPRESSIONS = expressions()


@pytest.mark.parametrize("module", EXPRESSIONS)
def test_regular_expressions_are_linear(module: str) -> None:
    for constant, pattern, method in EXPRESSIONS[module]:
        _check(constant, pattern, method)


def _check(constant: str, pattern: re.Pattern[Any], method: str) -> None:
    @given(st.from_regex(pattern))
    @settings(max_examples=4, database=None, phases=[Phase.generate])
    def check(sample: Any) -> None:
        sample = sample[:40]
        end, blank = ("\n!", " ") if isinstance(sample, str) else (b"\n!", b" ")
        attacks = [(sample or blank) * (PUMPED // max(1, len(sample))) + end]
        for at in range(min(len(sample), 8)):
            attacks += [sample[:at] + sample[at : at + 1] * PUMPED + end, sample[:at] + blank * PUMPED + end]
        for attack in attacks:
            seconds = cpu(functools.partial(_use, pattern, method, attack))
            assert seconds < 0.15, f"{constant}.{method} takes {seconds:.2f} s of {attack[:60]!r}..."

    check()


def _use(pattern: re.Pattern[Any], method: str, text: Any) -> object:
    if method == "sub":
        return pattern.sub(lambda _: text[:0], text)
    found = getattr(pattern, method)(text)
    return list(found) if method == "finditer" else found


def _file(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


READERS: dict[str, Callable[[Path], object]] = {
    "a line of white space": lambda tmp: read_requirements_txt(
        _file(tmp, "r.txt", "numpy" + " " * LONG + "x")
    ),
    "blocks of a script that never end": lambda tmp: read_script(
        _file(tmp, "s.py", "# /// script\n# a\n" * (LONG // 16))
    ),
    "brackets of a conda requirement": lambda tmp: conda_requirement(f"x[{'build=a,' * (LONG // 8)}]"),
    "white space in brackets": lambda tmp: conda_requirement(f"x[build={' ' * LONG}'a]"),
    "a place in empty lines": lambda tmp: line_of("\n" * LONG + "x", "y", below="[tool.conjoin"),
    "a key in empty lines": lambda tmp: line_of_key("\n" * LONG + "[" * LONG, "y", below="[tool.conjoin"),
    "a quoted place in quotes": lambda tmp: line_of('"' * LONG, '"' * (LONG // 2) + "x"),
    "unclosed tags of a page": lambda tmp: list(
        links(b"<a href=" * (LONG // 8), "text/html", "https://host.example/")
    ),
    "unclosed quotes of a page": lambda tmp: list(
        links(b"<a href='\"" * (LONG // 10), "text/html", "https://host.example/")
    ),
    "attributes of a page": lambda tmp: list(
        links(b"<a " + b"a = " * (LONG // 4) + b">", "text/html", "https://host.example/")
    ),
    "thousands of requirements": lambda tmp: read_pyproject(
        _file(tmp, "pyproject.toml", '[project]\nname = "x"\ndependencies = [' + '"a", ' * 3000 + "]\n")
    ),
}


@pytest.mark.parametrize("what", READERS)
def test_readers_are_linear(what: str, tmp_path: Path) -> None:
    def read() -> None:
        try:
            READERS[what](tmp_path)
        except ConjoinError:
            return

    assert cpu(read) < 4
