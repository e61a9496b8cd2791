"""``conjoin config``, and commands that do as it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import conjoin as library
from conjoin.cli.main import main
from conjoin.config.table import OTHER_VARIABLES, SETTINGS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory is below a project's, whose file has a table."""
    (tmp_path / "project" / "deep").mkdir(parents=True)
    (tmp_path / "project" / "pyproject.toml").write_text(
        "[project]\nname = 'x'\n\n[tool.conjoin]\nstrategy = 'lowest'  # ours\n"
    )
    monkeypatch.delenv("CONJOIN_PROJECT")
    monkeypatch.chdir(tmp_path / "project" / "deep")
    return tmp_path / "project"


def test_everything_is_shown_with_who_said_so(
    called, project: Path, isolated_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONJOIN_CHANNELS", "mine, yours")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://u:s3cret@pip.example/simple")
    (isolated_home / "config.toml").write_text(
        "index-url = 'https://u:s3cret@i.example/simple'\nstrategy = 'highest'\n"
        "[channel-aliases]\nmine = ['https://u:s3cret@a.example', 'https://b.example']\n"
    )
    shown = called("config")
    assert shown.returncode == 0
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in shown.stdout.splitlines()[1:]}
    assert list(rows) == [one.name for one in SETTINGS]
    told = {name: " ".join(row.split()) for name, row in rows.items()}
    assert told["channels"] == "mine, yours CONJOIN_CHANNELS"
    assert told["strategy"] == f"lowest {project / 'pyproject.toml'}:5"
    assert told["index-url"] == f"https://i.example/simple {isolated_home / 'config.toml'}:1"
    assert told["extra-index-urls"] == "default"
    assert told["store"] == f"{isolated_home / 'store'} CONJOIN_STORE"
    assert told["channel-aliases"] == (
        f"mine=https://a.example,https://b.example {isolated_home / 'config.toml'}:3"
    )
    assert told["channel-priority"] == "strict default"

    document = json.loads(called("config", "--json").stdout)
    assert document["user_file"] == str(isolated_home / "config.toml")
    assert document["project_file"] == str(project / "pyproject.toml")
    settings = document["settings"]
    assert list(settings) == [one.name for one in SETTINGS]
    assert settings["channels"] == {
        "value": ["mine", "yours"],
        "layer": "variables",
        "where": ["CONJOIN_CHANNELS"],
        "variable": "CONJOIN_CHANNELS",
    }
    assert settings["channel-aliases"]["value"] == {"mine": ["https://a.example", "https://b.example"]}
    assert (settings["strategy"]["layer"], settings["prereleases"]["value"]) == ("project", False)
    everything = shown.stdout + json.dumps(document) + called("config", "get", "index-url").stdout
    assert "s3cret" not in everything


def test_what_uv_and_pip_say_of_indexes_is_shown_where_it_counts(
    called, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://uv.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://pip.example/simple")
    for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    settings = json.loads(called("config", "--json").stdout)["settings"]
    assert settings["index-url"]["where"] == ["uv's variables"]
    assert settings["extra-index-urls"]["value"] == ["https://pip.example/simple/"]
    assert settings["extra-index-urls"]["where"] == ["pip's variables"]


def test_get_prints_the_value_alone(called, isolated_home: Path) -> None:
    (isolated_home / "config.toml").write_text(
        "channels = ['a', 'b']\noffline = true\nchannel-aliases = {a='/x'}\n"
    )
    said = {
        name: called("config", "get", name).stdout
        for name in ("channels", "offline", "channel_aliases", "mapping")
    }
    assert said == {"channels": "a\nb\n", "offline": "true\n", "channel_aliases": "a=/x\n", "mapping": ""}
    assert json.loads(called("config", "get", "channels", "--json").stdout)["value"] == ["a", "b"]


def test_set_unset_and_path(
    called, isolated_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = isolated_home / "config.toml"
    assert called("config", "path").stdout == f"{file}\n"
    for words in (
        ["channels", "bioconda", "conda-forge,mine"],
        ["envs", "here"],
        ["virtual-packages", "__cuda=12.4", "__glibc=2.28"],
        ["prereleases", "yes"],
        ["channels", "a"],
    ):
        done = called("config", "set", *words)
        assert (done.returncode, done.stdout) == (0, "")
    # A table comes last in TOML, whenever it was written.
    assert file.read_text() == (
        f'channels = ["a"]\nenvs = "{tmp_path / "here"}"\nprereleases = true\n\n'
        '[virtual-packages]\n__cuda = "12.4"\n__glibc = "2.28"\n'
    )
    assert called("config", "unset", "virtual-packages.__cuda").returncode == 0
    assert called("config", "unset", "pre").returncode == 0
    assert called("config", "unset", "prereleases").returncode == 6
    assert file.read_text() == (
        f'channels = ["a"]\nenvs = "{tmp_path / "here"}"\n\n[virtual-packages]\n__glibc = "2.28"\n'
    )


def test_a_project_s_table_is_changed_too(called, project: Path) -> None:
    assert called("config", "path", "--project").stdout == f"{project / 'pyproject.toml'}\n"
    assert called("config", "set", "--project", "channels", "../channel", "conda-forge").returncode == 0
    assert (project / "pyproject.toml").read_text() == (
        "[project]\nname = 'x'\n\n[tool.conjoin]\nstrategy = 'lowest'  # ours\n"
        'channels = ["./channel", "conda-forge"]\n'
    )
    assert called("config", "get", "channels").stdout == "./channel\nconda-forge\n"
    assert library.Requirements.build(pypi=["x"]).channels == ((project / "channel").as_uri(), "conda-forge")
    assert called("config", "unset", "--project", "channels").returncode == 0
    assert sorted(path.name for path in project.iterdir()) == ["deep", "pyproject.toml"]


def test_it_is_said_when_somebody_stronger_says_otherwise(called, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONJOIN_STRATEGY", "lowest")
    assert called("config", "set", "strategy", "highest").stderr == "warning: CONJOIN_STRATEGY is stronger\n"
    assert called("config", "get", "strategy").stdout == "lowest\n"


def test_a_variable_that_means_nothing_is_named(called, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONJOIN_CHANNEL", "x")
    assert called("config").stderr == (
        "warning: the variable CONJOIN_CHANNEL means nothing; did you mean CONJOIN_CHANNELS?\n"
    )


CASES: dict[str, tuple[str, list[str]]] = {
    "an unknown key in the file": ("chanels = ['a']\n", ["resolve", "--pypi", "x"]),
    "a file that is no TOML": ("a = [\n", ["config"]),
    "a wrong type": ("\nchannels = 'a'\n", ["run", "x", "--", "true"]),
    "a value that is none": ("\nstrategy = 'newest'\n", ["config"]),
    "get of an unknown key": ("", ["config", "get", "chanels"]),
    "set of an unknown key": ("", ["config", "set", "chanels", "red"]),
    "set of a bad value": ("", ["config", "set", "channel-priority", "loose"]),
    "set of a bad flag": ("", ["config", "set", "offline", "maybe"]),
    "set of two values": ("", ["config", "set", "strategy", "lowest", "highest"]),
    "set of a bad store": ("", ["config", "set", "store", "ftp://host/folder"]),
    "set of a request's key": ("", ["config", "set", "--project", "conda", "numpy"]),
    "set of the store of a project": ("", ["config", "set", "--project", "store", "s3://theirs/store"]),
    "set in a file that is no TOML": ("a = [\n", ["config", "set", "strategy", "lowest"]),
    "unset of what is not there": ("", ["config", "unset", "strategy"]),
}


def test_errors_read_as_they_should(
    tmp_path: Path,
    isolated_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    snapshot,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    monkeypatch.setenv("CONJOIN_PROJECT", str(tmp_path))
    said = []
    for title, (text, command) in CASES.items():
        (isolated_home / "config.toml").write_text(text)
        code = main(command)
        out, err = capsys.readouterr()
        assert out == "", title
        assert (isolated_home / "config.toml").read_text() == text, title
        assert len(err.splitlines()) == 1, title
        shown = err.replace(str(tmp_path), "FOLDER").replace(str(isolated_home), "HOME")
        said.append(f"# {title}\n$ conjoin {' '.join(command)}\n{shown}exit code {code}\n")
    assert "\n".join(said) == snapshot


def test_a_file_that_is_wrong_can_be_put_right(called, isolated_home: Path) -> None:
    file = isolated_home / "config.toml"
    file.write_text("chanels = ['a']\n")
    assert called("config").returncode == 2
    assert called("config", "path").returncode == 0
    # Setting something else works, and says what is still wrong.
    assert "did you mean channels?" in called("config", "set", "strategy", "lowest").stderr
    assert called("config", "unset", "chanels").returncode == 0
    assert called("config").returncode == 0
    assert file.read_text() == 'strategy = "lowest"\n'


def test_a_bug_is_reported_where_the_configuration_is_broken_too(
    isolated_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CONJOIN_CACHE")
    (isolated_home / "config.toml").write_text("x = 1\n")
    monkeypatch.setattr("conjoin.config.files.user_file", lambda *_: 1 / 0)
    assert main(["config", "path"]) == 1
    assert "this is a bug in conjoin: ZeroDivisionError" in capsys.readouterr().err


def test_there_is_no_file_to_change_where_configuration_is_off(
    called, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONJOIN_CONFIG", os.devnull)
    done = called("config", "set", "strategy", "lowest")
    assert done.returncode == 2
    assert "check CONJOIN_CONFIG" in done.stderr
    assert called("config").returncode == 0


def test_many_at_once_lose_nothing(isolated_home: Path) -> None:
    def write(number: int) -> int:
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "conjoin",
                "config",
                "set",
                "channel-aliases",
                f"c{number}=https://h.example/{number}",
            ],
            check=False,
        ).returncode

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(write, range(12))) == {0}
    shown = subprocess.run(
        [sys.executable, "-m", "conjoin", "config", "get", "channel-aliases"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(shown.stdout.splitlines()) == sorted(f"c{n}=https://h.example/{n}" for n in range(12))


def test_command_line_library_and_file_ask_the_same_question(
    called, world, isolated_home: Path, tmp_path: Path
) -> None:
    """Everything about where packages come from is configured; the request says what alone."""
    (isolated_home / "config.toml").write_text(
        f"channels = ['ours']\nindex-url = '{world.index.url}/'\n"
        f"[channel-aliases]\nours = '{world.channel.url}'\n"
    )
    done = called("resolve", "--conda", "tinylib", "--pypi", "reader", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (
        f"  ours      {world.channel.url}\n"
        in called("show", f"{answer['req_id']}:{answer['full_id']}").stdout
    )
    (tmp_path / "environment.yml").write_text("dependencies: [tinylib, {pip: [reader]}]\n")
    from_file = called("resolve", "-f", tmp_path / "environment.yml", "--json")
    assert json.loads(from_file.stdout)["req_id"] == answer["req_id"]
    assert not json.loads(from_file.stdout)["newly_resolved"]
    # A setting that forbids the network: what was resolved before needs none.
    assert called("config", "set", "offline", "true").returncode == 0
    before = world.requests()
    lock = library.resolve(library.Requirements.build(conda=["tinylib"], pypi=["reader"]))
    assert (lock.req_id, lock.full_id) == (answer["req_id"], answer["full_id"])
    new = called("resolve", "--pypi", "newer")
    assert new.returncode == 4, new.stderr
    with pytest.raises(library.ConjoinError):
        library.resolve(library.Requirements.build(pypi=["newer"]))
    with pytest.raises(library.ConjoinError):
        library.hydrate(lock)
    assert called("create", f"{lock.req_id}:{lock.full_id}").returncode != 0
    assert world.requests() == before
    assert called("resolve", "--pypi", "newer", "--online").returncode == 0


def test_places_come_from_the_file_relative_to_it(
    called, isolated_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STORE", "ENVS", "STATE", "CACHE"):
        monkeypatch.delenv(f"CONJOIN_{name}")
    (isolated_home / "config.toml").write_text("store = 'a'\nenvs = '~/b'\nstate = 'c'\ncache = '/d'\n")
    settings = json.loads(called("config", "--json").stdout)["settings"]
    assert {name: settings[name]["value"] for name in ("store", "envs", "state", "cache")} == {
        "store": str(isolated_home / "a"),
        "envs": str(Path("~/b").expanduser()),
        "state": str(isolated_home / "c"),
        "cache": "/d",
    }
    assert library.Store().place == str(isolated_home / "a")


def test_the_document_names_every_setting_as_the_table_has_it() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    for one in SETTINGS:
        name = f"`{one.name}`" if one.in_project else f"`{one.name}` *"
        default = f"`{one.default}`" if "<" in one.default else one.default or "-"
        assert f"| {name} | `{one.variable}` | {one.meaning} | {one.kind.value} | {default} |" in text
    for name, meaning in OTHER_VARIABLES.items():
        assert f"| `{name}` | {meaning} |" in text


def test_every_variable_that_is_read_is_in_the_table() -> None:
    import re

    named = {
        name
        for path in (ROOT / "src" / "conjoin").rglob("*.py")
        for name in re.findall(r"\bCONJOIN_[A-Z_]+\b", path.read_text("utf-8"))
    }
    assert {"CONJOIN_STORE", "CONJOIN_DEBUG"} <= named
    assert named - {one.variable for one in SETTINGS} - set(OTHER_VARIABLES) == set()


def test_only_changing_a_file_needs_a_writer_of_toml(isolated_home: Path) -> None:
    (isolated_home / "config.toml").write_text("strategy = 'lowest'\n")
    code = (
        "import sys; from conjoin.cli.main import main; main(['config', 'get', 'strategy']);"
        "print(sorted({'tomlkit', 'rich', 'rattler', 'httpx'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("lowest\n", "[]\n")
