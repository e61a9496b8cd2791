"""Changing one key of a file leaves everything else as somebody wrote it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conjoin.config.edit import set_key, unset_key
from conjoin.config.files import signature, user_layer
from conjoin.config.table import SETTINGS, Kind, Setting, setting_named
from conjoin.config.values import of_text
from conjoin.errors import UsageError
from conjoin.writing import DiskError

FILE = """\
# mine, since 2026

strategy = 'lowest'   # for now
channels = [
  "bioconda",  # first
  "conda-forge",
]

[channel-aliases]  # our mirrors
defaults = [ "https://m.example/main", "https://m.example/r" ]
"""


def setting(name: str) -> Setting:
    found = setting_named(name)
    assert found is not None
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(FILE)
    return path


def test_a_value_is_changed_where_it_stands(file: Path) -> None:
    set_key(file, setting("strategy"), "highest")
    assert file.read_text() == FILE.replace("'lowest'   #", '"highest"   #')


def test_a_new_one_goes_before_the_tables(file: Path) -> None:
    set_key(file, setting("offline"), True)
    lines = file.read_text().splitlines()
    assert "offline = true" in lines[: lines.index("[channel-aliases]  # our mirrors")]
    assert [line for line in lines if line != "offline = true"] == FILE.splitlines()


def test_entries_of_a_table_are_set_one_by_one(file: Path) -> None:
    set_key(file, setting("channel-aliases"), {"x": ("https://x.example",), "y": ("https://a", "https://b")})
    assert file.read_text() == FILE + 'x = "https://x.example"\ny = ["https://a", "https://b"]\n'
    assert unset_key(file, "channel_aliases.x")
    assert unset_key(file, "channel-aliases.y")
    assert file.read_text() == FILE
    assert not unset_key(file, "channel-aliases.y")


def test_a_key_is_taken_out_in_whatever_spelling(file: Path) -> None:
    file.write_text(f"use_remote_latest = 'me'\nchanels = 1\n{FILE}")
    assert unset_key(file, "use-remote-latest")
    assert unset_key(file, "chanels")  # what is unknown must be easy to get rid of
    assert file.read_text() == FILE
    assert not unset_key(file, "offline")
    assert not unset_key(file, "a.b.c")


def test_a_project_gets_its_table_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    written = "[project]\nname = 'x'  # ours\n\n[tool.ruff]\nline-length = 110\n"
    file.write_text(written)
    set_key(file, setting("channels"), ("bioconda",), project=True)
    assert file.read_text() == written + '\n[tool.conjoin]\nchannels = ["bioconda"]\n'
    set_key(file, setting("strategy"), "lowest", project=True)
    assert file.read_text() == written + '\n[tool.conjoin]\nchannels = ["bioconda"]\nstrategy = "lowest"\n'
    assert unset_key(file, "channels", project=True)
    assert not unset_key(file, "channels", project=True)


def test_a_file_that_is_new_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "new" / "config.toml"
    set_key(file, setting("index-url"), "https://u:secret@index.example/simple")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["config.toml"]


def test_mode_and_links_stay_as_they_are(file: Path) -> None:
    file.chmod(0o640)
    link = file.with_name("link.toml")
    link.symlink_to(file)
    set_key(link, setting("strategy"), "highest")
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert 'strategy = "highest"' in file.read_text()


def test_a_file_that_is_no_toml_is_not_touched(file: Path) -> None:
    file.write_text("a = [\n")
    with pytest.raises(UsageError, match=r"config\.toml:1: invalid TOML"):
        set_key(file, setting("strategy"), "highest")
    with pytest.raises(UsageError, match="invalid TOML"):
        unset_key(file, "a")
    assert file.read_text() == "a = [\n"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DiskError, match="the disk is full"):
        set_key(file, setting("strategy"), "highest")
    assert file.read_text() == FILE
    assert [path.name for path in file.parent.iterdir()] == ["config.toml"]


TEXTS = {
    Kind.TIMES: ["300", "none"],
    Kind.FLAG: ["true", "no"],
    Kind.TABLE: ["a=1 b=2"],
    Kind.TABLE_OF_LISTS: ["x=https://a,https://b y=https://c"],
}


@given(st.lists(st.sampled_from(SETTINGS), min_size=1, max_size=6), st.data())
def test_what_was_set_is_what_is_read_and_what_was_unset_is_gone(
    tmp_path_factory: pytest.TempPathFactory, wanted: list[Setting], data: st.DataObject
) -> None:
    file = tmp_path_factory.mktemp("edit") / "config.toml"
    expected = {}
    for one in wanted:
        given_text = data.draw(st.sampled_from(TEXTS.get(one.kind, ["x"])))
        expected[one.name] = of_text(one, given_text)
        set_key(file, one, expected[one.name])
    found = signature(file)
    assert found is not None
    assert user_layer(found).values == expected
    for name in expected:
        assert unset_key(file, name)
    assert file.read_text().strip() == ""
