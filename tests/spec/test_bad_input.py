"""Messages are part of the product: what a user reads who wrote something wrong, word for word."""

# ruff: noqa: E501 - a message reads best in one line

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conjoin import Requirements
from conjoin.errors import UsageError
from conjoin.spec import read_requirements

VERSION = "expected a conda version such as 1.2.*, ==1.2.3, >=1.2,<2 or 1.2.*|1.4.*"
PEP_508 = (
    "expected name[extra] specifier ; marker (PEP 508), as in requests[socks]>=2.31 ; os_name == 'posix'"
)
PLATFORMS = (
    "expected one of linux-64, linux-aarch64, osx-64, osx-arm64, win-64, linux-32, linux-armv7l, linux-ppc64le, "
    "linux-riscv64, linux-s390x, win-32, win-arm64"
)
PIP_OPTIONS = "expected one of pip's for such files, --conda-pkg, --conda-channel or --sys-pkg"
TOOL = (
    "expected one of channel-aliases, channel-priority, channels, conda, constraints, exclude-newer, extra-index-urls, "
    "find-links, index-url, mapping, no-binary, no-index, only-binary, overrides, platforms, prefer-conda, "
    "prereleases, pypi, python, python-source, same-versions, strategy, virtual-packages"
)

ENVIRONMENT = [
    ("dependencies:\n  - numpy >>1\n", f"2: 'numpy >>1': '>>1' is not a conda version expression: a version is missing; {VERSION}"),
    ("dependencies:\n  - numpy pandas\n", "2: 'numpy pandas': 'pandas' is not a conda version expression: 'pandas' has no number; write ==pandas if that is the version"),
    ("channels:\n  - a\ndependences:\n  - b\n", "3: key 'dependences' is unknown; expected one of channels, dependencies, name, platforms, prefix, pypi-indices, variables"),
    ("dependencies: numpy\n", "1: dependencies is not a list; write '- item' lines below it"),
    ("dependencies:\n  - pip:\n    - requests=2.0\n", f"3: 'requests=2.0' is not a PyPI requirement: one '=' is conda's spelling, PyPI's is '=='; {PEP_508}"),
    ("dependencies:\n  - npm:\n    - left-pad\n", "2: 'npm' is unknown among dependencies; expected a conda requirement, pip: or sys:"),
    ("dependencies:\n  - pip:\n    - a\n    - -e nowhere/\n", "4: 'nowhere/' does not exist; expected a wheel, an sdist or a folder"),
    ("dependencies:\n  - sys:\n    - cuda=12\n", "3: 'cuda=12' is not a virtual package; expected __name=version, as in __cuda=12.0"),
    ("channels: [a]\nchannels: [b]\n", "2: key 'channels' stands here twice"),
    ("- numpy\n", "1: this is not a mapping; expected a mapping with channels, dependencies, name, platforms, prefix, pypi-indices, variables"),
    ("platforms:\n  - linux\n", f"2: 'linux' is not a platform; {PLATFORMS}"),
    ("pypi-indices:\n  - my index\n", "2: 'my index' is not the URL of an index; expected https://host/simple/ or a file: URL"),
    ("dependencies:\n  - a\n  -\n", "3: this is not a text; expected a conda requirement"),
    ("a: b: c\n", "1: invalid YAML: mapping values are not allowed here"),
    ("dependencies:\n  - numpy=1.*.2\n", f"2: 'numpy=1.*.2': '=1.*.2' is not a conda version expression: a '*' is understood only at the end of a version; {VERSION}"),
    ("dependencies:\n  - numpy[md5=abc]\n", "2: 'numpy[md5=abc]': md5 cannot be asked for; known are version, build, channel and subdir"),
]  # fmt: skip

REQUIREMENTS = [
    ("flask\nfoo=1\n", f"2: 'foo=1' is not a PyPI requirement: one '=' is conda's spelling, PyPI's is '=='; {PEP_508}"),
    ("flask>=1 \\\n  ,\n--index-ur https://x.example\n", f"3: option --index-ur is unknown; {PIP_OPTIONS}"),
    ("--index-url\n", "1: --index-url needs a value"),
    ("a\n-r missing.txt\n", "2: 'missing.txt' does not exist; --requirement needs the path of a file"),
    ("-r https://u:secret@host.example/r.txt\n", "1: --requirement https://host.example/r.txt: files are read from disk alone; download it first"),
    ("-e here\n", "1: 'here' does not exist; expected a wheel, an sdist or a folder"),
    ("six --hash=md5:abc\n", "1: 'md5:abc' is not a hash Conjoin verifies; expected sha256:<64 hex digits>"),
    ("git+https://host.example/x\n", "1: 'git+https://host.example/x' does not say which project it is; write 'NAME @ git+https://host.example/x'"),
    ("flask --global-option=x\n", "1: --global-option is not supported behind a requirement; only --hash is"),
    ("--find-links 'a\n", "1: the line cannot be split: no closing quotation"),
    ("-r ~nobody-of-that-name/x.txt\n", "1: '~nobody-of-that-name/x.txt' is not a path: Could not determine home directory."),
    ("./missing\n", "1: './missing' does not exist; expected a wheel, an sdist or a folder"),
    ("--pre=yes\n", "1: --pre takes no value"),
    ("--index-url https://u:secret@\n", "1: 'https://' is not the URL of an index; expected https://host/simple/ or a file: URL"),
]  # fmt: skip

PYPROJECT = [
    ("[project\n", "1: invalid TOML: expected ']' at the end of a table declaration"),
    ("[project]\nname = 'a'\ndependencies = [\n'b',\n'c=1']\n", f"5: 'c=1' is not a PyPI requirement: one '=' is conda's spelling, PyPI's is '=='; {PEP_508}"),
    ("[project]\ndependencies = 'numpy'\n", "2: project.dependencies is not a list of texts"),
    ("[project]\nrequires-python = '3.11'\n", "2: '3.11' is not a Python version specifier; expected PEP 440, as in >=3.10,<3.13 or ==3.11.*"),
    ("[tool.conjoin]\nchanels = ['a']\n", "2: key 'chanels' is unknown in [tool.conjoin]; did you mean channels?"),
    ("[tool.conjoin]\nfrobnicate = 1\n", f"2: key 'frobnicate' is unknown in [tool.conjoin]; {TOOL}"),
    ("[tool.conjoin]\n\nstore = 's3://theirs'\n", "3: store is not for a project to say; it is this machine's: conjoin config set store, or CONJOIN_STORE"),
    ("[tool.conjoin]\nfind-links = []\nfind_links = []\n", "3: find-links is said twice, in two spellings"),
    ("[tool.conjoin.channel-aliases]\nx = 'y'\n", "2: the channel x stands for 'y', which is a name; expected a URL or a path"),
    ("[tool.conjoin]\npre = 'yes'\n", "2: tool.conjoin.pre is not true or false"),
    ("[tool.conjoin.conda]\nnumpy = 1.26\n", "1: tool.conjoin.conda is not a table of texts"),
]  # fmt: skip

SCRIPT = [
    ("# /// script\n# deps = []\n# ///\n", "2: key 'deps' is unknown; expected one of dependencies, requires-python, tool"),
    ("# /// script\n# requires-python = 3\n# ///\n", "2: requires-python is not a text"),
]  # fmt: skip

CASES = [
    (name, text, message)
    for name, cases in (
        ("environment.yml", ENVIRONMENT),
        ("requirements.txt", REQUIREMENTS),
        ("pyproject.toml", PYPROJECT),
        ("script.py", SCRIPT),
    )
    for text, message in cases
]


@pytest.mark.parametrize(("name", "text", "message"), CASES)
def test_the_message_says_file_line_what_and_what_was_expected(tmp_path, monkeypatch, name, text, message):
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(text)
    with pytest.raises(UsageError) as caught:
        read_requirements(name)
    assert str(caught.value) == f"{name}:{message}"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("environment.yml", None, "environment.yml: the file does not exist"),
        ("requirements.txt", b"a\nb\xff\n", "requirements.txt:2: the file is not UTF-8 text"),
        ("pyproject.toml", b"#" * (16 * 1024 * 1024 + 1), "pyproject.toml: the file is too large to be a list of requirements"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_refused(tmp_path, monkeypatch, name, content, message):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_requirements(name)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("environment.yml", "dependencies: " + "[" * 5000),
        ("pyproject.toml", "a = " + "[" * 5000),
        ("requirements.txt", "a ; " + "(" * 5000 + "os_name == 'nt'" + ")" * 5000),
        ("environment.yml", "dependencies:\n- a " + "(" * 5000 + "1" + ")" * 5000),
    ],
)
def test_what_is_nested_too_deep_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError):
        read_requirements(tmp_path / name)


def test_aliases_that_multiply_are_not_multiplied_out(tmp_path):
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 30))
    (tmp_path / "environment.yml").write_text(f"l0: &l0 [a]\n{levels}dependencies: *l29\n")
    with pytest.raises(UsageError, match="key 'l0' is unknown"):
        read_requirements(tmp_path / "environment.yml")


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "environment.yml").mkdir()
    with pytest.raises(UsageError, match="the file cannot be read"):
        read_requirements(tmp_path / "environment.yml")


def refusal(read, *args, **options):
    """Return the error that reading ends in, None where it succeeds; any other error fails the test."""
    try:
        read(*args, **options)
    except UsageError as error:
        return error
    return None


TEXTS = st.sampled_from(
    ["numpy", "a=1", "", "3.11", "-r x", "https://h.example", "__cuda=1", "linux-64", "<<", "p[a]"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
CONDA_KEYS = [
    "channels",
    "dependencies",
    "name",
    "pypi-indices",
    "platforms",
    "pip",
    "sys",
    "variables",
    "prefix",
]
YAML_DOCUMENTS = st.dictionaries(st.sampled_from(CONDA_KEYS), JSON | st.lists(st.dictionaries(
    st.sampled_from(["pip", "sys", "numpy"]), JSON, max_size=2), max_size=2), max_size=3)  # fmt: skip
TABLES = {
    "project": ["name", "dependencies", "optional-dependencies", "requires-python", "dynamic"],
    "dependency-groups": ["g", "G", "a"],
    "tool": ["conjoin", "uv"],
    "tool.conjoin": [*TOOL.removeprefix("expected one of ").split(", "), "store", "pre", "indexes"],
    "tool.uv": ["index"],
}


@given(YAML_DOCUMENTS)
def test_no_yaml_of_whatever_shape_ends_in_a_traceback(tmp_path_factory, document):
    path = tmp_path_factory.mktemp("fuzz") / "environment.yml"
    path.write_text(json.dumps(document))  # JSON is YAML
    refused = refusal(Requirements.from_file, path, index_url="https://index.example/simple")
    assert refused is None or refused.where


@given(st.data())
def test_no_toml_of_whatever_shape_ends_in_a_traceback(tmp_path_factory, data):
    lines = []
    for table in data.draw(st.sets(st.sampled_from(sorted(TABLES)), max_size=3)):
        lines.append(f"[{table}]")
        for key in data.draw(st.sets(st.sampled_from(TABLES[table]), max_size=3)):
            lines.append(f"{key} = {_toml(data.draw(JSON))}")  # noqa: PERF401 - drawn one after the other
    path = tmp_path_factory.mktemp("fuzz") / "pyproject.toml"
    path.write_text("\n".join(lines))
    index = "https://index.example/simple"
    refused = refusal(Requirements.from_file, path, groups=["g"], extras=["a"], index_url=index)
    assert refused is None or refused.where


def _toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps("" if value is None else value)


PIECES = [
    "-r", "-e", "-i", "-f", " ", "\\\n", "#", "\n", "a", "==1", "--hash=", ";", "'", "python", "@", "./", "~x/", "\0",
    "[", "]", "--", "--conda-pkg", "--conda-channel", "https://user:pa55word@h.example/", "git+https://:pa55word@h/",
]  # fmt: skip


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_no_line_whatever_ends_in_a_traceback(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("fuzz") / "requirements.txt"
    path.write_text(text, encoding="utf-8")
    refused = refusal(read_requirements, path)
    assert refused is None or refused.where


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_no_error_shows_a_password(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("fuzz") / "requirements.txt"
    path.write_text(text, encoding="utf-8")
    refused = refusal(read_requirements, path)
    assert refused is None or refused.where
    assert "pa55word" not in str(refused)
