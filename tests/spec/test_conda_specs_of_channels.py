"""What conda-forge's records depend on, in all its spellings, means to us what it means to py-rattler."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from rattler import MatchSpec, PackageRecord
from rattler.package import BuildString

from conjoin.spec.names import name_of_spec
from conjoin.spec.syntax.conda_requirement import conda_requirement

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SAMPLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "conda-forge-sample"
_ONE_IN = 12
"""Of the sample's 17,071 different specs, so many are compared here; all of them were, and none differed."""

Place = tuple[str, str]  # version and build


def differences(spec: str, places: list[Place]) -> list[Place]:
    """Return where our reading of a spec and py-rattler's disagree."""
    theirs = MatchSpec(spec, strict=False)
    ours = MatchSpec(conda_requirement(spec).match_spec(), strict=True)
    records = (
        PackageRecord(name_of_spec(spec), version, BuildString(build), 0, "noarch")
        for version, build in places
    )
    return [(str(r.version), str(r.build)) for r in records if ours.matches(r) != theirs.matches(r)]


PLACES: list[Place] = [
    (version, build)
    for version in (
        "1",
        "1.0",
        "1.2",
        "1.2.0",
        "1.2.3",
        "1.2.3rc1",
        "1.2.post1",
        "1.20",
        "1!1.2",
        "2.0",
        "2.0a0",
        "3.1",
    )
    for build in ("0", "h1_0", "py312_0", "py312h5_cpython", "openblas", "cuda126_1")
]


@pytest.mark.parametrize(
    "spec",
    [
        "lib",
        "lib *",
        "lib =1.2",
        "lib=1.2",
        "lib 1.2",
        "lib 1.2.*",
        "lib 1.2*",
        "lib ==1.2",
        "lib ==1.2=h1_0",
        "lib =1.2=py312*",
        "lib 1.2.3 py312_0",
        "lib 1.2.* *_cpython",
        "lib * openblas",
        "lib >=1,<2|>3",
        "lib >=1.2,<3.0a0",
        "lib >=1.2,!=1.2.3",
        "lib ~=1.2",
        "lib ~=1.2.0",
        "lib 1.2|2.0",
        "lib (>=1.2,<1.3)|2.*",
        "lib >=1.2.3rc1",
        "lib <1.2.3",
        "lib 1!1.2",
        "lib !=1.2.*",
        "lib >=1.2 *cuda*",
    ],
)
def test_odd_specs(spec: str) -> None:
    assert differences(spec, PLACES) == []


@pytest.mark.slow
@pytest.mark.skipif(not SAMPLE.exists(), reason="no sample of conda-forge beside the project")
def test_every_spec_of_conda_forge() -> None:
    specs: set[str] = set()
    places: dict[str, set[Place]] = {}
    for subdir in ("linux-64", "noarch"):
        document = json.loads(zstd.decompress((SAMPLE / subdir / "repodata.json.zst").read_bytes()))
        for record in (*document["packages"].values(), *document["packages.conda"].values()):
            specs.update(record["depends"], record.get("constrains", ()))
            places.setdefault(record["name"], set()).add((record["version"], record["build"]))
    assert len(specs) > 5000
    for spec in sorted(specs)[::_ONE_IN]:
        assert differences(spec, sorted(places.get(name_of_spec(spec), ()))) == [], spec
