"""Notes on wheels that were built, put into a store by whoever may write it (docs/security.md).

Where no policy asks for more, a store is believed that a wheel was built of a source; not that it is a wheel
of something else, and not where its files go.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from packaging.version import Version

import conjoin
from conjoin.api import Store
from conjoin.build.built_wheels import BuiltWheels
from conjoin.build.jobs import Job, build_key
from conjoin.build.sources.fetch import Source
from conjoin.index.interpreters import HostPython
from conjoin.spec.names import PypiName
from conjoin.spec.platform import host_platform
from conjoin.store.builds import Builds
from conjoin.store.layout import build_key_key
from loopback import LoopbackServer
from sdists import builds, make_building_sdist
from worlds import make_index, make_wheel

HERE = ".".join(map(str, sys.version_info[:2]))
ABI = f"cp{HERE.replace('.', '')}"
SOURCE = Source(Path(), "f" * 64, "sha256:" + "f" * 64)
TOOLS = ("maker-1.0-py3-none-any.whl#sha256=" + "0" * 64,)
PURE, OWN = (
    build_key(SOURCE.identity, ["maker"], ""),
    build_key(SOURCE.identity, ["maker"], "", ABI, host_platform()),
)
EXACT, EXACT_OWN = (
    build_key(SOURCE.identity, TOOLS, ""),
    build_key(SOURCE.identity, TOOLS, "", ABI, host_platform()),
)
PYTHON = HostPython("cp", Version(f"{HERE}.1"), ABI, False, Path(sys.executable))
JOB = Job(SOURCE, PypiName("app"), Version("1.0"), cast("Any", None), PYTHON, (PURE, OWN))


def plant(store: Store, wheel: Path, *keys: str, **note: Any) -> str:
    """Have keys mean a wheel; return its sha256."""
    content = wheel.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    store.packages.put(sha256, wheel.name, [content])
    told = {"file": wheel.name, "sha256": sha256, "size": len(content), **note}
    for key in keys:
        store.backend.put(build_key_key(key), json.dumps(told).encode())
    return sha256


def named(name: str, version: str = "1.0", **more: Any) -> Callable[[Path], Path]:
    return lambda folder: make_wheel(folder, name, version, **more)


def renamed(folder: Path) -> Path:
    return make_wheel(folder, "other", "1.0").rename(folder / "app-1.0-py3-none-any.whl")


def no_zip(folder: Path) -> Path:
    folder.mkdir()
    (folder / "app-1.0-py3-none-any.whl").write_bytes(b"PK\x03\x04 nothing")
    return folder / "app-1.0-py3-none-any.whl"


def for_others(folder: Path) -> Path:
    return make_wheel(folder, "app", "1.0", tags="cp27-cp27m-win32")


PLANTED: dict[str, tuple[Callable[[Path], Path], dict[str, Any]]] = {
    "of another project": (named("other"), {}),
    "of another version": (named("app", "2.0"), {}),
    "of another platform": (for_others, {}),
    "called as if it were": (renamed, {}),
    "that is no wheel": (no_zip, {}),
    "with other bytes": (named("app"), {"sha256": "0" * 64}),
    "of another source's key": (named("app"), {"build_key": "e" * 64}),
    "built with something else": (named("app"), {"built_with": ["x-1-py3-none-any.whl#sha256=" + "0" * 64]}),
    "built with nothing": (named("app"), {"built_with": []}),
    "of this platform alone": (named("app", tags=f"{ABI}-{ABI}-linux_x86_64"), {}),
    "with tools that are none": (named("app"), {"built_with": ["../x"]}),
    "that goes elsewhere": (named("app"), {"build_key": "../../../../outside"}),
    "with an absolute place": (named("app"), {"build_key": "OUTSIDE"}),
    "with a file elsewhere": (named("app"), {"file": "../app-1.0-py3-none-any.whl"}),
}


@pytest.mark.parametrize("key", [PURE, EXACT], ids=["request", "key"])
@pytest.mark.parametrize("case", PLANTED)
def test_what_cannot_be_the_wheel_is_not_taken(case: str, key: str, tmp_path: Path) -> None:
    make, note = PLANTED[case]
    if note.get("build_key") == "OUTSIDE":
        note = {"build_key": str(tmp_path / "outside" / "x")}
    store = Store()
    plant(store, make(tmp_path / "planted"), key, **{"build_key": EXACT, "built_with": TOOLS, **note})
    before = {each.name for each in tmp_path.iterdir()}
    wheels = BuiltWheels(tmp_path / "cache" / "built", Builds(store))
    assert wheels.find([key], JOB.fits) is None
    assert {each.name for each in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("request_key", "key", "tags"),
    [
        (PURE, EXACT, "py3-none-any"),
        (OWN, EXACT_OWN, f"{ABI}-abi3-linux_x86_64"),
        (PURE, PURE, "py3-none-any"),
    ],
)
def test_what_can_be_it_is_found(request_key: str, key: str, tags: str, tmp_path: Path) -> None:
    if not tags.endswith("any") and host_platform() != "linux-64":
        pytest.skip("the wheel is for another platform")
    store = Store()
    tools = TOOLS if key != request_key else ()
    wheel = make_wheel(tmp_path / "wheel", "app", "1.0", tags=tags)
    sha256 = plant(store, wheel, request_key, build_key=key, built_with=tools)
    wheels = BuiltWheels(tmp_path / "cache" / "built", Builds(store))
    found = wheels.find([request_key], JOB.fits)
    assert found is not None
    read = wheels.read(found[1], JOB.name, JOB.version, SOURCE, request_key)
    assert (read.sha256, read.build_key, read.built_with) == (sha256, key, tools)


def test_whoever_asks_builds_what_cannot_be_believed_and_takes_the_rest(
    channel_server: LoopbackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but the store says of which source a wheel was built: so it is until a policy asks for more."""
    sdist = make_building_sdist(tmp_path / "sdists", "app", "1.0")
    team = Store(tmp_path / "team")
    with LoopbackServer(make_index(tmp_path / "index", [sdist])) as server:

        def ask(home: str, *conda: str) -> Any:
            for variable in ("CONJOIN_STORE", "CONJOIN_CACHE", "CONJOIN_ENVS"):
                monkeypatch.setenv(variable, str(tmp_path / home / variable))
            asked = conjoin.Requirements.build(
                conda=["tinylib", *conda],
                pypi=["app"],
                python=HERE,
                channels=[channel_server.url],
                index_url=server.url,
            )
            lock = conjoin.resolve(asked, store=team)
            (locked,) = lock.platforms.values()
            return lock, next(each for each in locked.packages if each.name == "app")

        lock, app = ask("ada")
        team.push(lock)
        plant(team, make_wheel(tmp_path / "two", "app", "2.0"), app.build_key, build_key="../../../outside")
        # Another request, so that there is no lock of it: the wheel alone is found, or built.
        assert ask("grace", "tinyapp")[1] == app
        assert builds(tmp_path / "sdists", "app") == 2
        assert not list(tmp_path.rglob("outside*"))
        other = make_wheel(tmp_path / "planted", "app", "1.0", files={"app/more.py": "X = 1\n"})
        sha256 = plant(team, other, app.build_key, build_key=app.build_key)
        believed = ask("bob", "tinyapp", "python_abi")[1]
        assert believed.sha256 == sha256 != app.sha256
        assert (believed.build_key, believed.source_sha256) == (app.build_key, app.source_sha256)
        assert builds(tmp_path / "sdists", "app") == 2
