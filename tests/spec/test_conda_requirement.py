from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rattler import MatchSpec

from conjoin.errors import UsageError
from conjoin.spec.requirements import CondaRequirement
from conjoin.spec.syntax.conda_requirement import channel_name, conda_requirement

SPELLINGS = [
    ("numpy", "numpy"),
    ("NumPy", "numpy"),
    ("'numpy >1'", "numpy >1"),
    ("numpy=1.26", "numpy 1.26.*"),
    ("numpy =1.26", "numpy 1.26.*"),
    ("numpy==1.26.0", "numpy ==1.26"),
    ("numpy ==1.26.*", "numpy 1.26.*"),
    ("numpy 1.26", "numpy ==1.26"),
    ("numpy 1.26.*", "numpy 1.26.*"),
    ("numpy>=1.2,<2", "numpy >=1.2,<2"),
    ("numpy >=1.2, <2", "numpy >=1.2,<2"),
    ("numpy >= 1.2", "numpy >=1.2"),
    ("numpy~=1.2", "numpy ~=1.2"),
    ("numpy!=1.2", "numpy !=1.2"),
    ("numpy 1.2|1.3", "numpy ==1.2|==1.3"),
    ("numpy=1.26=py311*", "numpy ==1.26 py311*"),
    ("numpy 1.26.4 py311_0", "numpy ==1.26.4 py311_0"),
    ("numpy * py3*", "numpy * py3*"),
    ("numpy[version='>=1.2',build=py*]", "numpy >=1.2 py*"),
    ('numpy 1.2[build="py*"]', "numpy ==1.2 py*"),
    ("conda-forge::numpy", "conda-forge::numpy"),
    ("numpy[channel=conda-forge]", "conda-forge::numpy"),
    ("conda-forge/linux-64::numpy", "conda-forge::numpy[subdir=linux-64]"),
    ("conda-forge/label/dev::numpy=1", "conda-forge/label/dev::numpy 1.*"),
    ("https://Host.example/chan/::pkg", "https://host.example/chan::pkg"),
    ("https://host.example/chan/noarch::pkg >1", "https://host.example/chan::pkg >1[subdir=noarch]"),
    ("_libgcc_mutex=0.1=conda_forge", "_libgcc_mutex ==0.1 conda_forge"),
    ("libblas=*=*mkl", "libblas * *mkl"),
    ("__glibc >=2.17", "__glibc >=2.17"),
]


@pytest.mark.parametrize(("text", "expected"), SPELLINGS)
def test_spellings(text, expected):
    assert str(conda_requirement(text)) == expected


@pytest.mark.parametrize("text", [text for text, _ in SPELLINGS])
def test_rattler_reads_the_canonical_form_as_it_reads_the_original(text):
    ours = conda_requirement(text)
    read = MatchSpec(str(ours), strict=True)
    original = MatchSpec(text.strip("'"))
    assert read.name.normalized == original.name.normalized
    # rattler keeps `==1.26.0` as it is typed and says `None` for any version or build.
    same = {"==1.26.0": "==1.26", "*": None}
    assert same.get(read.version, read.version) == same.get(original.version, original.version)
    assert read.build == original.build
    assert read.subdir == original.subdir
    assert str(read.channel).rstrip("/").lower() == str(original.channel).rstrip("/").lower()


@pytest.mark.parametrize("text", [text for text, _ in SPELLINGS])
def test_the_canonical_form_is_its_own_canonical_form(text):
    once = conda_requirement(text)
    assert conda_requirement(str(once)) == once


def test_credentials_in_a_channel_never_reach_the_requirement():
    for text in ("https://u:secret@host.example/chan::pkg", "https://host.example/t/secret/chan::pkg"):
        assert conda_requirement(text) == CondaRequirement(name="pkg", channel="https://host.example/chan")


@pytest.mark.parametrize(
    "text",
    ["", "   ", "numpy*", "-numpy", "num py py", "numpy;python_version<'3'", "::numpy", "numpy[md5=abc]",
     "numpy[version=1.2", "numpy[version]", "numpy@1.2", "pkg^1", "conda-forge:ns:numpy", "a b c d", "é",
     "no such::x", "chan/linux-65/::x[subdir=linux-65]"],
)  # fmt: skip
def test_what_is_no_requirement_is_refused_with_advice(text):
    with pytest.raises(UsageError) as caught:
        conda_requirement(text)
    assert caught.value.advice


def test_a_refusal_does_not_show_the_password():
    with pytest.raises(UsageError) as caught:
        conda_requirement("https://u:secret@host.example/chan::pkg >>1")
    assert "secret" not in str(caught.value)


@given(st.text(max_size=40))
def test_no_text_whatever_ends_in_anything_but_an_answer_or_a_usage_error(text):
    with suppress(UsageError):
        assert MatchSpec(conda_requirement(text).match_spec(), strict=True)


def test_a_channel_may_be_a_name_a_url_or_a_path(tmp_path):
    assert channel_name("conda-forge/") == "conda-forge"
    assert channel_name("HTTPS://Host.example/Chan/") == "https://host.example/Chan"
    assert channel_name("./chan", folder=tmp_path) == (tmp_path / "chan").as_uri()
    assert channel_name(str(tmp_path)) == Path(tmp_path).as_uri()
    with pytest.raises(UsageError, match="is not a conda channel"):
        channel_name("two words")
