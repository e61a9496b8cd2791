"""Every Metaflow process imports the extension's modules: also the Python of a step, and bare containers."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import requires, version
from pathlib import Path

import pytest

pytest.importorskip("metaflow")
import metaflow
from test_architecture import EXTENSION, imports_of, modules
from worlds import make_wheel

OURS = EXTENSION / "conjoin"
MODULES = modules(EXTENSION)
POINTS = ("config", "plugins", "toplevel")
STANDARD = frozenset(sys.stdlib_module_names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(OURS)))
def test_every_module_is_written_for_python_3_8(path: Path) -> None:
    ast.parse(path.read_text("utf-8"), str(path), feature_version=(3, 8))


def test_importing_a_module_needs_metaflow_alone() -> None:
    """No third party, and not the engine either: a step's Python has none of them."""
    known = {*STANDARD, "metaflow", "metaflow_extensions"}
    wrong = [
        str(one) for path in MODULES for one in imports_of(path) if one.top_level and one.root not in known
    ]
    assert wrong == []


def test_imports_among_modules_have_no_cycle() -> None:
    """Metaflow imports plugins in the order of a set: a cycle would fail now and then."""
    prefix = "metaflow_extensions.conjoin."
    graph = {
        prefix + ".".join(path.relative_to(OURS).with_suffix("").parts).replace(".__init__", ""): {
            one.module for one in imports_of(path) if one.top_level and one.module.startswith(prefix)
        }
        for path in MODULES
    }
    done: set[str] = set()
    while len(done) < len(graph):
        free = {name for name, needed in graph.items() if name not in done and needed <= done}
        assert free, sorted(set(graph) - done)
        done |= free


ROOMS = (
    ".",
    "config",
    "plugins/environment/request",
    "plugins/environment/run",
    "plugins/environment/run/programs",
    "plugins/environment/remote",
    "plugins/environment",
    "plugins/flow_cli",
    "plugins",
    "cmd/environment",
    "cmd",
    "toplevel",
)
"""Each may import those before it, inside of functions and for types too."""


def test_rooms_import_one_way() -> None:
    assert {str(path.parent.relative_to(OURS)) for path in MODULES} == set(ROOMS)
    prefix = "metaflow_extensions.conjoin."
    wrong = []
    for path in MODULES:
        place = ROOMS.index(str(path.parent.relative_to(OURS)))
        for one in imports_of(path):
            room = OURS.joinpath(*one.module[len(prefix) :].split("."))
            folder = room if room.is_dir() else room.parent
            if one.module.startswith(prefix) and ROOMS.index(str(folder.relative_to(OURS))) > place:
                wrong.append(str(one))
    assert wrong == []


def test_each_point_has_exactly_one_configuration() -> None:
    """Metaflow takes an ``__init__.py`` for a second one, and then no import of Metaflow works any more."""
    found = sorted(path.relative_to(OURS).parts for path in OURS.glob("*/mfextinit_*.py"))
    assert {point for point, _ in found} >= set(POINTS)
    assert len({point for point, _ in found}) == len(found)
    assert {file for _, file in found} == {"mfextinit_conjoin.py"}
    assert [path for point, _ in found for path in [OURS / point / "__init__.py"] if path.exists()] == []


def test_the_extension_tells_the_version_of_the_distribution() -> None:
    from metaflow_extensions.conjoin.toplevel.conjoin_toplevel import __version__

    assert __version__ == version("conjoin")


def test_the_distribution_does_not_need_itself() -> None:
    """Metaflow sorts extensions by what they require, and ``conjoin[metaflow]`` would be a cycle."""
    assert [text for text in requires("conjoin") or () if text.startswith("conjoin")] == []


def _pyenv(minor: str) -> list[Path]:
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return sorted(root.glob(f"versions/{minor}.*/bin/python"))


@pytest.mark.parametrize("minor", ["3.8", "3.9", "3.13"])
def test_the_modules_import_where_nothing_but_metaflow_is(minor: str, tmp_path: Path) -> None:
    interpreters = _pyenv(minor)
    if not interpreters:
        pytest.skip(f"there is no Python {minor}")
    home = tmp_path / "home"
    home.mkdir()
    (home / "metaflow").symlink_to(Path(metaflow.__file__).parent)
    (home / "metaflow_extensions").symlink_to(EXTENSION)
    # Metaflow prepares a session of requests, and uses it where it talks to a service.
    (home / "requests.py").write_text(
        "class Session:\n    def mount(self, *rest): pass\n"
        "class adapters:\n    class HTTPAdapter:\n        def __init__(self, *rest, **named): pass\n"
    )
    names = [
        ".".join(path.relative_to(EXTENSION.parent).with_suffix("").parts)
        for path in MODULES
        if "programs" not in path.parts and path.stem != "__init__"
    ]
    program = (
        "import importlib, sys, metaflow\n"
        "from metaflow import conda, pypi, pip, named_env, sys_packages\n"
        "from metaflow import conda_base, pypi_base, pip_base, named_env_base, sys_packages_base\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "assert 'conjoin' not in sys.modules\n"
        "print(metaflow.plugins.ENVIRONMENTS)\n"
    )
    done = subprocess.run(
        [interpreters[-1], "-c", program],
        env={
            "PATH": os.defpath,
            "HOME": str(tmp_path),
            "PYTHONPATH": str(home),
            "PYTHONNOUSERSITE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "CondaEnvironment" in done.stdout
    assert done.stderr == ""


def test_beside_the_netflix_extension_that_one_serves_alone(tmp_path: Path) -> None:
    plugins = tmp_path / "metaflow_extensions/netflixext/plugins"
    plugins.mkdir(parents=True)
    (plugins / "mfextinit_netflixext.py").write_text("ENVIRONMENTS_DESC = [('conda', '.theirs.Theirs')]\n")
    (plugins / "theirs.py").write_text(
        "from metaflow.metaflow_environment import MetaflowEnvironment\n\n\n"
        "class Theirs(MetaflowEnvironment):\n    TYPE = 'conda'\n"
    )
    program = (
        "import subprocess, sys\n"
        "import metaflow.plugins as p\n"
        "ours = [one for one in p.ENVIRONMENTS if one.TYPE in ('conda', 'pypi')]\n"
        "print(*sorted(f'{one.TYPE}: {one.__module__}' for one in ours))\n"
        "print(*{one.__module__.split('.')[0] for one in p.STEP_DECORATORS + p.FLOW_DECORATORS})\n"
        "subprocess.run([sys.executable, '-c', 'import metaflow'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "conda: metaflow_extensions.netflixext.plugins.theirs pypi: metaflow.plugins.pypi.pypi_environment",
        "metaflow",
    ]
    assert done.stderr.count("metaflow-netflixext is installed too") == 1


@pytest.mark.slow
@pytest.mark.parametrize("editable", [False, True])
def test_metaflow_finds_the_extension_however_it_is_installed(editable: bool, tmp_path: Path) -> None:
    """Beside another extension: of those without ``top_level.txt``, Metaflow then sees none."""
    root = EXTENSION.parents[1]
    site = tmp_path / "site"
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source)
    shutil.copytree(
        EXTENSION.parent, source / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
    )
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site)]
    install = [*pip, "--editable", str(source)] if editable else [*pip, str(source)]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode and "Could not find" in done.stderr:
        pytest.skip("setuptools cannot be fetched for the build")
    assert done.returncode == 0, done.stderr
    other = make_wheel(
        tmp_path,
        "another-extension",
        "1.0",
        files={"metaflow_extensions/another/toplevel/mfextinit_another.py": "toplevel = 'another_top'\n"}
        | {"metaflow_extensions/another/toplevel/another_top.py": "from_another = 42\n"}
        | {"another_extension-1.0.dist-info/top_level.txt": "metaflow_extensions\n"},
    )
    with zipfile.ZipFile(other) as wheel:
        wheel.extractall(site)
    (site / "metaflow").symlink_to(Path(metaflow.__file__).parent)
    for name in ("requests", "urllib3", "idna", "certifi", "charset_normalizer", "boto3", "botocore"):
        if (found := Path(metaflow.__file__).parents[1] / name).exists():
            (site / name).symlink_to(found)
    program = (
        "import site, sys; site.addsitedir(sys.argv[1]); sys.path.insert(0, sys.argv[1])\n"
        "import metaflow\n"
        "from metaflow import from_another, named_env\n"
        "from metaflow.extension_support import get_modules\n"
        "print(sorted(one.package_name for one in get_modules('toplevel')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", program, str(site)],
        env={"PATH": os.defpath, "HOME": str(tmp_path), "METAFLOW_USER": "x"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['another-extension', 'conjoin']\n"
