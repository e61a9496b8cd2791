"""Files of packages as decorators' attributes: what they say, and that it means what the file means."""

from __future__ import annotations

import json

import pytest

import metaflow
from metaflow_extensions.conjoin.cmd.environment.requirements import requirements_of_files
from metaflow_extensions.conjoin.errors import EnvironmentProblem
from metaflow_extensions.conjoin.plugins.config_parsers import req_parser, toml_parser, yml_parser
from metaflow_extensions.conjoin.plugins.environment.request.attributes import ask_of_conda, ask_of_pypi
from metaflow_extensions.conjoin.plugins.environment.request.step_request import StepRequest
from metaflow_extensions.conjoin.plugins.environment.request.step_requirements import requirements_of

REQUIREMENTS = """\
# GIT repo
python==3.11.*
tinylib==2.0.1   # pinned
requests[socks,security]>=2.21.0,<3
attrs
clean @ git+https://h.example/clean.git@v1#subdirectory=a
old==1.0; python_version < '3.8'
any ; sys_platform == 'linux'
--extra-index-url https://extra.example/simple
--find-links https://links.example/wheels/
--pre
--conda-pkg git-lfs >=3.1,<4
--conda-pkg ffmpeg
"""

ENVIRONMENT = """\
name: ignored
channels:
  - conda-forge
  - https://c.example/team   # ours
pypi-indices:
  - https://extra.example/simple
dependencies:
  - python=3.11
  - numpy=1.26
  - pandas >=2,<3
  - bioconda::samtools
  - zlib==1.3.1
  - pip:
    - six==1.16.0
    - requests[socks]>=2
"""

PROJECT = """\
[project]
name = "p"
requires-python = ">=3.10"
dependencies = ["six>=1.16", "attrs", "old==1; python_version < '3.8'"]
[[tool.uv.index]]
url = "https://uv.example/simple"
[[tool.poetry.source]]
name = "poetry"
url = "https://poetry.example/simple"
"""


def test_requirements_txt_as_attributes_of_pypi() -> None:
    assert req_parser(REQUIREMENTS) == {
        "packages": {
            "tinylib": "2.0.1",
            "requests[security,socks]": "<3,>=2.21",
            "attrs": "",
            "clean@git+https://h.example/clean.git@v1#subdirectory=a": "",
            "old": '1;python_version < "3.8"',
            "any": ';sys_platform == "linux"',
        },
        "python": "3.11.*",
        "extra_indices": ["https://extra.example/simple/"],
        "extras": ["pre", "find-links=https://links.example/wheels/"],
        "conda_only": {"git-lfs": ">=3.1,<4", "ffmpeg": ""},
    }


def test_environment_yml_as_attributes_of_conda() -> None:
    assert yml_parser(ENVIRONMENT) == {
        "libraries": {"numpy": "1.26.*", "pandas": ">=2,<3", "bioconda::samtools": "", "zlib": "1.3.1"},
        "python": "3.11.*",
        "channels": ["conda-forge", "https://c.example/team"],
        "pip_packages": {"six": "1.16", "requests[socks]": ">=2"},
        "pip_sources": ["https://extra.example/simple/"],
    }


def test_pyproject_toml_as_attributes_of_pypi() -> None:
    assert toml_parser(PROJECT) == {
        "packages": {"six": ">=1.16", "attrs": "", "old": '1;python_version < "3.8"'},
        "python": ">=3.10",
        "extra_indices": ["https://uv.example/simple/", "https://poetry.example/simple/"],
    }


def test_empty_files_ask_for_nothing() -> None:
    assert req_parser("# nothing\n") == {"packages": {}}
    assert yml_parser("") == {}
    assert toml_parser("") == {"packages": {}}


@pytest.mark.parametrize(
    ("kind", "name", "content", "parser", "asking"),
    [
        ("requirements", "requirements.txt", REQUIREMENTS, req_parser, ask_of_pypi),
        ("environment", "environment.yml", ENVIRONMENT, yml_parser, ask_of_conda),
        ("pyproject", "pyproject.toml", PROJECT, toml_parser, ask_of_pypi),
        ("environment", "environment.yml", "dependencies: [numpy=1.26=py311_0]", yml_parser, ask_of_conda),
        ("environment", "environment.yml", "dependencies: [numpy, pip: [six]]", yml_parser, ask_of_conda),
        ("requirements", "requirements.txt", "--conda-pkg zlib=1.2\nsix", req_parser, ask_of_pypi),
        (
            "requirements",
            "requirements.txt",
            "-i https://i.example/s\n--no-index\nsix",
            req_parser,
            ask_of_pypi,
        ),
    ],
)
@pytest.mark.parametrize("datastore", ["local", "azure"])
def test_a_file_and_a_decorator_with_its_attributes_are_one_request(
    kind, name, content, parser, asking, datastore, tmp_path, isolated_home
) -> None:
    """What a parser returns goes through JSON, as every Config does."""
    path = tmp_path / name
    path.write_text(content)
    attributes = json.loads(json.dumps(parser(content)))
    ask = asking(attributes, "@decorator")
    decorated = requirements_of(StepRequest("train", ask, datastore))
    wanted = requirements_of_files(
        [(kind, str(path))], python=None, base=None, platforms=(), datastore=datastore
    )
    assert wanted.requirements == decorated


@pytest.mark.parametrize(
    ("parser", "content", "words"),
    [
        (req_parser, "six\n???\n", "requirements.txt:2: '???' is not a PyPI requirement"),
        (req_parser, "--frobnicate\n", "requirements.txt:1: option --frobnicate is unknown"),
        (req_parser, "--conda-channel c\nsix\n", "@pypi takes no --conda-channel"),
        (req_parser, "--sys-pkg __cuda=12\n", "takes no system packages (use @sys_packages)"),
        (req_parser, f"six==1 --hash=sha256:{'a' * 64}\n", "takes no --hash"),
        (req_parser, "six==1 ; os_name=='nt'\nsix==2 ; os_name=='posix'\n", "six stands here twice"),
        (req_parser, "--extra-index-url https://u:secret@h.example/simple\n", "takes no passwords in URLs"),
        (yml_parser, "dependencies:\n  - numpy\n  - six: [x]\n", "environment.yml:3: 'six' is unknown"),
        (yml_parser, "dependencies:\n  - sys: [__glibc=2.28]\n", "takes no system packages"),
        (yml_parser, "dependencies:\n  - pip: [--pre, six]\n", "@conda takes no --pre"),
        (toml_parser, "[project]\ndependencies = ['==']\n", "pyproject.toml:2: '==' is not a PyPI"),
        (toml_parser, "[project\n", "pyproject.toml"),
    ],
)
def test_what_cannot_be_said_by_a_decorator_is_refused(parser, content, words) -> None:
    with pytest.raises(EnvironmentProblem) as caught:
        parser(content)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_metaflow_s_own_parsers_fit_our_decorators() -> None:
    parsed = metaflow.requirements_txt_parser(
        "a[x]==1.0\nmy_lib @ git+https://h.example/m.git\npython==3.11\n"
    )
    requirements = requirements_of(StepRequest("train", ask_of_pypi(parsed, "@pypi"), "local"))
    assert [str(one) for one in requirements.pypi if one.name in ("a", "my-lib")] == [
        "a[x]==1",
        "my-lib @ git+https://h.example/m.git",
    ]
    assert requirements.python == "3.11.*"
    parsed = metaflow.conda_environment_yml_parser("dependencies:\n- python=3.11\n- numpy>=1.26\n")
    requirements = requirements_of(StepRequest("train", ask_of_conda(parsed, "@conda"), "local"))
    assert str(requirements.conda[1]) == "numpy >=1.26"
    parsed = metaflow.pyproject_toml_parser("[project]\ndependencies = ['six']\n")
    assert ask_of_pypi(parsed, "@pypi").pypi == {"six": ""}


def test_the_parsers_are_metaflow_s() -> None:
    assert (metaflow.req_parser, metaflow.yml_parser) == (req_parser, yml_parser)
    assert metaflow.toml_parser is toml_parser
