from __future__ import annotations

import pytest

from conjoin.errors import UsageError
from conjoin.spec.readers.pyproject import read_pyproject

FULL = """\
[project]
name = "My.Project"
requires-python = ">=3.10,<3.13"
dependencies = ["requests>=2", "attrs ; python_version < '3.12'"]

[project.optional-dependencies]
plot = ["matplotlib"]
"All_Of_It" = ["my-project[plot]", "rich"]

[dependency-groups]
test = ["pytest", {include-group = "Ty-ping"}]
ty_ping = ["mypy"]

[[tool.uv.index]]
url = "https://uv.example/simple"

[[tool.uv.index]]
url = "https://only-for-torch.example/simple"
explicit = true

[tool.conjoin]
conda = ["numpy=1.26", "mine::zlib"]
pypi = ["six"]
channels = ["conda-forge", "./chan"]
channel-priority = "flexible"
python = "3.11"
index-url = "https://default.example/simple"
indexes = ["https://extra.example/simple"]
find-links = ["wheels"]
platforms = ["linux-64", "win-64"]
pre = true
only-binary = [":all:"]
no-binary = ["foo"]
constraints = ["idna<4"]
overrides = ["urllib3==2"]
strategy = "lowest-direct"
exclude-newer = "2026-11-20"
mapping = "mapping.json"
python-source = "channel"
virtual-packages = {__cuda = "12.0"}
"""


def read(tmp_path, text, **which):
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    return read_pyproject(path, **which)


def names(requirements):
    return [str(one) for one in requirements]


def test_a_project_and_its_table(tmp_path):
    asked = read(tmp_path, FULL)
    assert names(asked.pypi) == ["requests>=2", 'attrs ; python_version < "3.12"', "six"]
    assert asked.python == (">=3.10,<3.13", "3.11.*")
    assert names(asked.conda) == ["numpy 1.26.*", "mine::zlib"]
    assert asked.channels == ("conda-forge", (tmp_path / "chan").as_uri())
    assert asked.channel_priority == "flexible"
    assert asked.index_url == "https://default.example/simple/"
    assert asked.extra_indexes == ("https://uv.example/simple/", "https://extra.example/simple/")
    assert asked.find_links == ((tmp_path / "wheels").as_uri(),)
    assert asked.platforms == ("linux-64", "win-64")
    assert asked.prereleases
    assert (asked.only_binary, asked.no_binary) == ((":all:",), ("foo",))
    assert names((*asked.constraints, *asked.overrides)) == ["idna<4", "urllib3==2"]
    assert asked.strategy == "lowest-direct"
    assert asked.exclude_newer == "2026-11-21T00:00:00Z"
    assert asked.mapping == str(tmp_path / "mapping.json")
    assert asked.virtual_packages == (("__cuda", "12.0"),)


def test_extras_are_asked_for_by_any_spelling_and_may_name_each_other(tmp_path):
    asked = read(tmp_path, FULL, extras=["all-of-it"])
    assert set(names(asked.pypi)) >= {"matplotlib", "rich"}
    assert "my-project" not in [one.name for one in asked.pypi]


def test_extras_in_a_circle_are_each_read_once(tmp_path):
    text = '[project]\nname = "p"\n[project.optional-dependencies]\na = ["p[b]", "x"]\nb = ["p[a]", "y"]\n'
    assert names(read(tmp_path, text, extras=["a"]).pypi) == ["x", "y"]


def test_groups_include_groups(tmp_path):
    asked = read(tmp_path, FULL, groups=["TEST"])
    assert names(asked.pypi)[2:4] == ["pytest", "mypy"]


def test_groups_in_a_circle_are_refused(tmp_path):
    text = '[dependency-groups]\na = [{include-group = "b"}]\nb = [{include-group = "a"}]\n'
    with pytest.raises(UsageError, match="dependency groups include each other: a -> b -> a"):
        read(tmp_path, text, groups=["a"])


def test_conda_packages_may_stand_in_a_table(tmp_path):
    text = '[tool.conjoin.conda]\nnumpy = ">=1.2,<2"\nzlib = "*"\nscipy = "1.10.*"\npython = "=3.11"\n'
    asked = read(tmp_path, text)
    assert names(asked.conda) == ["numpy >=1.2,<2", "zlib", "scipy 1.10.*"]
    assert asked.python == ("3.11.*",)


def test_dynamic_dependencies_are_refused_those_of_no_interest_are_not(tmp_path):
    read(tmp_path, '[project]\nname = "p"\ndynamic = ["version", "optional-dependencies"]\n')
    with pytest.raises(UsageError, match=r"toml:3: project\.dependencies is dynamic"):
        read(tmp_path, '[project]\nname = "p"\ndynamic = ["dependencies"]\n')


def test_poetry_s_sources_are_asked_before_the_default_index(tmp_path):
    path = tmp_path / "pyproject.toml"
    path.write_text(
        "[project]\nname = 'x'\n"
        "[[tool.poetry.source]]\nname = 'a'\nurl = 'https://u:pw@a.example/simple'\n"
        "[[tool.poetry.source]]\nname = 'b'\nurl = 'https://b.example/simple'\npriority = 'explicit'\n"
        "[[tool.poetry.source]]\nname = 'PyPI'\npriority = 'primary'\n"
    )
    asked = read_pyproject(path)
    assert asked.extra_indexes == ("https://a.example/simple/",)
    assert asked.index_url == ""
    assert [one.password for one in asked.credentials] == ["pw"]


def test_a_text_that_is_at_hand_is_read_as_the_file_would_be(tmp_path):
    asked = read_pyproject(tmp_path / "pyproject.toml", text="[project]\ndependencies = ['six']\n")
    assert [str(one) for one in asked.pypi] == ["six"]
