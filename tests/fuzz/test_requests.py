"""What people ask for, in files and on command lines: read, or refused with exit code 2."""

# ruff: noqa: E501 - a file's text reads best in few lines

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conjoin.cli.output.moments import seconds_of
from conjoin.requirements import Requirements
from conjoin.solve.candidates.direct import Direct  # noqa: F401 (imported once, not in an example)
from conjoin.spec import read_requirements
from conjoin.spec.build import build_requirements
from conjoin.spec.readers.requirements_txt import read_constraints
from conjoin.store.aliases import parse_alias
from conjoin.store.backend.address import parse_address
from conjoin.store.lookup.latest import parse_whose
from fuzzing import examples
from hostile import SECONDS, refused_at_most, texts

FILES: dict[str, tuple[str, ...]] = {
    "environment.yml": (
        "name: x\nchannels: &a\n  - conda-forge\n  - ./ch\ndependencies:\n  - numpy >=1.2,<2 py311*\n"
        "  - conda-forge::scipy[version='>=1',build=py*]\n  - pip:\n    - requests[socks]>=2 ; os_name == 'posix'\n"
        "    - -r more.txt\n  - sys:\n    - __cuda=12\nplatforms: [linux-64]\npypi-indices:\n  - https://host.example/simple\n",
    ),
    "requirements.txt": (
        "--index-url https://u:p@host.example/simple/\n--find-links ./wheels\nrequests[socks]>=2.31 \\\n"
        "  --hash=sha256:" + "ab" * 32 + "\nx @ https://host.example/x-1.0.tar.gz#sha256=" + "cd" * 32 + "\n"
        "./folder\n-e .\n-c more.txt\n--conda-pkg numpy=1.2\n--sys-pkg __cuda=12\npython>=3.9\n# end\n",
        "a/" + "b" * 5000 + "\n",
    ),
    "pyproject.toml": (
        '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = ["numpy>=1", "x[a]"]\n'
        '[project.optional-dependencies]\na = ["scipy"]\n[dependency-groups]\ntest = ["pytest", {include-group = "a"}]\n'
        "a = []\n[[tool.uv.index]]\nurl = 'https://host.example/'\n[tool.conjoin]\nconda = {numpy = '>=1'}\n"
        "channels = ['a']\nexclude-newer = 2026-01-01\nplatforms = ['linux-64']\nsame-versions = true\n",
    ),
    "script.py": (
        "# /// script\n# requires-python = '>=3.9'\n# dependencies = [\n#   'numpy>=1',\n# ]\n"
        "# [tool.conjoin]\n# channels = ['x']\n# ///\nprint()\n",
    ),
}  # fmt: skip

NO_FRESH_FOLDER = settings(
    max_examples=examples(SECONDS), suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("name", FILES)
@given(st.data())
@NO_FRESH_FOLDER
def test_files_that_ask_for_something(name: str, tmp_path: Path, data: st.DataObject) -> None:
    text = data.draw(texts(FILES[name]))
    path = tmp_path / name
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    refused_at_most(lambda: read_requirements(path))
    refused_at_most(lambda: Requirements.from_file(path))
    if name == "requirements.txt":
        refused_at_most(lambda: read_constraints(path, overrides=True))


TYPED: dict[str, tuple[Any, tuple[str, ...]]] = {
    "conda": (["x"], ("numpy >=1.2,<2 py311*", "a::b[version='>=1',build=py*]", "python=3.11", "a=1!2.0|3")),
    "pypi": (
        ["x"],
        (
            "requests[socks]>=2.31,!=2.32.* ; os_name == 'posix' and python_version < '3.12'",
            "x @ git+https://host.example/x@main#subdirectory=a",
            "https://host.example/x-1.0-py3-none-any.whl",
            "-e ./folder",
            "x===1",
        ),
    ),
    "python": ("x", ("3.11", ">=3.9,<3.13", "3.12.*")),
    "constraints": (["x"], ("numpy<2",)),
    "overrides": (["x"], ("numpy<2 ; sys_platform == 'linux'",)),
    "channels": (["x"], ("conda-forge", "https://u:p@host.example/t/abc/ch", "./ch", "file:///ch")),
    "index_url": ("x", ("https://u:p@host.example/simple", "file:///index")),
    "extra_index_urls": (["x"], ("https://host.example/simple",)),
    "find_links": (["x"], ("https://host.example/links.html", "./wheels", "file:wheels")),
    "only_binary": (["x"], (":all:", "numpy,scipy")),
    "virtual_packages": (["x"], ("__cuda=12.0", "__archspec=1=x86_64", "__glibc  2.28")),
    "exclude_newer": ("x", ("2026-01-01", "2026-01-01T00:00:00.123+02:00")),
    "platforms": (["x"], ("linux-64",)),
    "mapping": ("x", ("./mapping.json",)),
    "channel_priority": ("x", ("strict",)),
}


@pytest.mark.parametrize("option", TYPED)
@given(st.data())
@NO_FRESH_FOLDER
def test_options_of_a_request(option: str, data: st.DataObject) -> None:
    shape, seeds = TYPED[option]
    text = data.draw(texts(seeds))
    given_ = {option: [text] if isinstance(shape, list) else text}
    refused_at_most(lambda: build_requirements(**given_).credentials)


WORDS: dict[str, tuple[Callable[[str], object], tuple[str, ...]]] = {
    "alias": (parse_alias, ("team/torch:v1", "x")),
    "store": (parse_address, ("s3://bucket/a/b", "file:///folder", "~/store", "./x", "memory://")),
    "whose": (parse_whose, ("me", "any", "ann,bob")),
    "span": (lambda text: seconds_of(text, "--older-than"), ("30d", "1.5h")),
}


@pytest.mark.parametrize("kind", WORDS)
@given(st.data())
@NO_FRESH_FOLDER
def test_single_words(kind: str, data: st.DataObject) -> None:
    read, seeds = WORDS[kind]
    text = data.draw(texts(seeds))
    refused_at_most(lambda: read(text))
