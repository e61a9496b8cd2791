"""Which layer counts: for every setting and every set of layers, the strongest that says something."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conjoin.config.load import load_settings
from conjoin.config.settings import Settings
from conjoin.config.table import SETTINGS, Kind, Setting
from conjoin.config.values import shown, to_toml
from conjoin.errors import UsageError

LAYERS = ("variables", "project", "user")
"""Strongest first."""

VALUES = {
    Kind.TEXT: ("one", "two", "three"),
    Kind.PLACE: ("/one", "s3://two", "three"),
    Kind.FOLDER: ("/one", "/two", "/three"),
    Kind.FLAG: (True, False, True),
    Kind.NAMES: (("a", "b"), ("c",), ("a",)),
    Kind.URLS: (("https://a.example/x,y", "https://b.example"), ("https://c.example",), ("./d",)),
    Kind.TABLE: ({"x": ("1",), "y": ("2",)}, {"y": ("3",), "z": ("4",)}, {"z": ("5",), "w": ("6",)}),
    Kind.TABLE_OF_LISTS: (
        {"x": ("1", "2"), "y": ("2",)},
        {"y": ("3", "7"), "z": ("4",)},
        {"z": ("5",), "w": ("6",)},
    ),
}
"""What each layer says, strongest first."""


def toml(setting: Setting, value: object) -> str:
    raw = to_toml(setting, value)
    if isinstance(raw, dict):
        return f"{{{', '.join(f'{name} = {json.dumps(one)}' for name, one in raw.items())}}}"
    return json.dumps(raw)


def write(folder: Path, setting: Setting, layers: set[str], spelling: str) -> dict[str, str]:
    """Make the layers say the setting, each its own value, and return the variables."""
    said = dict(zip(LAYERS, VALUES[setting.kind], strict=True))
    project = f"[project]\nname = 'x'\n\n[tool.conjoin]\npython = '3.12'\n{spelling} = "
    (folder / "work" / "deep").mkdir(parents=True, exist_ok=True)
    (folder / "work" / "pyproject.toml").write_text(
        project + toml(setting, said["project"]) if "project" in layers else "[tool.conjoin]\n"
    )
    (folder / "config.toml").write_text(
        f"# mine\n{spelling} = {toml(setting, said['user'])}\n" if "user" in layers else ""
    )
    variable = {setting.variable: " ".join(shown(said["variables"]))} if "variables" in layers else {}
    return {"CONJOIN_CONFIG": str(folder / "config.toml"), **variable}


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.sampled_from(SETTINGS), st.sets(st.sampled_from(LAYERS)), st.booleans(), st.booleans())
def test_the_strongest_layer_that_says_something_counts(
    tmp_path_factory: pytest.TempPathFactory,
    setting: Setting,
    layers: set[str],
    underscores: bool,
    other: bool,
) -> None:
    folder = tmp_path_factory.mktemp("layers")
    if not setting.in_project:
        layers = layers - {"project"}
    spelling = setting.other_names[-1] if other and setting.other_names else setting.name
    environ = write(folder, setting, layers, spelling.replace("-", "_") if underscores else spelling)
    found = load_settings(environ, folder / "work" / "deep")
    expected = [(layer, VALUES[setting.kind][LAYERS.index(layer)]) for layer in LAYERS if layer in layers]
    said = found.said(setting.name)
    if setting.kind in (Kind.TABLE, Kind.TABLE_OF_LISTS):
        # Of a table, each entry comes from the strongest layer that has it.
        merged: dict[str, tuple[str, ...]] = {}
        for _, value in expected:
            assert isinstance(value, dict)
            merged = {**value, **merged}
        assert found.table(setting.name) == merged
        assert [one.layer for one in said] == [layer for layer, _ in expected]
    else:
        assert [(one.layer, one.value) for one in said] == expected[:1]
    places = {
        "variables": setting.variable,
        "project": f"{folder / 'work' / 'pyproject.toml'}:6",
        "user": f"{folder / 'config.toml'}:2",
    }
    assert [one.where for one in said] == [places[one.layer] for one in said]
    # No other setting was said by the way.
    assert not any(found.said(one.name) for one in SETTINGS if one != setting)


@pytest.fixture
def host(tmp_path: Path) -> dict[str, str]:
    """A host's variables: its configuration file stands in the test's folder."""
    return {"CONJOIN_CONFIG": str(tmp_path / "config.toml")}


def refusal(environ: dict[str, str], folder: Path) -> str:
    with pytest.raises(UsageError) as caught:
        load_settings(environ, folder)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_nothing_is_said_where_nothing_is_configured(host: dict[str, str], tmp_path: Path) -> None:
    found = load_settings(host, tmp_path)
    assert [found.said(one.name) for one in SETTINGS] == [[]] * len(SETTINGS)
    assert [one.name for one in SETTINGS if one.kind is Kind.FLAG and found.flag(one.name)] == [
        one.name for one in SETTINGS if one.default == "true"
    ]
    assert (
        found.text("strategy"),
        found.flag("offline"),
        found.texts("channels"),
        found.table("channel-aliases"),
    ) == (
        "",
        False,
        (),
        {},
    )


def test_an_empty_variable_says_nothing(host: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("strategy = 'lowest'\n")
    assert load_settings({**host, "CONJOIN_STRATEGY": " "}, tmp_path).text("strategy") == "lowest"


def test_a_file_that_changes_is_read_again(host: dict[str, str], tmp_path: Path) -> None:
    seen = []
    for number, strategy in enumerate(("lowest", "highest")):
        (tmp_path / "config.toml").write_text(f"strategy = '{strategy}'\n")
        os.utime(tmp_path / "config.toml", (number, number))
        seen.append(load_settings(host, tmp_path).text("strategy"))
    (tmp_path / "config.toml").unlink()
    seen.append(load_settings(host, tmp_path).text("strategy"))
    assert seen == ["lowest", "highest", ""]


def test_the_null_device_is_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.conjoin]\nstrategy = 'lowest'\n")
    environ = {"CONJOIN_CONFIG": os.devnull, "CONJOIN_PROJECT": os.devnull}
    assert load_settings(environ, tmp_path).text("strategy") == ""


def test_the_nearest_project_with_a_table_counts_and_no_other(host: dict[str, str], tmp_path: Path) -> None:
    deep = tmp_path / "outer" / "inner" / "plain" / "deep"
    deep.mkdir(parents=True)
    (tmp_path / "outer" / "pyproject.toml").write_text("[tool.conjoin]\nstrategy = 'lowest'\nmapping = 'm'\n")
    (tmp_path / "outer/inner/pyproject.toml").write_text("[tool.conjoin]\nstrategy = 'highest'\n")
    # Names the program, is no TOML of ours, and does not end the search.
    (tmp_path / "outer/inner/plain/pyproject.toml").write_text("[project]\ndependencies = ['conjoin']\n")
    (deep / "pyproject.toml").write_text("this is not TOML, and not ours to judge")
    found = load_settings(host, deep)
    assert (found.text("strategy"), found.text("mapping")) == ("highest", "")
    assert load_settings({**host, "CONJOIN_PROJECT": str(tmp_path / "outer")}, deep).text("mapping") == "m"


def test_a_project_s_packages_are_no_settings(host: dict[str, str], tmp_path: Path) -> None:
    text = "[tool.conjoin]\npypi = ['x']\npython = '3.12'\nno-index = true\n[tool.conjoin.conda]\nx = '*'\n"
    (tmp_path / "pyproject.toml").write_text(text)
    assert load_settings(host, tmp_path).layers[1].values == {}


@pytest.mark.parametrize("name", [one.name for one in SETTINGS if not one.in_project])
def test_a_cloned_repository_decides_nothing_about_the_machine(
    name: str, host: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[project]\n[tool.conjoin]\n{name} = 's3://theirs/store'\n")
    said = refusal(host, tmp_path)
    assert said.startswith(f"{tmp_path / 'pyproject.toml'}:3: {name} is not for a project to say; ")


def test_in_a_folder_of_everybody_only_a_file_of_one_s_own_counts(
    host: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    (shared / "mine").mkdir(parents=True)
    (shared / "pyproject.toml").write_text("[tool.conjoin]\nindex-url = 'https://theirs.example/simple'\n")
    shared.chmod(0o1777)
    owner = (shared / "pyproject.toml").stat().st_uid
    assert load_settings(host, shared / "mine").text("index-url") == "https://theirs.example/simple"
    monkeypatch.setattr("os.getuid", lambda: owner + 1)
    assert load_settings(host, shared / "mine").text("index-url") == ""
    # A link of somebody else's to a file of one's own is somebody else's word, too.
    monkeypatch.setattr("os.getuid", lambda: owner)
    (shared / "pyproject.toml").rename(tmp_path / "mine.toml")
    (shared / "pyproject.toml").symlink_to(tmp_path / "mine.toml")
    assert load_settings(host, shared / "mine").text("index-url") != ""
    whose = os.lstat(shared / "pyproject.toml").st_uid
    monkeypatch.setattr("os.getuid", lambda: whose + 1)
    assert load_settings(host, shared / "mine").text("index-url") == ""
    shared.chmod(0o755)
    assert load_settings(host, shared / "mine").text("index-url") == "https://theirs.example/simple"


def test_a_layer_can_be_put_in(host: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("strategy = 'lowest'\nchannels = ['mine']\n")
    configured = load_settings({**host, "CONJOIN_CHANNELS": "a,b"}, tmp_path)
    values = {"CHANNELS": "c, d", "strategy": "highest", "mapping": None, "pre": True, "no_binary": ["x"]}
    strongest = configured.with_overrides(values, "Metaflow")
    assert strongest.texts("channels") == ("c", "d")
    assert [one.where for one in strongest.said("channels")] == ["Metaflow (channels)"]
    assert (strongest.flag("prereleases"), strongest.texts("no-binary")) == (True, ("x",))
    between = configured.with_overrides(values, "Metaflow", below="variables")
    assert (between.texts("channels"), between.text("strategy")) == (("a", "b"), "highest")
    assert configured.text("strategy") == "lowest"
    with pytest.raises(UsageError, match=r"Metaflow: key 'chanels' is unknown; did you mean channels\?"):
        Settings().with_overrides({"chanels": "x"}, "Metaflow")


def test_some_settings_can_be_left_aside(host: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("strategy = 'lowest'\nchannels = ['mine']\n")
    kept = load_settings({**host, "CONJOIN_MAPPING": "x"}, tmp_path).only("channels", "index_url")
    assert (kept.texts("channels"), kept.text("strategy"), kept.text("mapping")) == (("mine",), "", "")
    assert kept.said("channels")[0].where == f"{tmp_path / 'config.toml'}:2"


def test_what_is_no_setting_is_a_bug() -> None:
    with pytest.raises(KeyError):
        Settings().text("colour")


USER = {
    "a broken file": ("a = 1\nb = [\n", "2: invalid TOML: "),
    "an unknown key": ("# x\nchanels = ['a']\n", "2: key 'chanels' is unknown; did you mean channels?"),
    "a strange key": ("zzz = 1\n", "1: key 'zzz' is unknown; expected one of allowed-signers, cache, "),
    "a key that only projects have": ("conda = ['x']\n", "1: key 'conda' is unknown; "),
    "a wrong type": ("\nchannels = 'x'\n", "2: channels is not a list of texts"),
    "a list of numbers": ("channels = [1]\n", "1: channels is not a list of texts"),
    "a text for a flag": ("offline = 'yes'\n", "1: offline is not true or false"),
    "a flag for a text": ("strategy = true\n", "1: strategy is not a text"),
    "an empty text": ("strategy = ' '\n", "1: strategy is empty; leave it out to have the default"),
    "a list for a table": ("channel-aliases = ['x']\n", "1: channel-aliases: 'x' is not name=value"),
    "a number in a table": (
        "[channel-aliases]\nx = 1\n",
        "1: channel-aliases.x is not a text or a list of texts",
    ),
    "a list in a table": ("[virtual_packages]\n__cuda = ['1']\n", "1: virtual_packages.__cuda is not a text"),
    "one setting twice": (
        "pre = true\nprereleases = true\n",
        "2: prereleases is said twice, in two spellings",
    ),
}


@pytest.mark.parametrize(("text", "message"), USER.values(), ids=USER)
def test_the_user_s_file_is_refused_with_the_place(
    text: str, message: str, host: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text(text)
    assert refusal(host, tmp_path).startswith(f"{tmp_path / 'config.toml'}:{message}")


def test_a_project_s_key_is_found_in_its_own_table(host: dict[str, str], tmp_path: Path) -> None:
    text = "[tool.pixi]\nchannels = 'not ours'\n\n[tool.conjoin]\n# our channels = here\nchannels = 'x'\n"
    (tmp_path / "pyproject.toml").write_text(text)
    assert refusal(host, tmp_path).startswith(
        f"{tmp_path / 'pyproject.toml'}:6: tool.conjoin.channels is not a list of texts"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.conjoin\n", "1: invalid TOML: "),
        ("[tool]\nconjoin = 1\n", " tool.conjoin is not a table"),
        ("[tool.conjoin]\nx = 1\n", "2: key 'x' is unknown in [tool.conjoin]; expected one of "),
    ],
)
def test_a_project_s_file_is_refused_with_the_place(
    text: str, message: str, host: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert refusal(host, tmp_path).startswith(f"{tmp_path / 'pyproject.toml'}:{message}")


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("CONJOIN_OFFLINE", "maybe", "CONJOIN_OFFLINE: offline: 'maybe' is not true or false"),
        ("CONJOIN_CHANNEL_ALIASES", "x", "CONJOIN_CHANNEL_ALIASES: channel-aliases: 'x' is not name=value"),
        (
            "CONJOIN_CHANNEL_ALIASES",
            "x=,",
            "CONJOIN_CHANNEL_ALIASES: channel-aliases: 'x=,' is not name=URL",
        ),
    ],
)
def test_a_variable_is_refused_by_name(
    variable: str, text: str, message: str, host: dict[str, str], tmp_path: Path
) -> None:
    assert refusal({**host, variable: text}, tmp_path) == message


def test_a_file_that_cannot_be_read_is_refused(host: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    assert refusal(host, tmp_path) == f"{tmp_path / 'config.toml'}: the file cannot be read: Is a directory"
    (tmp_path / "config.toml").rmdir()
    (tmp_path / "config.toml").write_bytes(b"a = 1\n\xff\n")
    assert refusal(host, tmp_path) == f"{tmp_path / 'config.toml'}:2: the file is not UTF-8 text"
    host["CONJOIN_PROJECT"] = str(tmp_path / "none.toml")
    assert (
        refusal(host, tmp_path) == f"{tmp_path / 'none.toml'}: the file does not exist; check CONJOIN_PROJECT"
    )


@given(st.text(st.characters(codec="utf-8"), max_size=40), st.sampled_from(SETTINGS))
def test_no_text_in_a_variable_ends_in_a_traceback(text: str, setting: Setting) -> None:
    environ = {"CONJOIN_CONFIG": os.devnull, "CONJOIN_PROJECT": os.devnull, setting.variable: text}
    refused = None
    try:
        load_settings(environ)
    except UsageError as error:
        refused = error
    assert refused is None or refused.where == setting.variable
