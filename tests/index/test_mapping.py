from __future__ import annotations

import json
from pathlib import Path

import pytest

from conjoin.errors import UsageError
from conjoin.index.mapping import Mapping, Provides, parse_purl
from conjoin.spec.names import CondaName, PypiName

SHIPPED = Mapping.load()


def provides(name: str, *purls: str, python: bool = True, mapping: Mapping = SHIPPED) -> Provides:
    return mapping.provides(CondaName(name), purls, python)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pkg:pypi/numpy@1.26.4", ("numpy", "1.26.4")),
        ("pkg:pypi/Ruamel.Yaml?source=hash-mapping", ("ruamel-yaml", None)),
        ("pkg:pypi/torch@2.0%2Bcu118?source=x#sub", ("torch", "2.0+cu118")),
        ("pkg:PyPI/x", ("x", None)),
        ("pkg:conda/numpy@1", None),
        ("pkg:pypi/", None),
        ("pkg:pypi/a/b", None),
        ("numpy", None),
        ("", None),
    ],
)
def test_purls_are_read(text: str, expected: object) -> None:
    assert parse_purl(text) == expected


@pytest.mark.parametrize(
    ("conda", "pypi"),
    [
        ("pytorch", "torch"),
        ("matplotlib-base", "matplotlib"),
        ("python-tzdata", "tzdata"),
        ("msgpack-python", "msgpack"),
        ("pytables", "tables"),
        ("python-xxhash", "xxhash"),
        ("python-graphviz", "graphviz"),
        ("brotli-python", "brotli"),
        ("dask-core", "dask"),
        ("tensorflow-base", "tensorflow"),
        ("ray-core", "ray"),
        ("pyqt", "pyqt5"),
        ("python-build", "build"),
        ("python-duckdb", "duckdb"),
        ("py-xgboost", "xgboost"),
        ("typing_extensions", "typing-extensions"),
        ("ruamel.yaml", "ruamel-yaml"),
        ("numpy", "numpy"),
    ],
)
def test_packages_whose_names_differ(conda: str, pypi: str) -> None:
    assert provides(conda).main == pypi


@pytest.mark.parametrize(
    "name",
    [
        "matplotlib",
        "pytorch-gpu",
        "typing-extensions",
        "xgboost",
        "tensorflow",
        "opencv",
        "boost",
        "libtorch",
    ],
)
def test_packages_that_depend_on_python_and_yet_provide_no_distribution(name: str) -> None:
    assert provides(name) == Provides()


@pytest.mark.parametrize("name", ["graphviz", "zstd", "xxhash", "cmake", "some-c-library"])
def test_a_package_without_python_provides_nothing_of_the_same_name(name: str) -> None:
    assert provides(name, python=False) == Provides()


def test_the_same_normalised_name_only_where_the_package_depends_on_python() -> None:
    assert provides("my_own.tool").main == "my-own-tool"
    assert provides("my_own.tool", python=False).main is None
    assert provides("_hidden_thing").main is None


def test_python_itself_is_no_project_whatever_its_purls_say() -> None:
    assert provides("python", "pkg:pypi/python", "pkg:pypi/cpython@3.11") == Provides()


def test_the_main_distribution_is_told_from_vendored_ones() -> None:
    known = provides(
        "flit-core", "pkg:pypi/flit-core?source=hash-mapping", "pkg:pypi/tomli?source=hash-mapping"
    )
    assert known == Provides(PypiName("flit-core"), frozenset({PypiName("tomli")}))
    split = provides("python-pdal", "pkg:pypi/pdal@1?source=hash-mapping", "pkg:pypi/pdal-plugins@2")
    assert split.main == "pdal"
    assert split.versions == {("pdal", "1"), ("pdal-plugins", "2")}


def test_a_single_purl_of_a_quite_different_name_is_not_the_main_distribution() -> None:
    assert provides("qgis", "pkg:pypi/future") == Provides(None, frozenset({PypiName("future")}))
    assert provides("zz-bindings", "pkg:pypi/zz").main == "zz"


def test_purls_that_are_evidence_beat_the_shipped_mapping_and_mere_names_do_not() -> None:
    assert provides("dask", "pkg:pypi/dask?source=conda-forge-mapping").main is None
    assert provides("dask", "pkg:pypi/dask?source=hash-mapping").main == "dask"
    assert provides("xgboost", "pkg:pypi/xgboost@2.0").main == "xgboost"
    assert (
        provides("brotli-python", "pkg:pypi/brotli-python", "pkg:pypi/brotli?source=hash-mapping").main
        == "brotli"
    )


def test_a_purl_guessed_from_the_name_of_a_c_library_does_not_count() -> None:
    assert provides("openssl", "pkg:pypi/openssl", python=False) == Provides()
    assert provides("libwhatever", "pkg:pypi/libwhatever", python=False) == Provides()
    assert (
        provides("libwhatever", "pkg:pypi/libwhatever?source=hash-mapping", python=False).main
        == "libwhatever"
    )


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".json", json.dumps({"Numpy": None, "graphviz": "graphviz", "mine": ["a.b", "c"]})),
        (".toml", 'Numpy = false\ngraphviz = "graphviz"\nmine = ["a.b", "c"]\n'),
    ],
)
def test_the_users_file_comes_first(tmp_path: Path, suffix: str, text: str) -> None:
    path = tmp_path / f"mapping{suffix}"
    path.write_text(text)
    mapping = Mapping.load(path)
    assert provides("numpy", "pkg:pypi/numpy@1", mapping=mapping) == Provides()
    assert provides("graphviz", python=False, mapping=mapping).main == "graphviz"
    assert provides("mine", mapping=mapping) == Provides(PypiName("a-b"), frozenset({PypiName("c")}))
    assert provides("pytorch", mapping=mapping).main == "torch"
    assert mapping.pypi_names(CondaName("numpy")) == ()
    assert mapping.pypi_names(CondaName("unheard-of")) is None
    assert mapping.conda_names(PypiName("a-b")) == ("mine",)
    assert mapping.conda_names(PypiName("c")) == ()
    assert mapping.conda_names(PypiName("graphviz")) == ("graphviz", "python-graphviz")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.json", "{"),
        ("m.json", "[]"),
        ("m.json", '{"a": 1}'),
        ("m.json", '{"a": [1]}'),
        ("m.json", '{"a": "not a name!"}'),
        ("m.json", '{"not a name!": "a"}'),
        ("m.toml", "a = "),
        ("m.toml", "a = 3"),
    ],
)
def test_a_file_that_is_no_mapping_is_a_usage_error(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        Mapping.load(path)
    assert str(path) in (caught.value.where or "")


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        Mapping.load(tmp_path / "none.json")


def test_the_shipped_mapping_is_sorted_and_names_each_owner_once() -> None:
    path = Path(__file__).parents[2] / "src" / "conjoin" / "index" / "mapping.json"
    document = json.loads(path.read_text())
    assert list(document) == sorted(document)
    owners = [names if isinstance(names, str) else names[0] for names in document.values() if names]
    # Two owners of one distribution would both have to be in or out: only renamed packages may share one.
    shared = {owner for owner in owners if owners.count(owner) > 1}
    assert shared <= {
        "pandera",
        "torch-geometric",
        "torch-scatter",
        "torch-sparse",
        "torch-cluster",
        "neo4j",
        "soundfile",
    }


def test_the_shipped_mapping_agrees_with_purls_found_inside_real_packages() -> None:
    sample = Path(__file__).parents[3] / "shared" / "data" / "conda-forge-sample"
    if not sample.is_dir():
        pytest.skip("the conda-forge sample is not here")
    zstd = pytest.importorskip("backports.zstd")
    evidence: dict[str, set[str]] = {}
    for subdir in ("linux-64", "noarch"):
        content = zstd.decompress((sample / subdir / "repodata.json.zst").read_bytes())
        document = json.loads(content)
        for record in [*document["packages"].values(), *document["packages.conda"].values()]:
            for purl in record.get("purls") or ():
                found = parse_purl(purl)
                if found and "source=hash-mapping" in purl:
                    evidence.setdefault(record["name"], set()).add(found[0])
    assert len(evidence) > 300
    wrong = {}
    for name, carried in evidence.items():
        main = provides(name).main  # as if there were no purls
        if main is not None and main not in carried:
            wrong[name] = (main, carried)
    assert wrong == {}
