"""What is configured, written out into a request: the same as if somebody had typed it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conjoin import Requirements
from conjoin.config.load import load_settings
from conjoin.config.settings import Settings
from conjoin.errors import UsageError
from conjoin.spec.build import build_requirements
from conjoin.spec.canonical import canonical, from_canonical, req_id
from conjoin.spec.requirements import Credential

INDEX = "https://index.example/simple/"
NOBODY = Settings()
"""Nothing is configured."""

# The setting, how build_requirements() calls it, and three values, each as a variable spells it and as typed.
CASES: list[tuple[str, str, list[tuple[str, Any]]]] = [
    ("channels", "channels", [("a,b", ["a", "b"]), ("b", ["b"]), ("c a", ["c", "a"])]),
    ("channel-priority", "channel_priority", [("flexible",) * 2, ("disabled",) * 2, ("strict",) * 2]),
    (
        "find-links",
        "find_links",
        [("https://a.example/x", ["https://a.example/x"]), ("/w", ["/w"]), ("/v", ["/v"])],
    ),
    (
        "platforms",
        "platforms",
        [("osx-64", ["osx-64"]), ("win-64,linux-64", ["win-64", "linux-64"]), ("linux-64", ["linux-64"])],
    ),
    ("python-source", "python_source", [("host",) * 2, ("channel",) * 2, ("host",) * 2]),
    ("strategy", "strategy", [("lowest",) * 2, ("highest",) * 2, ("lowest-direct",) * 2]),
    (
        "exclude-newer",
        "exclude_newer",
        [("2026-01-01",) * 2, ("2026-02-01T00:00:00Z",) * 2, ("2025-01-01",) * 2],
    ),
    ("same-versions", "same_versions", [("true", True), ("false", False), ("1", True)]),
    ("prefer-conda", "prefer_conda", [("true", True), ("false", False), ("1", True)]),
    ("prereleases", "prereleases", [("true", True), ("false", False), ("1", True)]),
    ("only-binary", "only_binary", [(":all:", [":all:"]), (":none:", [":none:"]), ("X,y", ["y", "x"])]),
    ("no-binary", "no_binary", [("x", ["x"]), ("y", ["y"]), (":none:", [])]),
    ("index-url", "index_url", [(f"https://{one}.example/simple",) * 2 for one in "abc"]),
]


@given(st.sampled_from(CASES), st.sets(st.sampled_from(["typed", "strong", "weak"])))
def test_a_request_is_what_the_strongest_says_and_the_same_as_if_it_were_typed(
    case: tuple[str, str, list[tuple[str, Any]]], sayers: set[str]
) -> None:
    name, parameter, values = case
    said = dict(zip(("typed", "strong", "weak"), values, strict=True))
    configured = NOBODY
    for layer in ("weak", "strong"):
        if layer in sayers:
            configured = configured.with_overrides({name: said[layer][0]}, layer)
    common = {"pypi": ["x"], **({} if name == "index-url" else {"index_url": INDEX})}
    typed = {parameter: said["typed"][1]} if "typed" in sayers else {}
    strongest = next((said[one][1] for one in ("typed", "strong", "weak") if one in sayers), None)
    alone = {parameter: strongest} if strongest is not None else {}
    found = build_requirements(**common, **typed, settings=configured)
    expected = build_requirements(**common, **alone, settings=NOBODY)
    assert (found, found.platforms) == (expected, expected.platforms)
    assert req_id(found) == req_id(expected)


@pytest.fixture
def configured(isolated_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a table, and a user with a file; return the project's folder."""
    (isolated_home / "config.toml").write_text(
        f"index-url = '{INDEX}'\nstrategy = 'lowest'\nchannels = ['user']\n"
    )
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        "[project]\ndependencies = ['x']\n\n[tool.conjoin]\n"
        "channels = ['./channel']\nfind-links = ['wheels']\nmapping = 'map.json'\npython = '3.12'\n"
    )
    (project / "map.json").write_text("{}")
    monkeypatch.delenv("CONJOIN_PROJECT")
    monkeypatch.chdir(project)
    return project


def test_paths_in_a_project_start_from_it_wherever_one_is(
    configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (configured / "deep").mkdir()
    monkeypatch.chdir(configured / "deep")
    asked = build_requirements(pypi=["x"])
    assert asked.channels == ((configured / "channel").as_uri(),)
    assert asked.find_links == ((configured / "wheels").as_uri(),)
    assert asked.mapping_file == str(configured / "map.json")
    assert (asked.indexes, asked.strategy, asked.python) == ((INDEX,), "lowest", "")
    assert asked.channels_given


def test_a_project_that_is_asked_for_and_the_one_that_is_found_are_one(
    configured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = Requirements.from_file(configured / "pyproject.toml")
    typed = Requirements.build(pypi=["x"], python="3.12")
    assert req_id(named) == req_id(typed)
    (configured / "requirements.txt").write_text("x\n")
    from_file = Requirements.from_file(configured / "requirements.txt", python="3.12")
    assert req_id(from_file) == req_id(typed)
    # Asked for from elsewhere, it says the same of itself, and what is configured there does not matter.
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "pyproject.toml").write_text("[tool.conjoin]\nchannels = ['other']\n")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert req_id(Requirements.from_file(configured / "pyproject.toml")) == req_id(named)
    assert Requirements.build(pypi=["x"]).channels == ("other",)


def test_the_machine_s_settings_are_no_part_of_a_request(
    isolated_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = req_id(build_requirements(pypi=["x"], index_url=INDEX))
    for variable in ("CONJOIN_STORE", "CONJOIN_ENVS", "CONJOIN_CACHE", "CONJOIN_STATE"):
        monkeypatch.setenv(variable, str(tmp_path / "other"))
    (isolated_home / "config.toml").write_text(
        "offline = true\nuse_remote_latest = 'any'\nplatforms = ['osx-64']\n"
    )
    assert req_id(build_requirements(pypi=["x"], index_url=INDEX)) == before


def test_of_tables_what_is_asked_goes_before_what_is_configured() -> None:
    configured = NOBODY.with_overrides(
        {"virtual-packages": {"__cuda": "11.8", "__glibc": "2.17"}, "channel-aliases": "a=/x b=/y"}, "user"
    )
    asked = build_requirements(
        virtual_packages=["__cuda=12"],
        channels=["a", "b", "c"],
        channel_aliases={"a": "https://a.example/"},
        index_url=INDEX,
        settings=configured,
    )
    assert asked.virtual_packages == (("__cuda", "12"), ("__glibc", "2.17"))
    assert asked.channel_aliases == (("a", ("https://a.example",)), ("b", ("file:///y",)))


class TestIndexes:
    """Who names a default index has said it all."""

    @pytest.fixture(autouse=True)
    def host(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_INDEX_URL", "https://pip.example/simple")
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://pip-extra.example/simple")

    @pytest.mark.parametrize(
        ("typed", "configured", "expected"),
        [
            ({}, {}, ["pip-extra", "pip"]),
            ({}, {"index-url": "https://ours.example/"}, ["ours"]),
            ({}, {"extra-index-urls": "https://e.example/"}, ["e", "pip"]),
            ({"extra_index_urls": ["https://t.example/"]}, {}, ["t", "pip-extra", "pip"]),
            (
                {"extra_index_urls": ["https://t.example/"]},
                {"index-url": "https://ours.example/", "extra-index-urls": "https://e.example/"},
                ["t", "e", "ours"],
            ),
            (
                {"index_url": "https://typed.example/"},
                {"index-url": "https://ours.example/", "extra-index-urls": "https://e.example/"},
                ["typed"],
            ),
            ({"no_index": True}, {"index-url": "https://ours.example/"}, []),
        ],
    )
    def test_in_order(self, typed: dict[str, Any], configured: dict[str, str], expected: list[str]) -> None:
        found = build_requirements(**typed, settings=NOBODY.with_overrides(configured, "user")).indexes
        assert [url.removeprefix("https://").partition(".")[0] for url in found] == expected


def test_an_index_on_disk_that_is_configured_for_conjoin_counts(tmp_path: Path) -> None:
    configured = NOBODY.with_overrides({"index-url": tmp_path.as_uri()}, "user")
    assert build_requirements(settings=configured).indexes == (f"{tmp_path.as_uri()}/",)


def test_credentials_in_settings_are_set_apart(isolated_home: Path) -> None:
    (isolated_home / "config.toml").write_text(
        "index-url = 'https://u:p1@i.example/simple'\nchannels = ['c']\n[channel-aliases]\nc = 'https://u:p2@c.example/c'\n"
    )
    asked = build_requirements(pypi=["x"])
    assert {one.password for one in asked.credentials} == {"p1", "p2"}
    assert Credential("https://c.example/c", "u", "p2") in asked.credentials
    assert not [secret for secret in ("p1", "p2") if secret in repr(asked) + json.dumps(canonical(asked))]


class TestChannelAliases:
    """The same name with another alias is another request."""

    def ids(self, aliases: dict[str, Any], **typed: Any) -> str:
        configured = NOBODY.with_overrides({"channel-aliases": aliases} if aliases else {}, "user")
        return req_id(build_requirements(conda=["x"], index_url=INDEX, settings=configured, **typed))

    def test_what_a_name_stands_for_counts(self) -> None:
        seen = [
            self.ids({}),
            self.ids({"conda-forge": "https://mirror.example/conda-forge"}),
            self.ids({"conda-forge": ["https://mirror.example/conda-forge", "https://own.example/x"]}),
            self.ids({"conda-forge": ["https://own.example/x", "https://mirror.example/conda-forge"]}),
        ]
        assert len(set(seen)) == 4

    def test_names_that_nobody_uses_do_not(self) -> None:
        assert self.ids({"defaults": "https://mirror.example/d"}) == self.ids({})

    def test_a_name_before_two_colons_does(self) -> None:
        asked = {"channels": ["a"], "channel_priority": "flexible"}
        typed = build_requirements(
            conda=["b::x"], **asked, channel_aliases={"b": "https://b.example"}, index_url=INDEX
        )
        assert typed.channel_aliases == (("b", ("https://b.example",)),)

    def test_a_lock_carries_it(self) -> None:
        asked = build_requirements(
            channels=["defaults"], channel_aliases={"defaults": ["https://a.example", "/b"]}, index_url=INDEX
        )
        assert canonical(asked)["channel_aliases"] == {"defaults": ["https://a.example", "file:///b"]}
        assert from_canonical(json.loads(json.dumps(canonical(asked)))) == asked
        assert "channel_aliases" not in canonical(build_requirements(index_url=INDEX))

    def test_a_file_may_say_it(self, tmp_path: Path) -> None:
        (tmp_path / "pyproject.toml").write_text(
            "[tool.conjoin]\nchannels = ['x']\n[tool.conjoin.channel-aliases]\nx = ['./c', 'https://d.example']\n"
        )
        asked = Requirements.from_file(tmp_path / "pyproject.toml", index_url=INDEX)
        assert asked.channel_aliases == (("x", ((tmp_path / "c").as_uri(), "https://d.example")),)

    @pytest.mark.parametrize(
        ("aliases", "message"),
        [
            ({"a b": "https://x.example"}, "'a b' is not the name of a channel"),
            ({"a": "conda-forge"}, "the channel a stands for 'conda-forge', which is a name"),
        ],
    )
    def test_what_it_cannot_be_is_refused(self, aliases: dict[str, str], message: str) -> None:
        with pytest.raises(UsageError, match=message):
            build_requirements(channels=["a"], channel_aliases=aliases, index_url=INDEX)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("strategy = 'newest'", "'newest' is not a strategy; expected highest, lowest, lowest-direct"),
        ("channels = ['a b']", "'a b' is not a conda channel; "),
        ("platforms = ['amiga']", "'amiga' is not a platform; "),
        ("exclude-newer = 'once'", "'once' is not a date; "),
        ("index-url = 'https://u:secret@'", "'https://' is not the URL of an index; "),
        ("virtual-packages = ['cuda=1']", "'cuda=1' is not a virtual package; "),
    ],
)
def test_a_value_that_is_none_is_refused_with_file_and_line(
    text: str, message: str, isolated_home: Path
) -> None:
    file = isolated_home / "config.toml"
    file.write_text(f"# mine\n{text}\n")
    with pytest.raises(UsageError) as caught:
        build_requirements(pypi=["x"], settings=load_settings())
    assert str(caught.value).startswith(f"{file}:2: {message}")
    # What somebody asks for himself is not looked up, so it cannot be wrong.
    typed = {"strategy": "lowest", "channels": ["x"], "platforms": ["win-64"], "index_url": INDEX}
    if "virtual" not in text and "newer" not in text:
        build_requirements(pypi=["x"], **typed)
