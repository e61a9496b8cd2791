from __future__ import annotations

import hashlib

import pytest

from conjoin import Requirements
from conjoin.errors import UsageError
from conjoin.spec.build import build_requirements
from conjoin.spec.credentials import NAMED_PLACE
from conjoin.spec.partial_requirements import PartialRequirements
from conjoin.spec.requirements import Credential

INDEX = "https://index.example/simple/"


def test_texts_become_canonical_sorted_and_unique():
    asked = build_requirements(
        conda=["zlib", "numpy=1.26", "NumPy 1.26.*", "numpy>=1.26.1"],
        pypi=["Requests>=2.0", "requests >= 2", "attrs"],
        index_url=INDEX,
    )
    assert [str(one) for one in asked.conda] == ["numpy 1.26.*", "numpy >=1.26.1", "zlib"]
    assert [str(one) for one in asked.pypi] == ["attrs", "requests>=2"]


def test_python_is_a_requirement_of_its_own_unless_build_or_channel_are_asked_for():
    asked = build_requirements(
        conda=["python >=3.9", "python=3.11=*_cpython", "pip"], python="3.11", index_url=INDEX
    )
    assert asked.python == "3.11.*,>=3.9"
    assert [str(one) for one in asked.conda] == ["pip", "python ==3.11 *_cpython"]


def test_defaults_are_written_out(monkeypatch):
    monkeypatch.setenv("CONJOIN_INDEX_URL", INDEX)
    monkeypatch.setenv("CONJOIN_EXTRA_INDEX_URL", "https://configured.example/simple")
    asked = build_requirements(extra_index_urls=["https://typed.example/simple"])
    assert asked.channels == ("conda-forge",)
    assert not asked.channels_given
    assert asked.indexes == ("https://typed.example/simple/", "https://configured.example/simple/", INDEX)


def test_a_request_that_names_its_index_means_the_same_on_every_host(monkeypatch):
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://configured.example/simple")
    assert build_requirements(index_url=INDEX).indexes == (INDEX,)


def test_without_index_there_are_find_links_alone(tmp_path):
    asked = build_requirements(no_index=True, find_links=[str(tmp_path), "https://page.example/wheels.html"])
    assert asked.indexes == ()
    assert asked.find_links == (tmp_path.as_uri(), "https://page.example/wheels.html")


def test_a_channel_named_by_a_requirement_is_added_and_makes_the_priority_flexible():
    asked = build_requirements(conda=["pytorch::torch", "nvidia::cuda"], channels=["mine"], index_url=INDEX)
    assert asked.channels == ("mine", "nvidia", "pytorch")
    assert asked.channel_priority == "flexible"
    disabled = build_requirements(conda=["a::b"], channel_priority="disabled", index_url=INDEX)
    assert disabled.channel_priority == "disabled"


def test_what_is_typed_precedes_what_files_say():
    file = PartialRequirements(
        channels=("theirs", "conda-forge"),
        index_url="https://file.example/simple/",
        strategy="lowest",
        virtual_packages=(("__cuda", "11.8"), ("__glibc", "2.17")),
        platforms=("win-64",),
    )
    asked = build_requirements(
        sources=[file],
        channels=["conda-forge"],
        index_url=INDEX,
        virtual_packages=["__cuda=12"],
        platforms=["osx-64"],
    )
    assert asked.channels == ("conda-forge", "theirs")
    assert asked.indexes == (INDEX,)
    assert asked.strategy == "lowest"
    assert asked.virtual_packages == (("__cuda", "12"), ("__glibc", "2.17"))
    assert asked.platforms == ("osx-64", "win-64")


def test_everything_the_command_line_takes_arrives(tmp_path):
    mapping = tmp_path / "mapping.json"
    mapping.write_text("{}")
    asked = build_requirements(
        constraints=["idna<4"],
        overrides=["six==1.16.0"],
        channel_priority="Disabled",
        index_url=INDEX,
        prereleases=True,
        only_binary=[":all:"],
        no_binary=["Foo_bar,baz"],
        strategy="lowest-direct",
        exclude_newer="2026-11-20",
        virtual_packages=["__glibc==2.31=0"],
        python_source="host",
        mapping=mapping,
        base="a" * 40 + ":" + "b" * 40,
    )
    assert [str(one) for one in asked.constraints] == ["idna<4"]
    assert [str(one) for one in asked.overrides] == ["six==1.16"]
    assert asked.channel_priority == "disabled"
    assert asked.prereleases
    assert asked.only_binary == (":all:",)
    assert asked.no_binary == ("baz", "foo-bar")
    assert asked.strategy == "lowest-direct"
    assert asked.exclude_newer == "2026-11-21T00:00:00Z"
    assert asked.virtual_packages == (("__glibc", "2.31"),)
    assert asked.python_source == "host"
    assert asked.mapping_hash == hashlib.sha256(b"{}").hexdigest()
    assert asked.mapping_file == str(mapping)
    assert asked.base == "a" * 40 + ":" + "b" * 40


def test_credentials_of_every_kind_of_text_are_set_apart():
    asked = build_requirements(
        conda=["https://u:p1@a.example/chan::pkg"],
        pypi=["x @ git+https://u:p2@b.example/r"],
        channels=["https://u:p3@c.example/chan", "https://d.example/t/p4/chan"],
        index_url="https://u:p5@e.example/simple",
        extra_index_urls=["https://u:p6@f.example/simple"],
        find_links=["https://u:p7@g.example/page"],
    )
    passwords = {one.password for one in asked.credentials if one.username != NAMED_PLACE}
    assert passwords == {f"p{number}" for number in range(1, 8)}
    public = repr(asked) + "".join(map(str, (*asked.conda, *asked.pypi)))
    assert not [number for number in range(1, 8) if f"p{number}" in public]
    assert Credential("https://e.example/simple", "u", "p5") in asked.credentials


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"conda": ["numpy>>1"]}, "is not a conda version expression"),
        ({"pypi": ["numpy=1"]}, "one '=' is conda's spelling"),
        ({"python": "snake"}, "is not a Python version"),
        ({"channels": ["a b"]}, "is not a conda channel"),
        ({"channel_priority": "loose"}, "expected strict, flexible, disabled"),
        ({"index_url": "pypi"}, "is not the URL of an index"),
        ({"find_links": [""]}, "find-links is empty"),
        ({"strategy": "newest"}, "expected highest, lowest, lowest-direct"),
        ({"exclude_newer": "yesterday"}, "is not a date"),
        ({"virtual_packages": ["cuda=12"]}, "expected __name=version"),
        ({"python_source": "moon"}, "expected channel, host"),
        ({"mapping": "no/such/file"}, "the mapping cannot be read"),
        ({"platforms": ["amiga"]}, "is not a platform"),
    ],
)
def test_what_is_wrong_is_refused_with_what_was_expected(wrong, what):
    with pytest.raises(UsageError, match=what) as caught:
        build_requirements(**{"index_url": INDEX, **wrong})
    assert caught.value.exit_code == 2


def test_the_class_has_both_doors(tmp_path):
    (tmp_path / "requirements.txt").write_text("attrs\n")
    from_file = Requirements.from_file(tmp_path / "requirements.txt", python="3.11", index_url=INDEX)
    assert from_file == Requirements.build(pypi=["attrs"], python="3.11", index_url=INDEX)


def test_python_alone_is_asked_for_and_says_nothing_beside_a_version_or_a_pypi_package() -> None:
    assert [str(item) for item in build_requirements(conda=["python", "zlib"]).conda] == ["python", "zlib"]
    assert build_requirements(conda=["python", "python 3.12.*"]).conda == ()
    assert build_requirements(conda=["python"], python="3.12").conda == ()
    assert build_requirements(conda=["python"], pypi=["x"]).conda == ()
