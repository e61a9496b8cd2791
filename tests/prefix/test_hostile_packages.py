"""Packages made to harm: nothing is written outside of a prefix, nothing ends as a bug, nothing hangs."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
import tarfile
import time
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from conjoin.config.places import cache_dir
from conjoin.errors import Conflict, ConjoinError
from conjoin.lock.model import LockedPackage
from conjoin.prefix.hydrate import HydrateOptions, hydrate
from conjoin.prefix.link.extracted_package import known_link_scripts
from hydrating import BASE, conda_packages, lock_of, locked_wheel

SITE = "lib/python{}.{}/site-packages".format(*sys.version_info)
Member = tuple[str, bytes | tuple[str, str]]
"""A file's name with its bytes, or ``(type, target)``: ``symlink``, ``hardlink``, ``fifo``."""


def wheel(
    folder: Path,
    members: Sequence[tuple[str, bytes]],
    *,
    record: str | None = None,
    points: str = "",
    info: str = "k-1.0.dist-info",
    wheel_version: str = "1.0",
    mode: int = 0o100644,
) -> LockedPackage:
    """Write a wheel of exactly these members, however they are named, and lock it."""
    text = f"Wheel-Version: {wheel_version}\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    described = [(f"{info}/METADATA", b"Metadata-Version: 2.1\nName: k\nVersion: 1.0\n")]
    described += [(f"{info}/WHEEL", text.encode())]
    described += [(f"{info}/entry_points.txt", points.encode())] if points else []
    everything = [*members, *described]
    rows = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},\n"
        for name, data in everything
    )
    everything.append((f"{info}/RECORD", (rows if record is None else record).encode()))
    folder.mkdir(parents=True)
    path = folder / "k-1.0-py3-none-any.whl"
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")  # of duplicate names
        for name, data in everything:
            entry = zipfile.ZipInfo("x")
            entry.filename, entry.create_system, entry.external_attr = name, 3, mode << 16
            archive.writestr(entry, data)
    return locked_wheel(path)


def conda(
    folder: Path, name: str, members: Sequence[Member], *, listed: object = None, **info: bytes
) -> LockedPackage:
    """Write a conda package of exactly these members, and lock it."""
    kinds = {"symlink": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE, "fifo": tarfile.FIFOTYPE}
    paths = [
        {"_path": path, "path_type": "softlink" if data[0] == "symlink" else "hardlink"}
        for path, data in members
        if not path.startswith("info/")
    ]
    noarch = "python" if b'"python"' in info.get("link_json", b"") else "generic"
    index = {
        "name": name,
        "version": "1",
        "build": "0",
        "build_number": 0,
        "depends": [],
        "subdir": "noarch",
        "noarch": noarch,
    }
    described: dict[str, bytes] = {
        "info/index.json": json.dumps(index).encode(),
        "info/paths.json": json.dumps(
            {"paths": paths if listed is None else listed, "paths_version": 1}
        ).encode(),
        **{f"info/{key.replace('_json', '.json')}": value for key, value in info.items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-1-0.tar.bz2"
    with tarfile.open(path, "w:bz2") as tar:
        for member, data in [*((k, v) for k, v in described.items() if k not in dict(members)), *members]:
            entry = tarfile.TarInfo(member)
            entry.mtime = 1_700_000_000
            if isinstance(data, bytes):
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
            else:
                entry.type, entry.linkname = kinds[data[0]], data[1]
                tar.addfile(entry)
    content = path.read_bytes()
    return LockedPackage(
        kind="conda",
        name=name,
        version="1",
        build="0",
        file=path.name,
        url=path.as_uri(),
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        subdir="noarch",
        channel=folder.as_uri(),
        noarch=noarch,
    )


def data(path: str, content: bytes = b"x") -> list[tuple[str, bytes]]:
    return [(f"k-1.0.data/data/{path}", content)]


def hostile_wheels(folder: Path) -> Iterator[tuple[str, LockedPackage]]:
    """Yield wheels that must be refused, whatever else is in the environment."""
    count = iter(range(1000))

    def made(members: Sequence[tuple[str, bytes]], **more: object) -> LockedPackage:
        return wheel(folder / str(next(count)), members, **more)  # type: ignore[arg-type]

    for path in ("../e", "/e", "a/../../e", "..\\e", "C:/e", "C:\\e", "a/..", "\\e", ".."):
        yield f"member {path}", made([(path, b"x")])
        if path != "/e":  # `data//e` is a file of the prefix
            yield f"data {path}", made(data(path))
    for spelled in ("", "./", "/", "././/", "x/"):
        yield (
            f"conda-meta after {spelled!r}",
            made(data(f"{spelled.replace('x/', 'conda-meta/')}conda-meta/z.json")),
        )
    for path in ("conda-meta/conjoin", "Conda-Meta/z.json", "conda-meta", "__clobbers__/x/y", "pyvenv.cfg"):
        yield f"the environment's {path}", made(data(path))
    for path in ("bin/activate", "bin/./activate", "bin//activate.fish", ".lock", "CACHEDIR.TAG"):
        yield f"the environment's {path}", made(data(path))
    for path in (
        f"{SITE[:-14]}/this.py",
        f"{SITE[:-14]}//this.py",
        f"./{SITE[:-14]}/./this.py",
        "bin/python",
    ):
        yield f"another's {path}", made(data(path))
    yield "another's folder as a file", made(data("lib"))
    yield "another's file as a folder", made(data("bin/python/x"))
    for name in ("../../e", "/tmp/e", "a/b", "..", "", "a\\b"):
        yield f"a script called {name!r}", made([], points=f"[console_scripts]\n{name} = a:b\n")
    for value in ("3", "a", "a:b:c", "os.system('x')"):
        yield f"a script that is {value}", made([], points=f"[console_scripts]\nx = {value}\n")
    for section in ("no section", "[console_scripts\n", "[console_scripts]\nx"):
        yield f"entry points {section!r}", made([], points=section)
    false = base64.urlsafe_b64encode(hashlib.sha256(b"y").digest()).rstrip(b"=").decode()
    own = "k-1.0.dist-info/RECORD,,\n"
    for row in (
        f"a.py,sha256={false},1\n",
        "a.py,sha256=,1\n",
        "a.py,sha256=????,1\n",
        "a.py,sha512=AAAA,1\n",
    ):
        yield f"RECORD says {row}", made([("a.py", b"x")], record=row + own)
    yield "RECORD spells it otherwise", made([("a.py", b"x")], record=f"./a.py,sha256={false},1\n{own}")
    for row in ("../../../../e,,\n", "/etc/passwd,,\n", "a/../../../../../e,,\n"):
        yield f"RECORD names {row!r}", made([], record=row + own)
    yield "one name twice", made([("a.py", b"x"), ("a.py", b"y")])
    yield "one file by two names", made([("a.py", b"x"), ("./a.py", b"y")])
    yield "one place by two ways", made([("a.py", b"x"), ("k-1.0.data/purelib/a.py", b"y")])
    yield "a file and a folder", made([("a", b"x"), ("a/b", b"y")])
    yield "a link and what is below", made([("a", b"/tmp"), ("a/b", b"y")], mode=0o120777)
    yield "a null byte", made([("a\0b.py", b"x")])
    yield "a script in a folder", made([("k-1.0.data/scripts/a/b", b"#!python\n")])
    yield "an unknown category", made([("k-1.0.data/other/a", b"x")])
    yield "another's name", made([], info="other-1.0.dist-info")
    yield "data from the top", made([("./k-1.0.data/data/e", b"x")])
    yield "a wheel of the future", made([], wheel_version="9.0")


def outward(outside: Path, depth: int = 3) -> list[str]:
    return [str(outside), f"{'../' * depth}{outside.name}", f"x/../{'../' * depth}{outside.name}"]


def hostile_conda(folder: Path, outside: Path) -> Iterator[tuple[str, list[LockedPackage]]]:
    """Yield environments with conda packages that must be refused."""
    count = iter(range(1000))

    def made(members: Sequence[Member], name: str = "c", **more: object) -> LockedPackage:
        return conda(folder / str(next(count)), name, members, **more)  # type: ignore[arg-type]

    def victim(path: str) -> LockedPackage:
        return wheel(folder / str(next(count)), data(path))

    for target in (*outward(outside), "/", "..", "share", "other/../share", "a/b/c/d/../../../../../.."):
        yield f"share -> {target}, a wheel", [made([("share", ("symlink", target))]), victim("share/e")]
        below = made([("share/e", b"x")], "d")
        yield f"share -> {target}, a conda package", [made([("share", ("symlink", target))]), below]
    chain = [made([("a", ("symlink", "b"))], "c1"), made([("b", ("symlink", "c/d"))], "c2")]
    chain.append(made([("c/d", ("symlink", f"../../../{outside.name}"))], "c3"))
    yield "a chain", [*chain, victim("a/e")]
    yield "a link in the way", [made([("share/a", ("symlink", str(outside)))]), victim("share/a/b/c/e")]
    info = f"{SITE}/k-1.0.dist-info"
    yield "a .dist-info", [made([(info, ("symlink", str(outside)))]), victim("share/e")]
    for name in ("RECORD", "INSTALLER", "METADATA", "direct_url.json"):
        yield f"a {name}", [made([(f"{info}/{name}", ("symlink", str(outside / "e")))]), victim("share/e")]
    yield "site-packages", [made([(SITE, ("symlink", str(outside)))]), victim("share/e")]
    yield "lib", [made([("lib", ("symlink", str(outside)))])]
    yield "into conda-meta", [made([("share", ("symlink", "conda-meta"))]), victim("share/e.json")]
    yield "to nothing", [made([("share", ("symlink", "nowhere"))]), victim("share/e")]
    yield "to a file", [made([("f", b"x"), ("share", ("symlink", "f"))]), victim("share/e")]
    for path in ("conda-meta", "__clobbers__", "CACHEDIR.TAG", ".lock", "pyvenv.cfg"):
        yield f"{path} -> outside", [made([(path, ("symlink", str(outside / "e")))])]
    for path in ("conda-meta/z.json", "conda-meta/conjoin", "./conda-meta//z.json", "pyvenv.cfg"):
        yield f"brings {path}", [made([(path, b"{}")])]
    yield "bytecode", [made([("a/__pycache__", ("symlink", str(outside)))])]
    yield "its own way out", [made([("a", ("symlink", str(outside))), ("a/e", b"x")])]
    yield "a hard link", [made([("a", ("hardlink", str(outside / "mine")))])]
    yield "a pipe that describes it", [made([("info/link.json", ("fifo", ""))])]
    yield "a description elsewhere", [made([("info/link.json", ("symlink", "/dev/zero"))])]
    for path in ("../e", "/e", "a/../../e", "", ".", "C:/e", "a\0b"):
        yield f"lists {path!r}", [made([], listed=[{"_path": path, "path_type": "hardlink"}])]
    for kind in ("softlink", "directory", "hardlink"):
        yield (
            f"lists a {kind} that is none",
            [
                made(
                    [("a", ("symlink", "b") if kind == "hardlink" else b"x")],
                    listed=[{"_path": "a", "path_type": kind}],
                )
            ],
        )
    yield "lists what it has not", [made([], listed=[{"_path": "a", "path_type": "hardlink"}])]
    for text in (b"{", b"[]", b'{"paths": 1}', b"\xff", b"[" * 100_000, b'{"paths": [{"_path": 1}]}'):
        yield f"paths.json {text[:20]!r}", [made([], paths_json=text)]
    for point in ("../../e = a:b", "/tmp/e = a:b", "x = 3", "x"):
        text = json.dumps(
            {"noarch": {"type": "python", "entry_points": [point]}, "package_metadata_version": 1}
        )
        yield f"entry point {point}", [made([], link_json=text.encode())]
    yield "link.json", [made([], link_json=b'{"noarch": "python"')]


def everything(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


def refused(
    packages: Sequence[LockedPackage], base: Sequence[LockedPackage], where: Path, outside: Path
) -> str:
    """Hydrate, and return what is wrong about how it was refused."""
    before, start = everything(outside), time.monotonic()
    where.mkdir()
    said = "was installed"
    try:
        hydrate(lock_of([*base, *packages]), options=HydrateOptions(prefix=where / "env"))
    except ConjoinError as error:
        if "the lock says" in error.what:  # refused for how this test locks it
            raise
        said = "" if error.exit_code in (5, 7) else f"exit {error.exit_code}: {error}"
        if not error.what or "\n" in str(error):
            said = f"says {error!r}"
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    if everything(outside) != before:
        said += ", wrote outside"
    if time.monotonic() - start > 5 * 4:  # of a loaded machine; what hangs does so for ever
        said += f", took {time.monotonic() - start:.1f} s"
    if said != "was installed" and (where / "env").exists():
        said += ", left a prefix"
    return said


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "mine").write_text("mine")
    return folder


def test_hostile_wheels_are_refused(forged_channel: Path, tmp_path: Path, outside: Path) -> None:
    base = conda_packages(forged_channel, names=BASE)
    cases = list(hostile_wheels(tmp_path / "wheels"))
    assert len(cases) >= 60
    found = {
        name: refused([each], base, tmp_path / f"p{number}", outside)
        for number, (name, each) in enumerate(cases)
    }
    assert "\n".join(f"{name}: {said}" for name, said in found.items() if said) == ""


def test_hostile_conda_packages_are_refused(forged_channel: Path, tmp_path: Path, outside: Path) -> None:
    base = conda_packages(forged_channel, names=BASE)
    cases = list(hostile_conda(tmp_path / "conda", outside))
    assert len(cases) >= 40
    found = {
        name: refused(each, base, tmp_path / f"p{number}", outside)
        for number, (name, each) in enumerate(cases)
    }
    assert "\n".join(f"{name}: {said}" for name, said in found.items() if said) == ""


class Listener:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def start(self, total_bytes: int, packages: int) -> None: ...
    def advance(self, received_bytes: int, finished_packages: int) -> None: ...
    def phase(self, name: str) -> None: ...
    def warn(self, message: str) -> None:
        self.heard.append(message)

    def finish(self) -> None: ...


def test_links_that_stay_inside_lead_files_of_wheels(forged_channel: Path, tmp_path: Path) -> None:
    links: list[Member] = [("s", ("symlink", "share/c")), ("lib64", ("symlink", "lib"))]
    package = conda(tmp_path / "c", "c", [("share/c/x", b"c"), *links])
    base = [*conda_packages(forged_channel, names=BASE), package]
    found = wheel(tmp_path / "w", [*data("s/y", b"w"), *data("lib64/z", b"w"), *data("s/x", b"c")])
    prefix = hydrate(lock_of([*base, found]), options=HydrateOptions(prefix=tmp_path / "env"))
    assert [(prefix / name).read_text() for name in ("share/c/x", "share/c/y", "lib/z")] == ["c", "w", "w"]
    other = wheel(tmp_path / "o", data("s/x", b"other"))
    with pytest.raises(Conflict, match="both bring share/c/x"):
        hydrate(lock_of([*base, other]), options=HydrateOptions(prefix=tmp_path / "other"))


def test_conda_packages_that_overlap_and_scripts_that_are_not_run_are_told(tmp_path: Path) -> None:
    packages = [
        conda(tmp_path / "c", "a", [("f", b"a"), ("bin/.a-post-link.sh", b"touch $PREFIX/ran")]),
        conda(tmp_path / "c", "b", [("f", b"b")]),
    ]
    for number, each in enumerate((packages, packages[::-1])):
        listener = Listener()
        prefix = hydrate(
            lock_of(each), options=HydrateOptions(prefix=tmp_path / f"env{number}", progress=listener)
        )
        assert (prefix / "f").read_text() == "a"
        assert not (prefix / "ran").exists()
        known = {
            package.name: known_link_scripts(cache_dir() / "conda", package.sha256) for package in packages
        }
        assert known == {"a": ("bin/.a-post-link.sh",), "b": ()}
        assert listener.heard == [
            "the conda packages a have post-link scripts, which are not run",
            "the conda packages a and b both bring f; those of a are used",
        ]
