"""Every file of a prefix against the packages; who put there what is not theirs; and making it anew."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conjoin.errors import NotFound
from conjoin.lock.model import Lock
from conjoin.prefix.hydrate import HydrateOptions, hydrate
from conjoin.prefix.verify import PrefixReport, verify, verify_prefix
from conjoin.store.store import Store
from hydrating import BASE, conda_packages, lock_of, locked_wheel, neighbours, tree
from worlds import make_wheel


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def lock(forged_channel: Path, tmp_path: Path) -> Lock:
    wheel = make_wheel(tmp_path, "plain", "1.0", scripts={"script": "#!python\n"})
    return lock_of([*conda_packages(forged_channel, names=BASE), locked_wheel(wheel)])


@pytest.fixture
def prefix(lock: Lock, tmp_path: Path) -> Path:
    return hydrate(lock, options=HydrateOptions(prefix=tmp_path / "envs" / "environment-one"))


@pytest.fixture
def look(prefix: Path, lock: Lock) -> Callable[..., PrefixReport]:
    def look(**options: bool) -> PrefixReport:
        return verify_prefix(prefix, lock, Store(), **options)

    return look


def replaced(path: Path, content: bytes) -> None:
    mode = path.stat().st_mode
    path.unlink()  # not in place: the file is shared with the cache
    path.write_bytes(content)
    path.chmod(mode)


def site_of(prefix: Path) -> Path:
    (site,) = prefix.glob("lib/python*/site-packages")
    return site


def told(report: PrefixReport) -> list[tuple[str, str, str]]:
    return [(each.where, each.problem, each.package) for each in report.findings]


def test_what_changed_or_is_missing_or_foreign_is_found_and_nothing_else(prefix, look) -> None:
    assert told(look()) == []
    assert look().proved
    site = site_of(prefix)
    relative = site.relative_to(prefix).as_posix()
    replaced(site / "plain/__init__.py", b"changed")
    replaced(prefix / "bin/script", b"changed")
    (site / "tinylib/__init__.py").unlink()
    (site / "mine.py").write_text("not of any package")
    cached = site / "plain/__pycache__/__init__.cpython-311.pyc"
    cached.parent.mkdir()
    cached.write_bytes(b"bytecode")
    (cached.parent / "unknown.cpython-311.pyc").write_bytes(b"bytecode")
    assert told(look()) == [
        ("bin/script", "changed", "plain"),
        (f"{relative}/mine.py", "foreign", ""),
        (f"{relative}/plain/__init__.py", "changed", "plain"),
        (f"{relative}/plain/__pycache__/unknown.cpython-311.pyc", "foreign", ""),
        (f"{relative}/tinylib/__init__.py", "missing", "tinylib"),
    ]
    assert neighbours(prefix) == set()


def test_a_prefix_that_was_changed_with_its_own_records_is_found(prefix, look) -> None:
    """RECORD and conda-meta lie in the prefix: whoever changes a file can change them as well."""
    site = site_of(prefix)
    changed = b"#!/bin/sh\necho mine\n"
    replaced(prefix / "bin/script", changed)
    record = next(site.glob("plain-*.dist-info/RECORD"))
    digest = base64.urlsafe_b64encode(hashlib.sha256(changed).digest()).rstrip(b"=").decode()
    rows = [
        f"../../../bin/script,sha256={digest},{len(changed)}"
        if row.startswith("../../../bin/script")
        else row
        for row in record.read_text().splitlines()
    ]
    replaced(record, ("\n".join(rows) + "\n").encode())
    replaced(site / "tinylib/__init__.py", changed)
    meta = next((prefix / "conda-meta").glob("tinylib-*.json"))
    said = json.loads(meta.read_text())
    for each in said["paths_data"]["paths"]:
        if each["_path"].endswith("tinylib/__init__.py"):
            each["sha256"] = each["sha256_in_prefix"] = hashlib.sha256(changed).hexdigest()
    replaced(meta, json.dumps(said).encode())
    assert verify(prefix) == []
    found = {(each.where.rpartition("/")[2], each.problem) for each in look().findings}
    assert found == {
        ("script", "changed"),
        ("RECORD", "changed"),
        ("__init__.py", "changed"),
        (meta.name, "changed"),
    }


def test_what_was_edited_in_place_is_found_though_the_cache_has_the_same_file(prefix, look) -> None:
    path = site_of(prefix) / "tinylib/__init__.py"
    facts = path.stat()
    assert facts.st_nlink > 1
    content = path.read_bytes()
    with path.open("r+b") as file:
        file.write(b"#" * len(content))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert [each.where.rpartition("/")[2] for each in look().findings] == ["__init__.py"]
    repaired = look(repair=True)
    assert [each.repaired for each in repaired.findings] == [True]
    assert path.read_bytes() == content
    assert told(look()) == []


def test_who_put_it_there_is_told(prefix, look, tmp_path: Path) -> None:
    """What an installer brings later has its RECORD and INSTALLER."""
    later = make_wheel(tmp_path, "later", "2.0", scripts={"late": "#!python\n"})
    site = site_of(prefix)
    _install(later, site, "pip")
    found = look().findings
    assert {(each.problem, each.by) for each in found} == {("foreign", "pip (later 2.0)")}
    assert any(each.where.endswith("later/__init__.py") for each in found)
    # An upgrade of what is locked: its files are missing or changed, and the one who did it is named.
    upgrade = make_wheel(
        tmp_path, "plain", "1.1", scripts={"script": "#!python\n"}, files={"plain/__init__.py": "new"}
    )
    shutil.rmtree(next(site.glob("plain-*.dist-info")))
    (site / "plain/__init__.py").unlink()
    _install(upgrade, site, "pip")
    by = {each.where.rpartition("/")[2]: (each.problem, each.by) for each in look().findings}
    assert by["__init__.py"] in {("changed", "pip (plain 1.1)"), ("foreign", "pip (later 2.0)")}
    changed = [each for each in look().findings if each.where.endswith("plain/__init__.py")]
    assert [(each.problem, each.package, each.by) for each in changed] == [
        ("changed", "plain", "pip (plain 1.1)")
    ]
    assert {each.package for each in look().findings if each.problem == "missing"} == {"plain"}


def _install(wheel: Path, site: Path, installer: str) -> None:
    """Do as an installer does that knows nothing of us."""
    import zipfile

    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (info,) = site.glob(f"{wheel.name.split('-')[0]}-{wheel.name.split('-')[1]}.dist-info")
    (info / "INSTALLER").write_text(installer + "\n")
    with (info / "RECORD").open("a") as file:
        file.write(f"{info.name}/INSTALLER,,\n")


def test_links_modes_and_kinds_of_files_count(prefix, look) -> None:
    script = prefix / "bin/script"
    script.chmod(0o644)
    moved = site_of(prefix) / "plain/__init__.py"
    moved.rename(moved.with_name("elsewhere.py"))
    moved.symlink_to("elsewhere.py")
    found = {each.where.rpartition("/")[2]: each.detail for each in look().findings}
    assert found == {
        "script": "it cannot be executed",
        "__init__.py": "it is another kind of file",
        "elsewhere.py": "",
    }


def test_repair_makes_the_prefix_anew(prefix, look) -> None:
    before = tree(prefix)
    replaced(prefix / "bin/script", b"changed")
    (site_of(prefix) / "tinylib/__init__.py").unlink()
    (site_of(prefix) / "mine.py").write_text("not of any package")
    report = look(repair=True)
    assert len(report.findings) == 3
    assert all(each.repaired for each in report.findings)
    assert tree(prefix) == before
    assert told(look()) == []


def test_without_packages_it_is_compared_with_its_own_records_and_said_so(
    prefix, lock, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("CONJOIN_CACHE", str(tmp_path / "empty cache"))
    store = Store(tmp_path / "empty store")
    report = verify_prefix(prefix, lock, store)
    assert not report.proved
    assert "offline" in report.reason
    assert report.findings == ()
    site = site_of(prefix)
    (site / "mine.py").write_text("")
    replaced(site / "plain/__init__.py", b"changed")
    _install(make_wheel(tmp_path, "later", "2.0"), site, "pip")
    found = verify_prefix(prefix, lock, store).findings
    assert {("changed", ""), ("foreign", ""), ("foreign", "pip (later 2.0)")} == {
        (each.problem, each.by) for each in found
    }
    unknown = verify_prefix(prefix, None, store, repair=True)
    assert {each.where for each in unknown.findings} == {each.where for each in found}
    assert not any(each.repaired for each in unknown.findings)
    assert all("its lock is not known here" in each.detail for each in unknown.findings)
    # Where they may be fetched, the packages are the measure, and the prefix is made anew.
    online = verify_prefix(prefix, lock, store, HydrateOptions(), repair=True)
    assert online.proved
    assert all(each.repaired for each in online.findings)


def test_a_marker_that_tells_another_environment_is_no_measure(prefix, lock, forged_channel) -> None:
    other = lock_of(conda_packages(forged_channel, names=BASE))
    report = verify_prefix(prefix, other, Store())
    assert (report.proved, report.reason) == (
        False,
        "its marker tells another environment than its lock does",
    )


def test_what_is_no_complete_environment_is_not_found(tmp_path: Path) -> None:
    for call in (lambda: verify(tmp_path), lambda: verify_prefix(tmp_path, None, Store())):
        with pytest.raises(NotFound):
            call()


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_change_of_any_file_is_found_and_put_right(data: st.DataObject, prefix, look) -> None:
    """ "Exactly the locked packages: nothing more, nothing less.\""""
    before = tree(prefix)
    files = sorted(path for path, (mode, _) in before.items() if mode & 0o170000 == 0o100000)
    path = prefix / data.draw(st.sampled_from([each for each in files if each != "conda-meta/conjoin"]))
    content = path.read_bytes()
    kind = data.draw(st.sampled_from(["remove", "append", "flip", "empty", "add"]))
    if kind == "remove":
        path.unlink()
    elif kind == "add":
        path = path.with_name(path.name + ".more")
        path.write_bytes(b"x")
    else:
        new = {
            "append": content + b"x",
            "flip": bytes([(content or b"x")[0] ^ 1]) + content[1:],
            "empty": b"",
        }
        replaced(path, new[kind] if new[kind] != content else content + b"x")
    assert path.relative_to(prefix).as_posix() in {each.where for each in look().findings}
    assert all(each.repaired for each in look(repair=True).findings)
    assert tree(prefix) == before


def test_a_folder_that_may_only_be_read_is_looked_at_from_elsewhere(lock, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing is read-only for root")
    folder = tmp_path / ("deep" * 20)
    prefix = hydrate(lock, options=HydrateOptions(prefix=folder / "environment"))
    folder.chmod(0o555)
    try:
        assert verify_prefix(prefix, lock, Store()).proved
    finally:
        folder.chmod(0o755)
