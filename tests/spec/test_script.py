from __future__ import annotations

import pytest

from conjoin.errors import UsageError
from conjoin.spec import read_requirements
from conjoin.spec.readers.read_file import read_script

SCRIPT = """\
#!/usr/bin/env python
# /// script
# requires-python = "~=3.10"
# dependencies = [
#   "requests<3",
#   "rich",
# ]
#
# [tool.conjoin]
# conda = ["zlib"]
#
# [tool.other]
# anything = 1
# ///

import requests
"""


def read(tmp_path, text):
    path = tmp_path / "job.py"
    path.write_text(text)
    return read_script(path)


def test_the_block_of_a_script(tmp_path):
    asked = read(tmp_path, SCRIPT)
    assert [str(one) for one in (*asked.pypi, *asked.conda)] == ["requests<3", "rich", "zlib"]
    assert asked.python == ("3.*,>=3.10",)


def test_other_blocks_are_not_ours(tmp_path):
    assert read(tmp_path, "# /// other\n# dependencies = 1\n# ///\n" + SCRIPT).pypi


def test_an_error_names_the_line_of_the_script(tmp_path):
    with pytest.raises(UsageError, match=r"job\.py:5: 'requests<<3' is not"):
        read(tmp_path, SCRIPT.replace("requests<3", "requests<<3"))
    with pytest.raises(UsageError, match=r"job\.py:6: invalid TOML"):
        read(tmp_path, SCRIPT.replace('"rich"', '"rich'))


def test_two_blocks_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"job\.py:17: a second script block; PEP 723 allows one"):
        read(tmp_path, SCRIPT + "# /// script\n# dependencies = []\n# ///\n")


def test_a_script_without_block_is_refused(tmp_path):
    with pytest.raises(UsageError, match="begins with '# /// script'"):
        read(tmp_path, "import requests\n")


def test_files_are_told_apart_by_name_or_by_saying_so(tmp_path):
    (tmp_path / "job.py").write_text(SCRIPT)
    assert read_requirements(tmp_path / "job.py").pypi
    (tmp_path / "list").write_text("attrs\n")
    assert read_requirements(tmp_path / "list", "requirements").pypi
    with pytest.raises(UsageError, match="unknown by its name"):
        read_requirements(tmp_path / "list")
    with pytest.raises(UsageError, match="only a pyproject"):
        read_requirements(tmp_path / "job.py", extras=["x"])
