"""Collecting on this machine: what is told is what goes, and only that; caches, prefixes and notes."""

from __future__ import annotations

import datetime
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from conjoin.api import Store
from conjoin.collecting import collect_here
from conjoin.lock.identity import make_lock, requirements_id
from conjoin.lock.model import Lock, LockedPackage, LockedPlatform
from conjoin.prefix.hydrate import HydrateOptions, hydrate
from conjoin.prefix.prefix import Marker
from conjoin.prefix.registry import Registry
from conjoin.store.aliases import parse_alias
from conjoin.store.layout import alias_key
from conjoin.store.usage import note_use
from fuzzing import examples
from hydrating import BASE, conda_packages, lock_of, locked_wheel, output
from worlds import make_wheel

DAY = 86400.0
PLACES = ("STORE", "ENVS", "STATE", "CACHE")


def ids(lock: Lock) -> tuple[str, str]:
    return lock.req_id, lock.full_id


def snapshot(root: Path) -> dict[str, tuple[int, float]]:
    """Return every file below ``root``: size and time."""
    found = {}
    for path in root.rglob("*"):
        facts = path.lstat()
        if not path.is_dir():
            found[str(path)] = (facts.st_size, facts.st_mtime)
    return found


def age(root: Path, days: float) -> None:
    for path in root.rglob("*"):
        facts = path.lstat()
        if not path.is_symlink():
            os.utime(path, (facts.st_mtime - days * DAY,) * 2)


# -- rules, against a model -----------------------------------------------------------------------

QUESTIONS, ANSWERS, USERS = range(2), range(3), ("ann", "bob")


def small_lock(question: int, answer: int) -> Lock:
    """Make a lock of two packages, one of which all answers to the same question share."""
    asked = {"scheme": 1, "question": question}
    packages = tuple(
        LockedPackage(
            kind="pypi",
            name=f"p{content}",
            version="1",
            file=f"p{content}-1-py3-none-any.whl",
            sha256=hashlib.sha256(content.encode()).hexdigest(),
            size=len(content),
        )
        for content in (f"{question}", f"{question}-{answer}")
    )
    platform = LockedPlatform(virtual_packages={}, packages=packages)
    return make_lock(asked, requirements_id(asked), {"linux-64": platform})


LOCKS = {(question, answer): small_lock(question, answer) for question in QUESTIONS for answer in ANSWERS}
some_lock = st.sampled_from(sorted(LOCKS))


class Machine(RuleBasedStateMachine):
    """A store whose owner does things, time passes, and garbage is collected; beside it, what should be."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.before = {f"CONJOIN_{place}": os.environ.get(f"CONJOIN_{place}") for place in PLACES}
        for place in PLACES:
            os.environ[f"CONJOIN_{place}"] = str(self.home / place.lower())
        self.store = Store()
        self.clock = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
        self.locks: dict[tuple[int, int], float] = {}
        self.packages: dict[str, float] = {}
        self.pointers: list[tuple[int, str, int]] = []
        self.aliases: dict[str, tuple[int, int]] = {}
        self.prefixes: dict[int, tuple[int, int]] = {}

    def teardown(self) -> None:
        for variable, value in self.before.items():
            if value is None:
                del os.environ[variable]
            else:
                os.environ[variable] = value
        shutil.rmtree(self.home)

    @initialize()
    def begin(self) -> None:
        assert sum(collect_here(0).counts.values()) == 0

    @rule(which=some_lock, user=st.sampled_from(USERS), with_bytes=st.booleans())
    def resolve(self, which: tuple[int, int], user: str, with_bytes: bool) -> None:
        lock = LOCKS[which]
        self.store.locks.put(lock)
        self.clock += datetime.timedelta(seconds=1)
        self.store.locks.point(*ids(lock), user, {}, now=self.clock)
        self.locks[which] = 0
        self.pointers.append((which[0], user, which[1]))
        if with_bytes:
            for package in lock.platforms["linux-64"].packages:
                self.store.packages.put(package.sha256, package.file, [package.name[1:].encode()])
                self.packages[package.sha256] = 0

    @rule(which=some_lock, name=st.sampled_from(["a:latest", "b/c:stable"]))
    def name(self, which: tuple[int, int], name: str) -> None:
        if which in self.locks:
            self.store.aliases.set(parse_alias(name), LOCKS[which])
            self.aliases[name] = which

    @rule(name=st.sampled_from(["a:latest", "b/c:stable"]))
    def unname(self, name: str) -> None:
        self.store.backend.delete(alias_key(*parse_alias(name)))
        self.aliases.pop(name, None)

    @rule(which=some_lock)
    def use(self, which: tuple[int, int]) -> None:
        if which in self.locks:
            note_use(self.store.backend, *ids(LOCKS[which]))
            self.locks[which] = 0

    @rule(which=some_lock, place=st.integers(0, 1))
    def make_prefix(self, which: tuple[int, int], place: int) -> None:
        lock = LOCKS[which]
        marker = Marker.of(lock, "linux-64")
        path = self.home / "prefixes" / str(place)
        (path / "conda-meta").mkdir(parents=True, exist_ok=True)
        import msgspec

        (path / "conda-meta" / "conjoin").write_bytes(msgspec.json.encode(marker))
        Registry().add(path, marker)
        self.prefixes[place] = which

    @rule(place=st.integers(0, 1))
    def delete_prefix(self, place: int) -> None:
        shutil.rmtree(self.home / "prefixes" / str(place), ignore_errors=True)
        self.prefixes.pop(place, None)

    @rule(days=st.sampled_from([1, 20, 40]))
    def wait(self, days: int) -> None:
        age(self.home, days)
        self.locks = {which: passed + days for which, passed in self.locks.items()}
        self.packages = {sha256: passed + days for sha256, passed in self.packages.items()}

    @rule(older_than=st.sampled_from([0, 10, 30]), keep_defaults=st.booleans())
    def collect(self, older_than: int, keep_defaults: bool) -> None:
        before = snapshot(self.home)
        told = collect_here(older_than * DAY, keep_defaults=keep_defaults, dry_run=True)
        assert snapshot(self.home) == before
        done = collect_here(older_than * DAY, keep_defaults=keep_defaults)
        assert done == told
        after = snapshot(self.home)
        changed = {path for path, facts in after.items() if before.get(path) != facts}
        assert all(Path(path).name.endswith((".gc.lock", "-gc.json")) for path in changed)
        went = [size for path, (size, _) in before.items() if path not in after]
        assert (sum(done.counts.values()), done.size) == (len(went), sum(went))

        kept = {
            which
            for which, passed in self.locks.items()
            if which in self.aliases.values()
            or which in self.prefixes.values()
            or (keep_defaults and which in self._defaults())
            or passed < older_than
        }
        assert done.environments == sorted(ids(LOCKS[which]) for which in set(self.locks) - kept)
        self.locks = {which: self.locks[which] for which in kept}
        needed = {p.sha256 for which in kept for p in LOCKS[which].platforms["linux-64"].packages}
        self.packages = {
            sha256: passed for sha256, passed in self.packages.items() if sha256 in needed or passed < 1
        }
        again = collect_here(older_than * DAY, keep_defaults=keep_defaults)
        assert sum(again.counts.values()) == 0

    def _defaults(self) -> set[tuple[int, int]]:
        newest = {}
        for question, user, answer in self.pointers:
            if (question, answer) in self.locks:
                newest[question, user] = answer
        return {(question, answer) for (question, _), answer in newest.items()}

    @invariant()
    def what_is_there_is_what_should_be(self) -> None:
        assert set(self.store.locks.ids()) == {ids(LOCKS[which]) for which in self.locks}
        present = {key.split("/")[2] for key in self.store.backend.keys("packages")}
        assert present == set(self.packages)
        assert {str(each) for each in self.store.aliases.all()} == set(self.aliases)


TestRules = Machine.TestCase
TestRules.settings = settings(
    max_examples=examples(25),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


# -- caches and prefixes, for real ----------------------------------------------------------------


@pytest.fixture
def two(forged_channel: Path, tmp_path: Path) -> tuple[Lock, Lock]:
    """Two environments that share Python, each with a wheel and a conda package of its own."""
    wheels = [make_wheel(tmp_path / "wheels", name, "1.0") for name in ("left", "right")]
    base = conda_packages(forged_channel, names=("python", "python_abi"))
    tiny = conda_packages(forged_channel, names=BASE)
    return (
        lock_of([*base, locked_wheel(wheels[0])]),
        lock_of([*tiny, locked_wheel(wheels[1])], other=1),
    )


def test_what_only_a_dropped_environment_needs_goes_from_the_caches_and_the_rest_works(
    two: tuple[Lock, Lock], isolated_home: Path
) -> None:
    stays, goes = two
    Store().save(stays, versions={})
    kept, gone = hydrate(stays), hydrate(goes)
    assert output(gone / "bin/tinyapp")
    shutil.rmtree(gone)
    age(isolated_home, 40)
    before = snapshot(isolated_home)
    told = collect_here(30 * DAY, dry_run=True)
    assert snapshot(isolated_home) == before
    done = collect_here(30 * DAY)
    assert done == told
    assert (done.counts["environments"], done.counts["packages"]) == (1, 3)  # tinyapp, tinylib, right
    assert (done.counts["unpacked_conda"], done.counts["unpacked_wheels"]) == (2, 1)
    assert (done.counts["registrations"], done.counts["prefixes"]) == (1, 0)
    assert done.sizes["unpacked_wheels"] > 0
    assert sum(collect_here(30 * DAY).counts.values()) == 0
    # What stays is whole: a new prefix of it needs nothing but the caches; what went can be made again.
    shutil.rmtree(kept)
    assert output(hydrate(stays) / "bin/python", "-c", "import left; print('here')") == "here"
    assert output(hydrate(goes) / "bin/python", "-c", "import right; print('here')") == "here"


def test_unused_prefixes_go_where_that_is_asked_for_and_only_from_their_default_place(
    two: tuple[Lock, Lock], isolated_home: Path, tmp_path: Path
) -> None:
    lock, other = two
    by_ids, named, elsewhere = (
        hydrate(lock),
        hydrate(lock, options=HydrateOptions(name="n")),
        hydrate(other, options=HydrateOptions(prefix=tmp_path / "p")),
    )
    age(isolated_home, 40)
    assert collect_here(30 * DAY).prefixes == []
    told = collect_here(30 * DAY, prefixes=True, dry_run=True)
    assert by_ids.is_dir()
    done = collect_here(30 * DAY, prefixes=True)
    assert done == told
    assert done.prefixes == [by_ids]
    assert done.environments == []  # the named one refers to the same
    assert not by_ids.exists()
    assert named.is_dir()
    assert elsewhere.is_dir()
    assert [path.name for path in (isolated_home / "envs").iterdir()] == ["named"]
    assert sum(collect_here(30 * DAY, prefixes=True).counts.values()) == 0


def test_bytes_are_freed_when_their_last_name_goes(two: tuple[Lock, Lock], isolated_home: Path) -> None:
    """Files of a prefix are those of the caches: deleting one of the two frees nothing."""
    lock, _ = two
    hydrate(lock)
    age(isolated_home, 40)
    done = collect_here(30 * DAY, prefixes=True)
    assert done.counts["prefixes"] == done.counts["unpacked_wheels"] == 1
    free = done.sizes["prefixes"] + done.sizes["unpacked_conda"] + done.sizes["unpacked_wheels"]
    assert free > 1_000_000
    left = [path for path in (isolated_home / "cache").rglob("*") if path.suffix in (".py", ".so")]
    assert left == []


def test_a_prefix_that_something_runs_from_stays(two: tuple[Lock, Lock], isolated_home: Path) -> None:
    prefix = hydrate(two[0])
    age(isolated_home, 40)
    process = subprocess.Popen([prefix / "bin/python", "-c", "input()"], stdin=subprocess.PIPE)
    try:
        time.sleep(0.1)
        assert collect_here(30 * DAY, prefixes=True).prefixes == []
    finally:
        process.communicate(b"\n")
    if Path("/proc/self/exe").exists():
        assert collect_here(30 * DAY, prefixes=True).prefixes == [prefix]


def test_what_another_process_announced_stays_in_the_caches(
    two: tuple[Lock, Lock], isolated_home: Path
) -> None:
    from conjoin.store.announcements import announce
    from conjoin.store.backend.folder import FolderBackend
    from conjoin.store.gc_lock import FolderGcLock

    lock, _ = two
    shutil.rmtree(hydrate(lock))
    age(isolated_home, 40)
    cache = isolated_home / "cache"
    with announce(FolderBackend(cache), FolderGcLock(cache), lock):
        done = collect_here(30 * DAY)
        assert done.environments == [ids(lock)]
        assert (done.counts["unpacked_conda"], done.counts["unpacked_wheels"]) == (0, 0)
    done = collect_here(30 * DAY)
    assert done.counts["unpacked_conda"] > 0
    assert done.counts["unpacked_wheels"] == 1


def test_leftovers_of_processes_that_were_killed_go(isolated_home: Path) -> None:
    places = [
        "cache/conda/ab/.abc-x/pkg/file",
        "cache/.trash-abc/1/file",
        "envs/.e.trash-abc/prefix/file",
        "envs/.e.work/file",
        "envs/named/.n.work/file",
        "store/packages/aa/x/.y.part",
    ]
    for place in places:
        (isolated_home / place).parent.mkdir(parents=True)
        (isolated_home / place).write_text("12345")
    young = isolated_home / "envs" / ".young.work"
    young.mkdir()
    age(isolated_home, 2)
    os.utime(young)
    done = collect_here(30 * DAY)
    assert (done.counts["leftovers"], done.sizes["leftovers"]) == (len(places), 5 * len(places))
    assert not any((isolated_home / place).exists() for place in places)
    assert young.is_dir()


HYDRATE = """
import sys, shutil
from pathlib import Path
from conjoin.prefix.hydrate import HydrateOptions, hydrate
from conjoin.lock.format import read_lock
for round_ in range(int(sys.argv[3])):
    for number, path in enumerate(sys.argv[4:]):
        prefix = hydrate(
            read_lock(Path(path)), options=HydrateOptions(prefix=Path(sys.argv[1], f"{sys.argv[2]}-{number}"))
        )
        assert (prefix / "bin" / "python").exists()
        assert len(list(prefix.glob("lib/python3*/site-packages/*/__init__.py"))) > 0
        shutil.rmtree(prefix)
"""

COLLECT = """
import sys, time
from pathlib import Path
from conjoin import collecting
from conjoin.errors import Conflict
from conjoin.prefix.gc import collect as trees
from conjoin.store.gc import collect as garbage
trees.GRACE = garbage.GRACE = collecting.GRACE = -1.0
gone = 0
while not Path(sys.argv[1]).exists():
    done = collecting.collect_here(0.0, keep_defaults=False)
    gone += done.counts["unpacked_conda"] + done.counts["packages"]
    time.sleep(0.1)
print(gone)
"""


@pytest.mark.slow
def test_beside_those_who_hydrate_nothing_they_need_vanishes(
    two: tuple[Lock, Lock], isolated_home: Path, tmp_path: Path
) -> None:
    """Nothing is too young to be collected here: what others need is safe by what they announce alone."""
    from conjoin.lock.format import write_lock

    files = [tmp_path / "left.lock", tmp_path / "right.lock"]
    for file, lock in zip(files, two, strict=True):
        write_lock(file, lock)
    stop = tmp_path / "stop"
    collector = subprocess.Popen(
        [sys.executable, "-c", COLLECT, str(stop)], stdout=subprocess.PIPE, text=True
    )
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", HYDRATE, str(tmp_path / "p"), str(number), "4", *map(str, files)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    failures = [process.communicate()[1] for process in workers]
    stop.touch()
    told, _ = collector.communicate()
    assert failures == [""] * 3
    assert int(told) > 0


def test_whatever_something_damaged_may_mean_stays(two: tuple[Lock, Lock], isolated_home: Path) -> None:
    Store().save(two[0], versions={})
    [file] = (isolated_home / "store").rglob("lock.json")
    file.write_text("{")
    age(isolated_home, 400)
    before = snapshot(isolated_home)
    told = collect_here(0)
    assert [str(file) in str(problem) for problem in told.problems] == [True]
    after = snapshot(isolated_home)
    assert {path: facts for path, facts in after.items() if not path.endswith(".gc.lock")} == before
