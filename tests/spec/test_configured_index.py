from __future__ import annotations

import subprocess
import sys

import pytest
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from conjoin.spec.configured import index as configured_index
from conjoin.spec.configured.index import configured_indexes
from conjoin.spec.requirements import Credential


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host without any configuration: its environment variables, to add to."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    return {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_CONFIG_DIRS": str(tmp_path / "xdg"),
        "PIP_CONFIG_FILE": str(tmp_path / "own-pip.conf"),
        "UV_CONFIG_FILE": str(tmp_path / "own-uv.toml"),
    }


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_host_without_configuration_asks_pypi():
    assert (
        configured_indexes({"PIP_CONFIG_FILE": "/dev/null", "UV_NO_CONFIG": "1"}).default
        == PYPI_SIMPLE_ENDPOINT
    )


def test_pypi_is_known_without_importing_pypi_simple():
    code = (
        "import sys; from conjoin.spec.configured.index import configured_indexes as c;"
        "c({'PIP_CONFIG_FILE': '/dev/null', 'UV_NO_CONFIG': '1'}); sys.exit('pypi_simple' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_pypi_simple_of_another_shape_is_imported(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert configured_index._pypi() == PYPI_SIMPLE_ENDPOINT


def test_the_variables_have_precedence_in_the_order_documented(host):
    steps = [
        ("PIP_INDEX_URL", "https://pip.example/simple"),
        ("UV_INDEX_URL", "https://uv-old.example/simple/"),
        ("UV_DEFAULT_INDEX", "named=https://uv.example/simple"),
    ]
    seen = []
    for name, value in steps:
        host[name] = value
        seen.append(configured_indexes(host).default)
    assert seen == [
        "https://pip.example/simple/",
        "https://uv-old.example/simple/",
        "https://uv.example/simple/",
    ]


def test_pips_files_are_read_the_own_one_strongest(host, tmp_path):
    write(tmp_path / "xdg/pip/pip.conf", "[global]\nindex-url = https://everybody.example/simple\n")
    assert configured_indexes(host).default == "https://everybody.example/simple/"
    write(tmp_path / "config/pip/pip.conf", "[global]\nindex-url = https://user.example/simple\n")
    assert configured_indexes(host).default == "https://user.example/simple/"
    write(tmp_path / "venv/pip.conf", "[install]\nindex-url = https://venv.example/simple\n")
    assert configured_indexes(host).default == "https://venv.example/simple/"
    write(tmp_path / "own-pip.conf", "[install]\nindex-url = https://own.example/simple\n")
    assert configured_indexes(host).default == "https://own.example/simple/"


def test_no_file_of_pips_is_read_where_its_configuration_is_the_null_device(host, tmp_path):
    write(tmp_path / "config/pip/pip.conf", "[global]\nindex-url = https://user.example/simple\n")
    host["PIP_CONFIG_FILE"] = "/dev/null"
    assert configured_indexes(host).default == PYPI_SIMPLE_ENDPOINT


def test_extra_indexes_come_in_order_and_file_urls_and_find_links_are_left_aside(host, tmp_path):
    write(
        tmp_path / "own-pip.conf",
        "[global]\nfind-links = /opt/wheels\nextra-index-url =\n    https://one.example/simple\n"
        "    file:///srv/index\n    /srv/other\n    https://two.example/simple\n",
    )
    assert configured_indexes(host).extra == ("https://one.example/simple/", "https://two.example/simple/")


def test_a_default_index_on_disk_is_left_aside(host):
    host["PIP_INDEX_URL"] = "file:///srv/index"
    assert configured_indexes(host).default == PYPI_SIMPLE_ENDPOINT


def test_uvs_file_is_read(host, tmp_path):
    write(
        tmp_path / "own-uv.toml",
        '[[index]]\nurl = "https://d.example/simple"\ndefault = true\n'
        '[[index]]\nname = "x"\nurl = "https://x.example/simple"\n'
        '[[index]]\nname = "torch"\nurl = "https://only-for-torch.example/simple"\nexplicit = true\n',
    )
    found = configured_indexes(host)
    assert (found.default, found.extra) == ("https://d.example/simple/", ("https://x.example/simple/",))


def test_uvs_variable_lists_named_indexes(host):
    host["UV_INDEX"] = "a=https://a.example/simple https://b.example/simple?x=1"
    assert configured_indexes(host).extra == ("https://a.example/simple/", "https://b.example/simple/?x=1")


def test_credentials_are_set_apart(host):
    host["PIP_INDEX_URL"] = "https://u:secret@pip.example/simple"
    found = configured_indexes(host)
    assert found.default == "https://pip.example/simple/"
    assert found.credentials == (Credential("https://pip.example/simple", "u", "secret"),)


@pytest.mark.parametrize("text", ["[global\nx", "index-url = 1", "\x00\xff", "[global]\nindex-url = about\n"])
def test_a_broken_file_of_pips_or_uvs_is_not_ours_to_judge(host, tmp_path, text):
    write(tmp_path / "own-pip.conf", text)
    write(tmp_path / "own-uv.toml", text)
    assert configured_indexes(host).default == PYPI_SIMPLE_ENDPOINT
