"""From decorators to requests and requirements: one meaning, whoever asks."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("metaflow")
from conjoin.lock.model import Lock, LockedPackage, LockedPlatform
from conjoin.spec.build import build_requirements
from conjoin.spec.canonical import req_id
from metaflow import metaflow_config
from metaflow_extensions.conjoin.errors import EnvironmentProblem
from metaflow_extensions.conjoin.plugins.environment.request import step_decorators as deco
from metaflow_extensions.conjoin.plugins.environment.request.ask import NOTHING, Ask
from metaflow_extensions.conjoin.plugins.environment.request.metaflow_libraries import METAFLOW_LIBRARIES
from metaflow_extensions.conjoin.plugins.environment.request.step_request import StepRequest, step_request
from metaflow_extensions.conjoin.plugins.environment.request.step_requirements import (
    conda_text,
    pypi_text,
    requirements_of,
)

PYTHON = ".".join(map(str, sys.version_info[:2]))
LIBRARIES = ["requests>=2.21.0", "boto3>=1.14.0"]


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONDA_CHANNELS", raising=False)
    for name in dir(metaflow_config):
        if name.startswith("CONDA_") and isinstance(getattr(metaflow_config, name), str):
            monkeypatch.setattr(metaflow_config, name, None)


def conda(**attributes: Any) -> Any:
    return deco.CondaStepDecorator(attributes=attributes, statically_defined=True)


def pypi(**attributes: Any) -> Any:
    return deco.PypiStepDecorator(attributes=attributes, statically_defined=True)


def named(**attributes: Any) -> Any:
    return deco.NamedEnvStepDecorator(attributes=attributes, statically_defined=True)


def other(name: str, **attributes: Any) -> Any:
    platform = attributes.pop("target_platform", None)
    return SimpleNamespace(name=name, attributes=attributes, target_platform=platform)


def request(*decorators: Any, outer: Ask = NOTHING, datastore: str = "local") -> StepRequest:
    return step_request("train", decorators, outer, datastore)


def same(made: Any, **texts: Any) -> bool:
    return req_id(made) == req_id(build_requirements(**texts))


class TestWhatAStepAsksFor:
    def test_an_undecorated_step_has_an_environment(self) -> None:
        assert request().enabled
        assert not request().as_named

    def test_a_disabled_one_has_none(self) -> None:
        assert not request(conda(packages={"a": ""}, disabled=True)).enabled
        assert not request(outer=Ask(disabled=True)).enabled

    def test_a_named_one_alone_is_taken_as_it_is(self) -> None:
        assert request(named(name="x:v1")).as_named
        assert not request(named(name="x:v1"), pypi(packages={"a": ""})).as_named
        assert request(named(name="x:v1"), outer=Ask(python="3.9")).as_named

    def test_fetched_at_exec(self) -> None:
        assert request(named(name="x:@{METAFLOW_RUN_ID}", fetch_at_exec=True)).fetched_at_exec
        with pytest.raises(EnvironmentProblem, match="step train: fetch_at_exec is for a named environment"):
            request(named(fetch_at_exec=True))
        with pytest.raises(EnvironmentProblem, match=r"step train: .* cannot be extended"):
            request(named(name="x", fetch_at_exec=True), conda(packages={"a": ""}))

    @pytest.mark.parametrize(
        ("decorators", "platform"),
        [
            ([], None),
            ([other("resources", gpu=1)], None),
            ([other("kubernetes")], "linux-64"),
            ([other("batch", target_platform="linux-aarch64")], "linux-aarch64"),
            ([SimpleNamespace(name="mine", attributes={}, supports_conda_environment=True)], "linux-64"),
        ],
    )
    def test_where_it_runs(self, decorators: list[Any], platform: str | None) -> None:
        assert request(*decorators).remote_platform == platform
        assert request(*decorators).remote == (platform is not None)

    @pytest.mark.parametrize(
        ("gpu", "asked"), [(1, True), ("2", True), (0, False), ("0", False), (None, False)]
    )
    def test_whether_it_asks_for_a_gpu(self, gpu: object, asked: bool) -> None:
        assert request(other("resources", gpu=gpu)).gpu is asked
        assert request(other("card", gpu=gpu)).gpu is False


class TestRequirements:
    def test_nothing_asked_for_is_python_and_what_metaflow_needs(self) -> None:
        assert same(requirements_of(request()), conda=LIBRARIES, python=PYTHON)

    def test_conda_packages(self) -> None:
        asked = {"numpy": "1.26.4", "scipy": ">=1.2,<2", "pip": "", "conda-forge::x": "=1.2", "y": "2=py3*"}
        texts = ["numpy==1.26.4", "scipy>=1.2,<2", "pip", "conda-forge::x=1.2", "y==2=py3*"]
        made = requirements_of(request(conda(packages=asked, python="3.12")))
        assert same(made, conda=[*texts, *LIBRARIES], python="3.12")

    def test_pypi_packages_bring_metaflow_s_libraries_to_their_side(self) -> None:
        asked = {"requests[socks]": ">=2.30", "a": "1.0", "b": "@ https://x.example/b-1-py3-none-any.whl"}
        texts = ["requests[socks]>=2.30", "a==1", "b @ https://x.example/b-1-py3-none-any.whl"]
        made = requirements_of(request(pypi(packages=asked)))
        # What is asked for already is not asked for twice.
        assert same(made, pypi=[*texts, "boto3>=1.14.0"], python=PYTHON)

    def test_both_sides_are_one_request(self) -> None:
        made = requirements_of(request(conda(packages={"gdal": ""}), pypi(packages={"rasterio": ""})))
        assert same(made, conda=["gdal"], pypi=["rasterio", *LIBRARIES], python=PYTHON)

    def test_by_decorator_by_file_and_by_command_line(self, tmp_path: Path) -> None:
        file = tmp_path / "environment.yml"
        file.write_text(
            "channels: [bioconda, conda-forge]\n"
            "dependencies:\n- python=3.11\n- samtools>=1.2\n- pip:\n  - Tiny_Lib==2.2.0\n"
            "  - boto3>=1.14\n  - requests>=2.21\n"
        )
        decorated = request(
            conda(packages={"samtools": ">=1.2"}, channels=["bioconda"], python="3.11"),
            pypi(packages={"tiny-lib": "2.2"}),
        )
        from conjoin import Requirements

        by_file = Requirements.from_file(file)
        typed = build_requirements(
            conda=["samtools >=1.2"],
            pypi=["tiny.lib==2.2", *LIBRARIES],
            python="3.11.*",
            channels=["bioconda", "conda-forge"],
        )
        assert req_id(requirements_of(decorated)) == req_id(by_file) == req_id(typed)

    def test_indexes_and_options_of_pip(self) -> None:
        step = pypi(packages={"a": ""}, extra_indices=["https://i.example/simple"], extras=["pre"])
        made = requirements_of(request(step))
        assert same(
            made,
            pypi=["a", *LIBRARIES],
            python=PYTHON,
            extra_index_urls=["https://i.example/simple"],
            prereleases=True,
        )

    def test_credentials_are_no_part_of_what_is_asked_for(self) -> None:
        step = pypi(packages={"a": ""}, extra_indices=["https://me:secret@i.example/simple"])
        made = requirements_of(request(step))
        assert "secret" not in repr(made)
        assert [one.password for one in made.credentials if one.password] == ["secret"]

    @pytest.mark.parametrize("datastore", sorted(METAFLOW_LIBRARIES))
    def test_the_libraries_for_each_datastore(self, datastore: str) -> None:
        texts = [name + version for name, version in METAFLOW_LIBRARIES[datastore].items()]
        assert same(requirements_of(request(datastore=datastore)), conda=texts, python=PYTHON)

    def test_a_laptop_and_the_cloud_ask_for_the_same(self) -> None:
        ids = {req_id(requirements_of(request(datastore=one))) for one in ("local", "s3", "spin")}
        assert len(ids) == 1

    def test_metaflow_s_own_list_is_covered(self) -> None:
        for datastore, ours in METAFLOW_LIBRARIES.items():
            theirs = metaflow_config.get_pinned_conda_libs("3.11", datastore)
            assert theirs.items() <= ours.items(), datastore

    def test_a_free_threaded_python(self) -> None:
        made = requirements_of(request(conda(python="3.13t")))
        assert same(made, conda=["python-freethreading", *LIBRARIES], python="3.13")

    def test_the_system(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            metaflow_config, "CONDA_SYS_DEFAULT_PACKAGES", {"linux-aarch64": {"__glibc": "2.31"}}
        )
        monkeypatch.setattr(metaflow_config, "CONDA_SYS_DEFAULT_GPU_PACKAGES", {"__cuda": "12.4"})
        arm = other("kubernetes", target_platform="linux-aarch64", gpu=1)
        made = requirements_of(request(arm))
        assert made.virtual_packages == (("__cuda", "12.4"), ("__glibc", "2.31"))
        mine = deco.SysPackagesStepDecorator(attributes={"packages": {"__cuda": "11.8"}})
        assert dict(requirements_of(request(arm, mine)).virtual_packages)["__cuda"] == "11.8"

    def test_settings_of_metaflow_are_stronger_than_those_of_conjoin(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CONJOIN_CHANNELS", "bioconda")
        monkeypatch.setenv("CONJOIN_STRATEGY", "lowest")
        assert requirements_of(request()).channels == ("bioconda",)
        monkeypatch.setattr(metaflow_config, "CONDA_CHANNELS", "a,b")
        monkeypatch.setattr(metaflow_config, "CONDA_DEFAULT_PYPI_SOURCE", "https://i.example/simple")
        made = requirements_of(request(conda(packages={"x": ""}, channels=["mine", "b"])))
        assert made.channels == ("mine", "b", "a")
        assert made.indexes == ("https://i.example/simple/",)
        assert made.strategy == "lowest"

    def test_what_cannot_be_understood_names_the_step(self) -> None:
        with pytest.raises(EnvironmentProblem, match=r"^step train: 'x>=!!' is not a"):
            requirements_of(request(pypi(packages={"x": ">=!!"})))

    def test_an_extended_environment_decides_on_python_and_has_its_libraries(self) -> None:
        packages = tuple(
            LockedPackage(kind="pypi", name=name, version="9", file=f"{name}.whl", sha256="0" * 64)
            for name in ("requests", "tinylib")
        )
        locked = LockedPlatform(virtual_packages={}, packages=packages)
        base = Lock(
            schema=1, req_id="1" * 40, full_id="2" * 40, requirements={}, platforms={"linux-64": locked}
        )
        step = request(named(name="x"), conda(packages={"gdal": ""}), other("kubernetes"))
        made = requirements_of(step, base)
        ids = f"{'1' * 40}:{'2' * 40}"
        assert same(made, conda=["gdal", "boto3>=1.14.0"], base=ids)


@pytest.mark.parametrize(
    ("name", "version", "text"),
    [
        ("numpy", "", "numpy"),
        ("numpy", "*", "numpy"),
        ("numpy", "1.26", "numpy==1.26"),
        ("numpy", "1.26.*", "numpy==1.26.*"),
        ("numpy", "=1.26", "numpy=1.26"),
        ("numpy", ">=1,<2", "numpy>=1,<2"),
        ("ch::numpy", "1.26=py3*", "ch::numpy==1.26=py3*"),
    ],
)
def test_how_a_conda_package_is_spelt(name: str, version: str, text: str) -> None:
    assert conda_text(name, version) == text


@pytest.mark.parametrize(
    ("name", "version", "text"),
    [
        ("a", "", "a"),
        ("a[x]", "1.0", "a[x]==1.0"),
        ("a", "~=1.2", "a~=1.2"),
        ("a", "1.0 ; python_version < '3.12'", "a==1.0 ; python_version < '3.12'"),
        ("a", "@ https://x.example/a.tar.gz", "a @ https://x.example/a.tar.gz"),
        ("a", "git+https://x.example/a@v1", "a @ git+https://x.example/a@v1"),
        ("a", "./folder", "a @ ./folder"),
        ("https://x.example/a-1-py3-none-any.whl", "", "a @ https://x.example/a-1-py3-none-any.whl"),
        ("a @ git+https://x.example/a", "", "a @ git+https://x.example/a"),
    ],
)
def test_how_a_pypi_package_is_spelt(name: str, version: str, text: str) -> None:
    assert pypi_text(name, version) == text
