"""Text that others wrote ends in a line and exit code 2 (4, 5): never in a traceback, never as our bug."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conjoin.errors import IntegrityError, UsageError
from conjoin.lock.format import encode
from conjoin.prefix.link import rattler_bridge
from conjoin.store.store import Store
from conjoin.untrusted import Panic, decode_json, panics, path_of, split_url
from hydrating import lock_of

DIGITS = "9" * 5000
DEEP = "[" * 5000 + "]" * 5000

FILES: dict[str, tuple[list[str], str]] = {
    "r1.txt": (["-r"], "file://quests[socks]>=2.31\n"),
    "r2.txt": (["-r"], "x @ http://[/y\n"),
    "r3.txt": (["-r"], "a/" + "b" * 5000 + "\n"),
    "r4.txt": (["-r"], "--index-url http://host:999999/\n"),
    "r5.txt": (["-r"], "-r " + "b" * 5000 + "\n"),
    "e1.yml": (["-f"], "dependencies:\n - pip:\n   - file://quests[socks]\n"),
    "e2.yml": (["-f"], "dependencies: " + DEEP),
    "e3.yml": (["-f"], "channels: ['http://[x/']\ndependencies: [a]\n"),
    "s1.py": (["--script"], f"# /// script\n# dependencies = []\n# x = {DIGITS}\n# ///\n"),
    "p1.toml": (["-p"], f'[project]\nname = "x"\ndependencies = []\n[tool.x]\na = {DIGITS}\n'),
    "p2.toml": (["-p"], f'[project]\nname = "x"\ndependencies = {DEEP}\n'),
    "p3.toml": (["-p"], '[project]\nname = "x"\ndependencies = ["x @ file://["]\n'),
}


def refused(done: Any, *codes: int) -> None:
    assert done.returncode in (codes or (2,)), done.stderr
    assert "bug" not in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize("name", FILES)
def test_files_that_ask_for_something(called, name: str, tmp_path: Path) -> None:
    option, content = FILES[name]
    path = tmp_path / name
    path.write_text(content)
    done = called("resolve", "--offline", "-c", tmp_path.as_uri(), *option, path)
    refused(done)
    assert str(path) in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["list", "--store", "~]x"],
        ["list", "--store", "file://["],
        ["list", "--store", "a\0b"],
        ["resolve", "--index-url", "http://[x/", "--pypi", "y"],
        ["resolve", "--extra-index-url", "http://h:port/", "--pypi", "y"],
        ["resolve", "--find-links", "http://[x/", "--pypi", "y"],
        ["resolve", "-c", "http://[x/", "--conda", "y"],
        ["resolve", "--pypi", "x @ git+https://[x/"],
        ["resolve", "--pypi", "x>=" + DIGITS],
        ["resolve", "--conda", "x>=" + DIGITS],
        ["resolve", "--pypi", "x" * 10_000],
        ["resolve", "--mapping", "a\0b", "--pypi", "x"],
        ["resolve", "-r", "a\0b"],
        ["show", "a\0b.lock"],
        ["show", "a" * 5000],
    ],
    ids=lambda words: " ".join(words)[:60],
)
def test_words_of_a_command_line(called, words: list[str]) -> None:
    refused(called(*words), 2, 6)


def test_a_prefix_has_a_name(called, tmp_path: Path) -> None:
    path = tmp_path / "env.lock"
    path.write_bytes(encode(lock_of([])))
    refused(called("create", "-q", path, "--prefix", "/"))


@pytest.mark.parametrize("content", [f"x = {DIGITS}\n", f"x = {DEEP}\n", "x = 1979-13-45\n"])
def test_configuration(called, content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.toml"
    path.write_text(content)
    monkeypatch.setenv("CONJOIN_CONFIG", str(path))
    done = called("config")
    refused(done)
    assert str(path) in done.stderr


def test_an_anchor_that_is_used_again_is_no_warning(called, tmp_path: Path, recwarn: Any) -> None:
    from conjoin.spec import read_requirements

    path = tmp_path / "environment.yml"
    path.write_text("channels: &a [b]\ndependencies: &a [good]\n")
    assert [str(each) for each in read_requirements(path).channels] == ["b"]
    assert not recwarn.list


LOCKED = {
    "kind": "conda",
    "name": "tinylib",
    "version": "1.0",
    "build": "0",
    "file": "tinylib-1.0-0.conda",
    "url": "https://host.example/ch/noarch/tinylib-1.0-0.conda",
    "sha256": "ab" * 32,
    "size": 1,
    "subdir": "noarch",
    "channel": "https://host.example/ch",
}


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://[x"},
        {"url": "file:///a%00b"},
        {"dependencies": ["__glibc !!garbage"]},
        {"noarch": "evil"},
        {"timestamp": 2**62},
        {"channel": "../x"},
        {"size": 10**30},
    ],
    ids=str,
)
def test_locks(called, change: dict[str, Any], tmp_path: Path) -> None:
    import msgspec

    from conjoin.lock.model import LockedPackage

    lock = lock_of([msgspec.convert({**LOCKED, **change}, LockedPackage)])
    path = tmp_path / "env.lock"
    path.write_bytes(encode(lock))
    refused(called("create", "-q", path, "--prefix", tmp_path / "p"), 2, 4, 5)


@pytest.mark.parametrize(
    "content", [f'{{"schema":1,"requirements":{DEEP}}}', f'{{"schema":{DIGITS}}}', "\ufeff{}"]
)
def test_what_is_no_lock(called, content: str, tmp_path: Path) -> None:
    path = tmp_path / "env.lock"
    path.write_text(content)
    refused(called("show", path))


@pytest.fixture
def team(tmp_path: Path) -> Store:
    """A store with one good environment, and one of each kind that cannot be read."""
    store = Store(tmp_path / "team")
    lock = lock_of([])
    store.save(lock, versions={})
    from conjoin.store.aliases import parse_alias

    store.name(lock, parse_alias("good:v1"))
    deep = f'{{"schema":1,"requirements":{DEEP}}}'
    for name in (
        f"envs/{'a' * 40}/{'b' * 40}/lock.json",
        "aliases/bad/v1.json",
        "aliases/BAD/\x1b[31m.json",
        "deployments/argo/bad.json",
    ):
        path = store.root / name
        path.parent.mkdir(parents=True)
        path.write_text(deep)
    return store


def test_one_bad_entry_of_a_store_costs_that_entry(called, team: Store) -> None:
    listed = called("list", "--store", team.root)
    assert listed.returncode == 0
    assert "good:v1" in listed.stdout
    assert len([line for line in listed.stderr.splitlines() if "left out" in line]) == 3
    names = called("alias", "--list", "", "--json", "--store", team.root)
    assert [each["alias"] for each in json.loads(names.stdout)["aliases"]] == ["good:v1"]
    assert "left out" in names.stderr
    assert called("show", "good:v1", "--store", team.root).returncode == 0
    refused(called("show", "bad:v1", "--store", team.root), 5)


def test_gc_keeps_whatever_may_be_meant_by_what_it_cannot_read(called, team: Store) -> None:
    package = team.root / f"packages/ab/{'ab' * 32}/x-1-py3-none-any.whl"
    package.parent.mkdir(parents=True)
    package.write_bytes(b"x")
    import os

    for path in team.root.rglob("*"):
        os.utime(path, (0, 0))
    before = {path for path in team.root.rglob("*") if path.is_file()}
    done = called("gc", "--store", team.root, "--older-than", "0", "--defaults", "--json")
    assert done.returncode == 0
    assert len(json.loads(done.stdout)["problems"]) == 3
    assert before <= {*team.root.rglob("*")}
    assert done.stderr.count("whatever it may mean stays") == 3


def test_the_newest_that_can_be_read_counts(tmp_path: Path) -> None:
    from conjoin.store.lookup.latest import find_latest, parse_whose

    store = Store(tmp_path / "team")
    lock = lock_of([])
    store.save(lock, versions={})
    store.locks.point(lock.req_id, "c" * 40, "ann", {})
    bad = store.root / f"envs/{lock.req_id}/{'c' * 40}/lock.json"
    bad.parent.mkdir()
    bad.write_text("{")
    told: list[Exception] = []
    taken = find_latest(store, lock.req_id, parse_whose("any"), told.append)
    assert taken is not None
    assert taken.lock == lock
    assert [str(bad) in str(each) for each in told] == [True]


class PanicException(BaseException):
    """As pyo3 makes one for each library."""


def test_a_panic_is_an_error_like_any_other() -> None:
    def panicked() -> None:
        with panics():
            raise PanicException("index out of\nbounds")

    with pytest.raises(Panic, match=r"^index out of bounds$"):
        panicked()

    def interrupted() -> None:
        with panics():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()


def test_a_package_that_makes_rattler_panic_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import rattler.package_streaming

    async def panicking(*_: object) -> None:
        raise PanicException("called `Option::unwrap()` on a `None` value")

    monkeypatch.setattr(rattler.package_streaming, "download_and_extract", panicking)
    monkeypatch.setattr(rattler_bridge, "check_conda_package", lambda archive: None)  # looked at before
    with pytest.raises(IntegrityError, match="unwrap"):
        rattler_bridge.run(rattler_bridge.extract(tmp_path / "x.conda", tmp_path / "x"))


@pytest.mark.parametrize(
    "url", ["http://[x/", "http://h:99999/", "http://h:p/", "file://a[b]", "http://a\u2100b/"]
)
def test_split_url_refuses_what_no_url_is(url: str) -> None:
    with pytest.raises(UsageError, match="not a URL"):
        split_url(url)


@pytest.mark.parametrize("text", [DEEP, DIGITS, "[" * 65 + "]" * 65, '"\\ud800"', "1e999"])
def test_decode_json_has_one_kind_of_error(text: str) -> None:
    import msgspec

    with pytest.raises(msgspec.DecodeError):
        decode_json(text)
    assert decode_json("[" * 64 + "]" * 64)


@pytest.mark.parametrize("text", ["a\0b", "~nobody-of-that-name/x", "\ud800"])
def test_path_of_refuses_what_no_path_is(text: str) -> None:
    with pytest.raises(UsageError, match="is not a path"):
        path_of(text)


def test_a_long_message_shows_its_beginning_and_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    from conjoin.cli.output.failure import report_error

    assert report_error(UsageError("x" * 100_000, advice="do this")) == 2
    said = capsys.readouterr().err
    assert len(said) < 2200
    assert said.rstrip().endswith("do this")


def test_reporting_a_bug_does_not_fail_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from conjoin.cli.output.failure import report_bug

    def broken() -> Path:
        raise ValueError(DIGITS)

    monkeypatch.setattr("conjoin.config.places.cache_dir", broken)
    assert report_bug(RuntimeError("x")) == 1
    assert capsys.readouterr().err.count("\n") == 1
