from __future__ import annotations

import time

from conjoin import Requirements
from conjoin.spec import req_id
from conjoin.spec.readers.environment_yml import read_environment_yml

FULL = """\
name: research
channels:
  - https://u:secret@chan.example/x/
  - conda-forge
dependencies:
  - python=3.11
  - numpy >=1.2,<2   # a comment
  - pytorch::pytorch=2.1=*cuda*
  - "scipy 1.10.*"
  - blas[build=*mkl]
  - pip
  - pip:
      - requests[socks]>=2 ; python_version < '3.12'
      - --extra-index-url https://more.example/simple
      - --find-links ./wheels
      - --pre
      - -r requirements.txt
      - -c constraints.txt
      - git+https://host.example/tool.git@v1#egg=tool
  - sys:
      - __cuda=12.0
pypi-indices:
  - https://indices.example/simple
platforms: [linux-64, osx-arm64]
variables:
  A: b
"""


def read(tmp_path, text):
    path = tmp_path / "environment.yml"
    path.write_text(text)
    return read_environment_yml(path)


def names(requirements):
    return [str(one) for one in requirements]


def test_everything_conda_and_its_extensions_write(tmp_path):
    (tmp_path / "requirements.txt").write_text("flask>=2\n")
    (tmp_path / "constraints.txt").write_text("idna<4\n")
    asked = read(tmp_path, FULL)
    assert names(asked.conda) == [
        "numpy >=1.2,<2",
        "pytorch::pytorch ==2.1 *cuda*",
        "scipy 1.10.*",
        "blas * *mkl",
        "pip",
    ]
    assert asked.python == ("3.11.*",)
    assert names(asked.pypi) == [
        'requests[socks]>=2 ; python_version < "3.12"',
        "tool @ git+https://host.example/tool.git@v1",
        "flask>=2",
    ]
    assert names(asked.constraints) == ["idna<4"]
    assert asked.channels == ("https://chan.example/x", "conda-forge")
    assert asked.extra_indexes == ("https://more.example/simple/", "https://indices.example/simple/")
    assert asked.find_links == ((tmp_path / "wheels").as_uri(),)
    assert asked.prereleases
    assert asked.virtual_packages == (("__cuda", "12.0"),)
    assert asked.platforms == ("linux-64", "osx-arm64")
    assert [one.password for one in asked.credentials] == ["secret"]
    assert "variables is left aside" in asked.notes[0]


def test_it_is_real_yaml(tmp_path):
    asked = read(tmp_path, "{dependencies: &all [numpy, {'pip': ['attrs']}], channels: [!!str a, 'b']}")
    assert (names(asked.conda), names(asked.pypi), asked.channels) == (["numpy"], ["attrs"], ("a", "b"))


def test_a_version_is_a_text_never_a_number(tmp_path):
    # YAML's 3.10 would be the number 3.1.
    asked = read(tmp_path, "dependencies:\n  - python=3.10\n  - sys: [__glibc=2.10]\n")
    assert asked.python == ("3.10.*",)
    assert asked.virtual_packages == (("__glibc", "2.10"),)


def test_empty_sections_and_files_ask_for_nothing(tmp_path):
    assert read(tmp_path, "").conda == ()
    assert read(tmp_path, "# nothing\n").conda == ()
    assert read(tmp_path, "name: x\nchannels:\ndependencies: []\n").channels == ()


def test_one_meaning_in_two_files_has_one_identity(tmp_path):
    (tmp_path / "a.yml").write_text("channels: [x]\ndependencies: [numpy=1.26, {pip: [Attrs]}]\nname: a\n")
    (tmp_path / "b.yml").write_text("dependencies:\n- pip:\n  - attrs\n- numpy 1.26.*\nchannels:\n- x\n")
    one, other = (Requirements.from_file(tmp_path / name) for name in ("a.yml", "b.yml"))
    assert req_id(one) == req_id(other)


def test_reading_and_naming_takes_milliseconds(tmp_path):
    path = tmp_path / "environment.yml"
    path.write_text(FULL.replace("      - -r requirements.txt\n      - -c constraints.txt\n", ""))
    req_id(Requirements.from_file(path))  # imports
    took = []
    for _ in range(9):
        began = time.process_time()  # whatever else the machine does meanwhile
        req_id(Requirements.from_file(path))
        took.append(time.process_time() - began)
    assert min(took) < 0.06


def test_a_text_that_is_at_hand_is_read_as_the_file_would_be(tmp_path):
    asked = read_environment_yml(tmp_path / "environment.yml", text="dependencies: [numpy=1.26]\n")
    assert [str(one) for one in asked.conda] == ["numpy 1.26.*"]
