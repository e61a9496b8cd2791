"""Solving on top of a locked environment: every pin stays, and what stands against one is said."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import conjoin
import conjoin.solve.request
from conjoin.errors import ConjoinError, NoSolution, NotFound, UsageError
from conjoin.lock.extend import missing_pins
from conjoin.lock.format import encode
from conjoin.lock.model import Lock, LockedPackage
from conjoin.resolving import ResolveOptions, resolve_request
from conjoin.resolving.from_lock import solution_of
from conjoin.resolving.to_lock import locked_platform
from conjoin.spec.build import build_requirements
from sdists import make_building_sdist
from solving import PLATFORM, World


class Shop:
    """A world, and requests to it that leave locks behind."""

    def __init__(self, world: World) -> None:
        self.world = world

    def lock(
        self,
        conda: Sequence[str] = (),
        pypi: Sequence[str] = (),
        *,
        using: Lock | None = None,
        platforms: Sequence[str] = (),
        **options: Any,
    ) -> Lock:
        self.world.write()
        where = {"channels": [self.world.channel_url], "index_url": self.world.index_url}
        asked = build_requirements(conda=conda, pypi=pypi, **{**where, **options})
        platforms = platforms or (() if using else [PLATFORM])
        return resolve_request(asked, platforms, ResolveOptions(using=using, using_name="team/base:v1")).lock

    def refused(self, base: Lock, conda: Sequence[str] = (), pypi: Sequence[str] = (), **options: Any) -> str:
        with pytest.raises(NoSolution) as refused:
            self.lock(conda, pypi, using=base, **options)
        causes = getattr(refused.value, "causes", ()) or (refused.value.what,)
        assert refused.value.advice
        return "; ".join(causes)

    def forget(self) -> None:
        """Empty channel and index: everything was dropped there."""
        self.world._records = {"channel": {PLATFORM: {}, "noarch": {}}}
        self.world._wheels = []
        for page in (self.world.root / "index").glob("*/index.html"):
            page.unlink()


@pytest.fixture
def shop(world: World, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setattr(conjoin.solve.request, "_EXIT_PAUSE", 0.0)  # this process goes on
    world.python("3.11.1", "3.12.1")
    world.conda("numpy", "1.26.4", ["python"])
    world.conda("zlib", "1.2")
    world.wheel("model", "1.0", ["numpy<2", "helper"], extras={"plot": ["canvas"], "old": ["numpy<1"]})
    world.wheel("helper", "1.0")
    world.wheel("canvas", "3.0", ["helper"])
    return Shop(world)


def _packages(lock: Lock) -> dict[str, LockedPackage]:
    return {package.name: package for package in lock.platforms[PLATFORM].packages}


def _base(shop: Shop) -> Lock:
    return shop.lock(["numpy", "python =3.11"], ["model"])


def _newer_everything(shop: Shop) -> None:
    shop.world.python("3.11.9")
    shop.world.conda("numpy", "1.26.5", ["python"])
    shop.world.wheel("model", "1.1", ["numpy<2", "helper"])
    shop.world.wheel("helper", "1.1")


def test_every_pin_stays_although_there_is_newer(shop: Shop) -> None:
    base = _base(shop)
    _newer_everything(shop)
    shop.world.wheel("extra", "1.0", ["helper>=0.5", "fresh"])
    shop.world.wheel("fresh", "1.0")
    made = shop.lock(["zlib"], ["extra"], using=base)
    before, after = _packages(base), _packages(made)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {"extra", "fresh", "zlib"}
    assert made.req_id != base.req_id
    assert made.requirements["base"] == f"{base.req_id}:{base.full_id}"


def test_conda_alone_on_top_of_wheels(shop: Shop) -> None:
    base = _base(shop)
    made = shop.lock(["zlib"], using=base, channels=[], index_url=None)
    assert _packages(made).keys() - _packages(base).keys() == {"zlib"}
    # What the base was resolved from goes on to hold.
    assert made.requirements["channels"] == base.requirements["channels"]
    assert made.requirements["indexes"] == base.requirements["indexes"]


def test_what_was_dropped_everywhere_is_still_there(shop: Shop) -> None:
    base = _base(shop)
    shop.forget()
    shop.world.python("3.12.1")
    shop.world.conda("late", "1.0", ["numpy >=1.20", "python"])
    shop.world.wheel("extra", "1.0", ["model", "numpy"])
    made = shop.lock(["late"], ["extra"], using=base)
    assert not missing_pins(base.platforms[PLATFORM], made.platforms[PLATFORM])
    assert {"late", "extra"} <= _packages(made).keys()


def test_a_yanked_wheel_stays(shop: Shop) -> None:
    base = _base(shop)
    shop.world.page_options = {"yanked": {"helper-1.0-py3-none-any.whl": "broken"}}
    shop.world.wheel("extra", "1.0", ["helper"])
    assert _packages(shop.lock(pypi=["extra"], using=base))["helper"].version == "1.0"


def test_a_new_extra_of_a_pinned_wheel_brings_what_it_needs(shop: Shop) -> None:
    base = _base(shop)
    made = shop.lock(pypi=["model[plot]"], using=base)
    before, after = _packages(base), _packages(made)
    assert after.keys() - before.keys() == {"canvas"}
    assert after["model"].extras == ("plot",)
    assert after["model"].dependencies == ("canvas ; extra == 'plot'".partition(" ;")[0], "helper", "numpy<2")
    assert (after["model"].file, after["model"].sha256) == (before["model"].file, before["model"].sha256)
    assert {name: after[name] for name in before if name != "model"} == {
        name: before[name] for name in before if name != "model"
    }


def test_a_dependency_asks_for_a_new_extra(shop: Shop) -> None:
    base = _base(shop)
    shop.world.wheel("painter", "1.0", ["model[plot]>=1"])
    assert _packages(shop.lock(pypi=["painter"], using=base)).keys() >= {"painter", "canvas"}


def test_a_new_extra_that_contradicts_a_pin(shop: Shop) -> None:
    said = shop.refused(_base(shop), pypi=["model[old]"])
    assert said == ("team/base:v1 pins numpy 1.26.4 (conda), and model[old] 1.0 (PyPI) wants numpy<1 (PyPI)")


def test_an_extra_of_a_project_that_conda_provides(shop: Shop) -> None:
    shop.world.wheel("numpy", "1.26.4", extras={"fast": ["canvas"]})
    base = _base(shop)
    assert _packages(base)["numpy"].kind == "conda"
    made = _packages(shop.lock(pypi=["numpy[fast]"], using=base))
    assert made["numpy"] == _packages(base)["numpy"]
    assert "canvas" in made


def test_chains(shop: Shop) -> None:
    base = _base(shop)
    second = shop.lock(["zlib"], using=base)
    third = shop.lock(pypi=["canvas"], using=second)
    assert third.requirements["base"] == f"{second.req_id}:{second.full_id}"
    for below in (base, second):
        assert not missing_pins(below.platforms[PLATFORM], third.platforms[PLATFORM])


def test_the_same_extension_is_the_same_lock_however_typed(shop: Shop) -> None:
    base = _base(shop)
    one = shop.lock(["zlib"], ["canvas", "model[plot]"], using=base)
    again = shop.lock(["zlib"], ["model[plot]", "canvas"], using=base)
    assert encode(one) == encode(again)


@pytest.mark.parametrize(
    ("conda", "pypi", "options", "said"),
    [
        (["numpy >=2"], [], {}, "numpy 1.26.4 (conda, 0), and numpy >=2 is asked for"),
        ([], ["numpy>=2"], {}, "numpy 1.26.4 (conda), and numpy>=2 is asked for"),
        ([], ["helper==2"], {}, "helper 1.0 (pypi), and helper==2 is asked for"),
        ([], [], {"python": "3.12"}, "python 3.11.1 (conda, h_100_cp311), and python "),
        ([], ["canvas"], {"constraints": ["helper>1"]}, "helper 1.0 (pypi), and helper>1 (a constraint) is"),
        ([], ["model @ https://x.example/model-1.0-py3-none-any.whl"], {}, "model 1.0 (pypi), and model @ h"),
    ],
)
def test_a_request_that_contradicts_a_pin(
    shop: Shop, conda: list[str], pypi: list[str], options: dict[str, Any], said: str
) -> None:
    told = shop.refused(_base(shop), conda, pypi, **options)
    assert told.startswith(f"team/base:v1 pins {said}"), told


def test_a_dependency_that_contradicts_a_pin(shop: Shop) -> None:
    base = _base(shop)
    shop.world.wheel("newer", "1.0", ["numpy>=2"])
    shop.world.conda("tool", "1.0", ["numpy >=2"])
    assert shop.refused(base, pypi=["newer"]) == (
        "team/base:v1 pins numpy 1.26.4 (conda), and newer 1.0 (PyPI) wants numpy>=2 (PyPI)"
    )
    assert shop.refused(base, ["tool"]) == (
        "team/base:v1 pins numpy 1.26.4 (conda), and tool 1.0 wants numpy >=2"
    )


def test_a_conda_package_that_would_replace_a_pinned_wheel(shop: Shop) -> None:
    shop.world.conda("helper", "1.0", ["python"])
    base = shop.lock(["python"], ["helper"])
    assert _packages(base)["helper"].kind == "pypi"
    shop.world.conda("tool", "1.0", ["helper"])
    assert "team/base:v1 pins helper 1.0 (pypi)" in shop.refused(base, ["tool"])


def test_a_platform_that_the_base_lacks(shop: Shop) -> None:
    with pytest.raises(NotFound, match=r"team/base:v1 has no environment for osx-arm64, only for linux-64"):
        shop.lock(pypi=["canvas"], using=_base(shop), platforms=["osx-arm64"])


def test_every_platform_of_the_base_is_the_default(shop: Shop) -> None:
    shop.world.python("3.11.1", subdir="osx-arm64")
    base = shop.lock(["python"], ["helper"], platforms=[PLATFORM, "osx-arm64"])
    made = shop.lock(pypi=["canvas"], using=base)
    assert sorted(made.platforms) == [PLATFORM, "osx-arm64"]


def test_another_virtual_package_than_the_base_assumed(shop: Shop) -> None:
    base = _base(shop)
    with pytest.raises(UsageError, match=r"__glibc=2\.17 is asked for"):
        shop.lock(pypi=["canvas"], using=base, virtual_packages=["__glibc=2.17"])
    more = shop.lock(pypi=["canvas"], using=base, virtual_packages=["__cuda=12.4"])
    assert more.platforms[PLATFORM].virtual_packages["__cuda"] == "12.4"


def test_a_cut_off_date_is_for_what_is_new(shop: Shop) -> None:
    base = _base(shop)
    shop.world.conda("old", "1.0", timestamp=1500000000000)
    shop.world.conda("old", "2.0")
    made = shop.lock(["old"], using=base, exclude_newer="2020-01-01")
    assert _packages(made)["old"].version == "1.0"


def test_a_wheel_that_was_built_is_not_built_again(shop: Shop) -> None:
    sdists = shop.world.root / "sdists"
    shop.world.add(make_building_sdist(sdists, "only", "1.0", ["helper"], static=True))
    base = shop.lock(["python"], ["only"])
    assert (sdists / "only.built").read_text() == "built\n"
    made = shop.lock(pypi=["canvas"], using=base)
    assert _packages(made)["only"] == _packages(base)["only"]
    assert (sdists / "only.built").read_text() == "built\n"


def test_an_override_of_the_base_goes_on_to_hold(shop: Shop) -> None:
    shop.world.wheel("strict", "1.0", ["helper<1"])
    base = shop.lock(["python"], ["strict"], overrides=["helper>=1"])
    shop.world.wheel("stricter", "1.0", ["helper<0.5"])
    assert _packages(shop.lock(pypi=["stricter"], using=base))["helper"].version == "1.0"


def test_a_python_of_a_host_stays_where_that_host_is_not(shop: Shop) -> None:
    base = _base(shop)
    host = LockedPackage(
        kind="python",
        name="python",
        version="3.11.99",
        file="cpython-3.11.99-cp311",
        implementation="cpython",
        abi="cp311",
    )
    packages = tuple(p for p in base.platforms[PLATFORM].packages if p.name == "helper")
    from conjoin.lock.identity import make_lock
    from conjoin.lock.model import LockedPlatform

    locked = LockedPlatform(
        virtual_packages=base.platforms[PLATFORM].virtual_packages, packages=(*packages, host)
    )
    lock = make_lock(base.requirements, base.req_id, {PLATFORM: locked})
    made = _packages(shop.lock(pypi=["canvas"], using=lock))
    assert made["python"] == host
    assert made.keys() == {"python", "helper", "canvas"}
    assert "python 3.11.99 (this host's)" in shop.refused(lock, pypi=["canvas"], python="3.12")
    with pytest.raises(ConjoinError, match="Python from a channel"):
        shop.lock(["zlib"], using=lock)


def test_a_lock_becomes_a_solution_and_the_same_lock_again(shop: Shop) -> None:
    base = _base(shop)
    solution = solution_of(PLATFORM, base.platforms[PLATFORM])
    again = locked_platform(solution)
    assert set(again.packages) == set(base.platforms[PLATFORM].packages)
    assert dataclasses.is_dataclass(solution)


def test_a_dropped_wheel_is_read_from_the_store_for_its_new_extra(shop: Shop) -> None:
    from conjoin.api import Store

    base = _base(shop)
    model = _packages(base)["model"]
    content = Path(shop.world.root / "index" / "files" / model.file)
    Store().packages.put(model.sha256, model.file, iter([content.read_bytes()]))
    shop.forget()
    content.unlink()
    (shop.world.root / "wheels" / model.file).unlink()
    shop.world.python("3.11.1")
    shop.world.wheel("canvas", "3.0")
    assert "canvas" in _packages(shop.lock(pypi=["model[plot]"], using=base))


def test_the_public_function_takes_a_lock_or_a_name(shop: Shop) -> None:
    base = _base(shop)
    store = conjoin.Store()
    store.alias(base, "team/base:v1")
    asked = build_requirements(pypi=["canvas"])
    by_lock = conjoin.resolve(asked, using=base)
    assert conjoin.resolve(asked, using="team/base:v1", store=store) == by_lock
    assert "canvas" in _packages(by_lock)
    with pytest.raises(NotFound, match="no alias team/none"):
        conjoin.resolve(asked, using="team/none:v1")
