"""``.ci/install.py``: uv installs for development, from where pip would."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "install.py"
LISTED = r"""
global.cert='/corporate.pem'
global.extra-index-url='https://a.example/simple\nhttps://b.example/simple'
global.find-links='/not/this'
install.find-links='/wheels here'
freeze.timeout='1'
:env:.default-timeout='180'
:env:.index-url='https://own.example/it%27s'
"""


@pytest.fixture(scope="module")
def install() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_pip_says_of_its_files_and_variables_is_read(install: ModuleType) -> None:
    assert install.settings(LISTED) == {
        "cert": "/corporate.pem",
        "extra-index-url": "https://a.example/simple\nhttps://b.example/simple",
        "find-links": "/wheels here",
        "default-timeout": "180",
        "index-url": "https://own.example/it%27s",
    }


def test_pip_really_says_it_so(install: ModuleType, tmp_path: Path) -> None:
    """A file and a variable, read by the pip that is here."""
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nextra-index-url =\n    https://a.example/simple\n    https://b.example/simple\n"
    )
    variables = {"PIP_CONFIG_FILE": str(file), "PIP_FIND_LINKS": "/wheels"}
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        env={"PATH": "", "HOME": str(tmp_path), **variables},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = install.settings(listed)
    assert found["extra-index-url"].split() == ["https://a.example/simple", "https://b.example/simple"]
    assert found["find-links"] == "/wheels"


def test_uv_gets_them_as_options(install: ModuleType) -> None:
    options, variables = install.for_uv(install.settings(LISTED.replace("wheels here", "wheels")))
    pairs = list(zip(options[::2], options[1::2], strict=True))
    assert sorted(pairs) == [
        ("--default-index", "https://own.example/it%27s"),
        ("--find-links", "/wheels"),
        ("--index", "https://a.example/simple"),
        ("--index", "https://b.example/simple"),
        ("--index-strategy", "unsafe-best-match"),
    ]
    assert variables == {"SSL_CERT_FILE": "/corporate.pem"}


@pytest.mark.parametrize("setting", ["no-index", "client-cert", "require-hashes", "something-new"])
def test_a_setting_without_translation_leaves_it_to_pip(
    install: ModuleType, setting: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(install, "_call", lambda command, variables=None: called.append(command) or 0)
    _says(install, f"global.{setting}='1'\n", monkeypatch)
    assert install.main() == 0
    assert called == [[sys.executable, "-m", "pip", "install", "--quiet", "--editable", ".[dev]"]]
    assert setting in capsys.readouterr().err


@pytest.mark.parametrize("fails", ["uv>=0.13", "--index-strategy"])
def test_where_uv_cannot_pip_does_it(
    install: ModuleType, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(
        install, "_call", lambda command, variables=None: called.append(command) or int(fails in command)
    )
    _says(install, "global.timeout='9'\n", monkeypatch)
    assert install.main() == 0
    assert called[-1][1:4] == ["-m", "pip", "install"]
    assert called[-1][-2:] == ["--editable", ".[dev]"]
    assert fails in called[-2]


def _says(install: ModuleType, listed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, listed, "")

    monkeypatch.setattr(install.subprocess, "run", run)
