from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conjoin.errors import UsageError
from conjoin.spec.build import build_requirements
from conjoin.spec.canonical import SCHEME, canonical, from_canonical, req_id

INDEX = "https://index.example/simple/"
CONDA = ["numpy=1.26", "zlib", "python>=3.9", "pytorch::torch", "libblas=*=*mkl", "numpy!=1.26.3"]
PYPI = ["requests[socks]>=2.31", "attrs", "flask<4 ; python_version < '3.12'", "x @ https://h.example/x.zip"]
LISTS = {
    "conda": CONDA,
    "pypi": PYPI,
    "constraints": ["idna<4", "urllib3<3"],
    "overrides": ["six==1.16", "idna==3.1"],
    "only_binary": ["numpy", "torch"],
    "virtual_packages": ["__cuda=12.0", "__glibc=2.31"],
}

# Whoever changes one of these changes the identity of every environment made so far: raise SCHEME and say
# why in the changelog.
GOLDEN = [
    ({}, "923f4224721c02c8fd50be7792d7fc609052b60f"),
    (
        {"conda": ["numpy=1.26", "python=3.11"], "channels": ["conda-forge", "https://chan.example/x"]},
        "f2c83691df09095ece04fe3efe8f5f54e0880c5a",
    ),
    (
        {"pypi": ["Requests[socks]>=2.31.0 ; python_version<'3.12'", "attrs"], "python": ">=3.10,<3.13"},
        "d95dc1373319589d3b3a9a9f9ac0ff9bfebcc7b2",
    ),
    (
        {
            "conda": ["pytorch::pytorch=2.1=*cuda*"],
            "pypi": ["x @ git+https://host.example/x@main"],
            "virtual_packages": ["__cuda=12.0"],
            "constraints": ["idna<4"],
            "overrides": ["six==1.16.0"],
        },
        "9d2b1ec977a7c544bf84830b720cfa6b9cbda3f6",
    ),
    (
        {
            "pypi": ["ode"],
            "extra_index_urls": ["https://extra.example/simple"],
            "find_links": ["https://page.example/wheels"],
            "channel_priority": "disabled",
            "prereleases": True,
            "only_binary": [":all:"],
            "no_binary": ["numpy"],
            "strategy": "lowest",
            "exclude_newer": "2026-11-20",
            "python_source": "host",
            "base": "0" * 40 + ":" + "1" * 40,
        },
        "2d03de71f5393f36d132f5eb345db94cdaf59a4e",
    ),
]


@pytest.mark.parametrize(("texts", "expected"), GOLDEN)
def test_identities_never_change(texts, expected):
    assert req_id(build_requirements(index_url=INDEX, **texts)) == expected


@given(st.data())
def test_order_and_repetition_of_typing_mean_nothing(data):
    typed = {name: data.draw(st.lists(st.sampled_from(texts), max_size=6)) for name, texts in LISTS.items()}
    again = {name: data.draw(st.permutations(texts + texts)) for name, texts in typed.items()}
    assert req_id(build_requirements(index_url=INDEX, **typed)) == req_id(
        build_requirements(index_url=INDEX, **again)
    )


@given(st.data())
def test_what_a_lock_carries_reads_back_as_the_same_requirements(data):
    typed = {name: data.draw(st.lists(st.sampled_from(texts), max_size=4)) for name, texts in LISTS.items()}
    asked = build_requirements(index_url=INDEX, exclude_newer="2026-01-01", **typed)
    carried = json.loads(json.dumps(canonical(asked)))
    assert from_canonical(carried) == asked
    assert req_id(from_canonical(carried)) == req_id(asked)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"pypi": ["a==2.2"]}, {"pypi": ["a==2.2.0"]}),
        ({"conda": ["a==2.2"]}, {"conda": ["a==2.2.0"]}),
        ({"conda": ["a=2.2"]}, {"conda": ["a 2.2.*"]}),
        ({"pypi": ["Foo.Bar[X_y]"]}, {"pypi": ["foo-bar[x-y]"]}),
        ({"conda": ["NumPy"]}, {"conda": ["numpy"]}),
        ({"pypi": ["a>=1,<2"]}, {"pypi": ["a <2, >=1.0"]}),
        ({"python": "3.11"}, {"conda": ["python 3.11.*"]}),
        ({"platforms": ["linux-64"]}, {"platforms": ["osx-64", "win-64"]}),
        ({"channels": ["conda-forge"]}, {}),
        ({"channels": ["https://u:p@h.example/c"]}, {"channels": ["https://h.example/c/"]}),
        ({"index_url": INDEX}, {"index_url": "https://u:p@index.example/simple"}),
        ({"pypi": ["a @ https://tok@h.example/a.zip"]}, {"pypi": ["a @ https://h.example/a.zip"]}),
        ({"exclude_newer": "2026-11-20"}, {"exclude_newer": "2026-11-21T02:00:00+02:00"}),
        ({"virtual_packages": ["__glibc==2.31=0"]}, {"virtual_packages": ["__glibc=2.31"]}),
        ({"same_versions": False}, {}),
        ({"prefer_conda": False}, {}),
    ],
)
def test_what_means_the_same_has_one_identity(one, other):
    assert req_id(build_requirements(**{"index_url": INDEX, **one})) == req_id(
        build_requirements(**{"index_url": INDEX, **other})
    )


@pytest.mark.parametrize(
    "different",
    [
        {"pypi": ["a==2.2.*"]},
        {"pypi": ["a==2.2.0.*"]},
        {"pypi": ["a[x]==2.2.*"]},
        {"pypi": ["a==2.2.* ; os_name == 'nt'"]},
        {"pypi": ["a @ https://h.example/a.zip"]},
        {"conda": ["a"]},
        {"constraints": ["a"]},
        {"overrides": ["a"]},
        {"python": "3.11"},
        {"channels": ["x", "y"]},
        {"channels": ["y", "x"]},
        {"channel_priority": "flexible"},
        {"extra_index_urls": ["https://a.example/", "https://b.example/"]},
        {"extra_index_urls": ["https://b.example/", "https://a.example/"]},
        {"no_index": True},
        {"find_links": ["https://a.example/page"]},
        {"prereleases": True},
        {"only_binary": ["a"]},
        {"no_binary": ["a"]},
        {"strategy": "lowest"},
        {"same_versions": True},
        {"prefer_conda": True},
        {"exclude_newer": "2026-11-20"},
        {"virtual_packages": ["__cuda=12"]},
        {"virtual_packages": ["__cuda="]},
        {"base": "x"},
        {"python_source": "host"},
    ],
)
def test_what_decides_on_packages_decides_on_the_identity(different):
    seen = {req_id(build_requirements(index_url=INDEX))}
    seen.add(req_id(build_requirements(index_url=INDEX, **different)))
    assert len(seen) == 2


@pytest.mark.parametrize("name", ["channel_aliases", "same_versions", "prefer_conda"])
def test_what_came_later_is_left_out_where_it_says_nothing(name):
    assert name not in canonical(build_requirements(index_url=INDEX))


def test_one_version_on_all_platforms_is_carried_by_a_lock():
    asked = build_requirements(index_url=INDEX, same_versions=True)
    assert from_canonical(json.loads(json.dumps(canonical(asked)))).same_versions


def test_order_counts_for_channels_and_indexes_alone():
    one = build_requirements(channels=["x", "y"], index_url=INDEX)
    other = build_requirements(channels=["y", "x"], index_url=INDEX)
    assert req_id(one) != req_id(other)


def test_an_identity_is_forty_hex_digits_over_sorted_json_without_spaces():
    import hashlib

    asked = build_requirements(conda=["numpy"], index_url=INDEX)
    text = json.dumps(canonical(asked), sort_keys=True, separators=(",", ":"))
    assert req_id(asked) == hashlib.sha256(text.encode()).hexdigest()[:40]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"scheme": SCHEME + 1},
        {"scheme": SCHEME, "surprise": 1},
        {"scheme": SCHEME, "conda": [{"nome": "x"}]},
        {"scheme": SCHEME, "pypi": 3},
        {"scheme": SCHEME, "virtual_packages": []},
    ],
)
def test_what_no_version_of_this_scheme_wrote_is_refused(document):
    with pytest.raises(UsageError):
        from_canonical(document)
