"""The layout of docs/architecture.md, kept by machine: who may import whom, how big, how fast to import."""

from __future__ import annotations

import ast
import functools
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

import pytest

from conjoin.config.toml import loads

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src"
PACKAGE = SOURCES / "conjoin"
EXTENSION = SOURCES / "metaflow_extensions"

MOST_LINES = 700
"""Longer than this, a module has two concepts."""

LEAST_LINES = 80
"""Shorter than this and with a single importer, a module is a splinter of that importer."""

# The path of the data, and which rooms each room may use: always further left, never right.
_PATH = (
    "version",
    "redaction",
    "errors",
    "untrusted",
    "writing",
    "cyclic_gc",
    "config",
    "spec",
    "net",
    "index",
    "build",
    "solve",
    "lock",
    "trust",
    "store",
    "prefix",
)
MAY_IMPORT: dict[str, frozenset[str]] = {
    **{room: frozenset(_PATH[:place]) for place, room in enumerate(_PATH)},
    # What was decided knows neither how it was solved nor what exists.
    "lock": frozenset({"version", "redaction", "errors", "untrusted", "writing", "config", "spec"}),
    # Statements, policies, memory, the log's entries: as data, whatever a lock is made of.
    "trust": frozenset({"version", "redaction", "errors", "untrusted", "config", "spec"}),
    # What joins the rooms into one call, and what the library shows of it.
    "resolving": frozenset(_PATH),
    "inventory": frozenset(_PATH),
    "collecting": frozenset(_PATH),
    "requirements": frozenset({"spec"}),
    "api": frozenset({*_PATH, "resolving"}),
    "__init__": frozenset({*_PATH, "resolving", "requirements", "api"}),
    # Stands beside the path: it makes what the path reads, and shares with it only words.
    "forge": frozenset({"errors", "untrusted", "writing", "config", "spec"}),
    # Runs in containers that have nothing: of ours it shares the errors alone, and how secrets are kept out.
    "bootstrap": frozenset({"redaction", "errors"}),
    # What bootstrap needs, chosen from indexes and put into a store.
    "toolkit": frozenset({*_PATH, "resolving", "bootstrap"}),
    # Plays the whole path on forged channels; only the command line knows of it.
    "demo": frozenset({*_PATH, "resolving", "api", "forge"}),
}
FRONTS = ("cli", "__main__")
"""The command line may import everything; nobody imports it. So it is with ``metaflow_extensions``."""

HEAVY = (
    "argcomplete",
    "httpx",
    "msgspec",
    "obstore",
    "packaging",
    "pypi_simple",
    "rattler",
    "rich",
    "ruamel",
    "tomlkit",
)
"""Third parties whose import is noticeable (or drags in one that is)."""


MOST_MODULES = 13
CROWDED = {"conjoin/cli/commands": "one module a command, and each is found by its name"}
"""Folders with more modules than that, and why they have no sub-rooms."""

SPLINTERS = {
    "conjoin.bootstrap.identity": "the twin of conjoin.lock.identity, which a test holds equal to it",
    "conjoin.bootstrap.stores.google": "a container loads what reads one kind of store alone",
    "conjoin.bootstrap.stores.open_source": "the stores need what it opens them as: a circle otherwise",
    "conjoin.requirements": "naming conjoin.Requirements loads no store, and conjoin.hydrate no reader",
    "metaflow_extensions.conjoin.config.public_settings": "each name in its importer is a setting of its",
    "metaflow_extensions.conjoin.plugins.netflix_guard": "its importer holds nothing but Metaflow's lists",
}
"""Short modules with one importer that stay, and why."""


@dataclass(frozen=True)
class Import:
    """One imported module as it is written in a file; ``top_level`` if it runs when the file is imported."""

    file: Path
    line: int
    module: str
    top_level: bool

    @property
    def root(self) -> str:
        return self.module.partition(".")[0]

    @property
    def room(self) -> str:
        """``index`` of ``conjoin.index.pypi.indexes``; ``__init__`` of ``conjoin`` itself."""
        return [*self.module.split("."), "__init__"][1]

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module}"


def modules(under: Path = SOURCES) -> list[Path]:
    return sorted(path for path in under.rglob("*.py") if "egg-info" not in str(path))


def imports_of(file: Path) -> Iterator[Import]:
    tree = ast.parse(file.read_text("utf-8"), str(file))

    def walk(node: ast.AST, top_level: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(file, child.lineno, alias.name, top_level)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{file}:{child.lineno}: a relative import hides where it points"
                module = child.module or ""
                # `from conjoin import api` imports conjoin.api
                inner = {name for alias in child.names if (name := f"{module}.{alias.name}") in _names()}
                if inner != {f"{module}.{alias.name}" for alias in child.names}:
                    yield Import(file, child.lineno, module, top_level)
                for name in sorted(inner):
                    yield Import(file, child.lineno, name, top_level)
            inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from walk(child, top_level and not inside and not _only_for_types(child))

    yield from walk(tree, True)


@functools.cache
def _names() -> frozenset[str]:
    return frozenset(module_name(file) for file in modules())


def _only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def room_of(file: Path) -> str:
    """``index`` of ``src/conjoin/index/pypi/indexes.py``, ``api`` of ``src/conjoin/api.py``."""
    relative = file.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


@functools.cache
def every_import() -> tuple[Import, ...]:
    """Read when a test asks: every worker collects this module, and one of them runs it."""
    return tuple(one for file in modules() for one in imports_of(file))


def test_the_reader_of_imports_sees_what_is_there() -> None:
    assert len(every_import()) > 300
    assert any(one.root == "rattler" and not one.top_level for one in every_import())
    assert {"spec", "net", "index", "build", "solve", "lock", "store", "prefix", "forge"} <= {
        room_of(file) for file in modules(PACKAGE)
    }


def test_imports_point_one_way_along_the_path_of_the_data() -> None:
    wrong = [
        str(one)
        for one in every_import()
        if one.root == "conjoin"
        and one.file.is_relative_to(PACKAGE)
        and (room := room_of(one.file)) not in FRONTS
        and one.room not in {room, *MAY_IMPORT[room]}
    ]
    assert wrong == []


def test_every_room_has_a_rule() -> None:
    assert {room_of(file) for file in modules(PACKAGE)} - set(FRONTS) <= set(MAY_IMPORT)


def test_nobody_imports_the_fronts() -> None:
    wrong = [
        str(one)
        for one in every_import()
        if (one.root == "metaflow_extensions" and not one.file.is_relative_to(EXTENSION))
        or (one.module.startswith("conjoin.cli") and not _is_front(one.file))
    ]
    assert wrong == []


def test_the_forge_takes_only_words_from_spec() -> None:
    taken = {one.module for one in every_import() if one.room == "spec" and _in(one, "forge")}
    assert taken <= {"conjoin.spec.names", "conjoin.spec.platform", "conjoin.spec"}


def test_conjoin_never_imports_metaflow() -> None:
    assert [str(one) for one in every_import() if one.root == "metaflow" and _in(one, "")] == []


def test_stores_prefixes_and_the_solver_stay_behind_their_own_room() -> None:
    """Each third party is met in few rooms: who else wants it goes through those."""
    rooms = {
        "rattler": {"index", "solve", "prefix", "forge", "spec", "cli"},
        "httpx": {"net", "index", "store", "forge", "cli"},
        "obstore": {"store"},
        "rich": {"cli"},
        "argcomplete": {"cli"},
        "ruamel": {"spec", "cli"},
        "tomlkit": {"config"},
    }
    wrong = [
        str(one)
        for one in every_import()
        if one.root in rooms and one.file.is_relative_to(PACKAGE) and room_of(one.file) not in rooms[one.root]
    ]
    assert wrong == []


def test_there_is_one_parser_of_command_lines() -> None:
    """One module makes argparse's parsers; the bootstrap, which runs without the rest, has its own."""
    makers = [
        str(file.relative_to(PACKAGE))
        for file in modules(PACKAGE)
        if room_of(file) != "bootstrap" and "ArgumentParser" in file.read_text("utf-8")
    ]
    assert makers == ["cli/parser.py"]
    others = {"typer", "click", "optparse", "getopt", "docopt", "fire"}
    assert [str(one) for one in every_import() if one.root in others and _in(one, "")] == []


@functools.cache
def needs() -> dict[str, frozenset[str]]:
    """Return which modules of ours each one imports: at its top, inside functions, and for types alone."""
    found: dict[str, set[str]] = {name: set() for name in _names()}
    for one in every_import():
        name = module_name(one.file)
        if one.module in found and one.module != name:
            found[name].add(one.module)
    return {name: frozenset(needed) for name, needed in found.items()}


def circles(needed: Mapping[str, Set[str]]) -> list[str]:
    """Return what is left when all that needs nothing else of what is left has been taken away."""
    left = {name: set(others) & needed.keys() for name, others in needed.items()}
    while free := {name for name, others in left.items() if not others}:
        left = {name: others - free for name, others in left.items() if name not in free}
    # What only leads to a circle is no part of one.
    while ends := set(left) - {other for others in left.values() for other in others}:
        left = {name: others for name, others in left.items() if name not in ends}
    return sorted(left)


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == ["b", "c"]


def test_no_two_modules_need_each_other() -> None:
    """Whatever kind of import it is: a circle of modules cannot be read, tested or moved one by one."""
    assert circles(needs()) == []


@pytest.mark.parametrize("room", sorted({room_of(file) for file in modules(PACKAGE)}))
def test_sub_rooms_import_one_way(room: str) -> None:
    """Within a room a folder counts as one, and so does each module that lies in no folder of the room."""
    inside = f"conjoin.{room}."

    def part(name: str) -> str:
        return name.removeprefix(inside).partition(".")[0]

    needed: dict[str, set[str]] = {}
    for name, others in needs().items():
        if name.startswith(inside):
            mine = needed.setdefault(part(name), set())
            mine |= {part(other) for other in others if other.startswith(inside)} - {part(name)}
    assert circles(needed) == []


def test_no_room_is_crowded() -> None:
    """A folder of more than a dozen modules has sub-rooms, or a reason."""
    folders = {file.parent for file in modules()}
    counts = {
        str(folder.relative_to(SOURCES)): sum(file.name != "__init__.py" for file in folder.glob("*.py"))
        for folder in folders
    }
    assert {folder for folder, count in counts.items() if count > MOST_MODULES} == set(CROWDED)


def test_no_module_is_a_splinter_of_its_only_importer() -> None:
    importers: dict[str, set[str]] = {}
    for name, others in needs().items():
        for other in others:
            importers.setdefault(other, set()).add(name)
    splinters = {
        name
        for file in modules()
        if len(importers.get(name := module_name(file), ())) == 1
        and file.name not in ("__init__.py", "__main__.py")
        and len(file.read_text("utf-8").splitlines()) < LEAST_LINES
    }
    assert splinters == set(SPLINTERS)


def test_a_report_reads_no_prose() -> None:
    """Reasons are data until the line that prints them: nothing there takes a text apart."""
    report = modules(PACKAGE / "solve" / "report")
    assert report
    assert [str(one) for one in every_import() if one.file in report and one.root in ("re", "regex")] == []


def test_rattler_is_imported_only_where_it_is_used() -> None:
    """py-rattler takes tens of milliseconds to load: never while a module of ours is imported."""
    assert [str(one) for one in every_import() if one.root == "rattler" and one.top_level] == []


def test_import_conjoin_loads_nothing_heavy() -> None:
    code = f"import sys, conjoin; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert _python("-c", code) == "[]\n"


def test_import_conjoin_loads_nothing_but_itself() -> None:
    code = (
        "import sys; before = set(sys.modules); import conjoin; "
        "print(sorted(set(sys.modules) - before - {'__future__'}))"
    )
    assert _python("-c", code) == "['conjoin']\n"


def test_import_conjoin_loads_no_module_of_its_own() -> None:
    """The public names are looked up when they are first used (PEP 562)."""
    code = "import sys, conjoin; print(sorted(name for name in sys.modules if name.startswith('conjoin')))"
    assert _python("-c", code) == "['conjoin']\n"


def test_every_public_name_exists() -> None:
    code = "import conjoin; print([name for name in conjoin.__all__ if getattr(conjoin, name) is None])"
    assert _python("-c", code) == "[]\n"


@pytest.mark.parametrize("word", ["util", "utils", "helper", "helpers", "common", "misc", "tools"])
def test_no_module_is_named_after_nothing(word: str) -> None:
    """Neither a file nor a folder, of the source, the tests or the benchmarks."""
    everything = [path for folder in ("src", "tests", "benchmarks") for path in modules(ROOT / folder)]
    assert len(everything) > len(modules())
    named = [path for path in everything if word in {path.stem, *path.relative_to(ROOT).parts}]
    assert named == []


UNDECLARED = {
    "metaflow": "the extension is for those who have it",
    "certifi": "of httpx; for systems without a store of certificates",
    "botocore": "the bootstrap's signer for profiles and roles, where a container has it",
    "azure": "the same for Azure's identities",
    "google": "the same for Google's",
    "contourpy": "in the demo's environment, not in ours",
    "numpy": "as contourpy",
    "compression": "the standard library's since Python 3.14 (PEP 784)",
}


def test_what_is_imported_is_declared_and_what_is_declared_is_used() -> None:
    """Another's dependency is none of ours: it may leave with that other's next version."""
    known = {*sys.stdlib_module_names, "conjoin", "metaflow_extensions"}
    imported = {one.root for one in every_import()} - known
    ours = {name.partition(".")[0].replace("-", "_").removeprefix("py_") for name in declared("dependencies")}
    assert imported - ours - set(UNDECLARED) == set()
    # It is asked for by name, see config/toml.py.
    assert ours - imported == {"tomli"}
    assert set(UNDECLARED) - imported == set()


@pytest.mark.parametrize("extra", ["dependencies", "metaflow", "dev"])
def test_every_dependency_is_explained(extra: str) -> None:
    explained = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    assert [name for name in declared(extra) if f"`{name}" not in explained] == []


def declared(table: str) -> list[str]:
    """Return the names of a list of distributions in pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    project = loads(text, where="pyproject.toml")["project"]
    listed = {**project, **project["optional-dependencies"]}[table]
    names = [re.split(r"[^\w.-]", requirement)[0] for requirement in listed]
    assert names
    return names


def test_no_module_is_longer_than_a_reader_s_patience() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in modules()
        if (lines := len(path.read_text("utf-8").splitlines())) > MOST_LINES
    }
    assert long == {}


def test_metaflow_extensions_is_a_namespace() -> None:
    """Metaflow's extensions share that package: an ``__init__.py`` of ours would hide all others."""
    assert (EXTENSION / "conjoin" / "__init__.py").is_file()
    assert not (EXTENSION / "__init__.py").exists()


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in modules()
        if (text := path.read_text("utf-8")).strip() and not ast.get_docstring(ast.parse(text))
    ]
    assert silent == []


# Written in parts, so that this file doesn't hold what it looks for.
FORBIDDEN = (
    # The public index is what pypi_simple says it is, never a host name of ours.
    re.compile(r"(?<!test\.)\b" + "pypi" + r"\.org\b"),
    re.compile("files" + r"\." + "python" + "hosted"),
    re.compile("registry" + r"\." + "npm" + "js"),
    re.compile("deb" + r"\." + "debian" + r"\.org"),
    # A path of the machine that something was written on.
    re.compile(r"(?<![\w.])/" + "work" + r"/(?:main|shared)"),
    re.compile(r"(?<![\w.])/" + "root" + r"/[\w.]"),
    re.compile("/" + "tmp" + "/" + "bash_" + "jobs"),
    re.compile("/" + "tmp" + "/" + "dev" + "/"),
)


def tracked_files() -> list[Path]:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_registry_s_host_or_a_path_of_a_machine() -> None:
    found = []
    for path in tracked_files():
        text = path.read_bytes().decode("utf-8", "replace")
        for pattern in FORBIDDEN:
            found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in pattern.finditer(text)]
    assert found == []


OLD_NAME = "hold" + "fast"


def test_the_old_name_is_gone() -> None:
    """It belongs to another project: nobody must be told to install that one."""
    said = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in tracked_files()
        for line in path.read_bytes().decode("utf-8", "replace").splitlines()
        if OLD_NAME in line.lower()
    ]
    assert len(said) == 1
    assert said[0].startswith("CHANGELOG.md: ")
    assert [str(path) for path in tracked_files() if OLD_NAME in str(path.relative_to(ROOT)).lower()] == []


def test_the_forbidden_patterns_match_what_they_are_for() -> None:
    hits = [
        "https://" + "pypi" + ".org/simple/",
        "https://" + "files.python" + "hosted.org/x",
        "https://registry.npm" + "js.org/",
        "http://deb.debian" + ".org/",
        "/work" + "/main/src",
        " /root" + "/.cache",
        "/tmp/bash_" + "jobs.0/1",
        "/tmp/d" + "ev/v/bin/python",
    ]
    assert [bool(pattern.search(hit)) for pattern, hit in zip(FORBIDDEN, hits, strict=True)] == [True] * len(
        hits
    )
    assert not any(
        pattern.search("examples.org/simple /homework/mainly $HOME/roots/x") for pattern in FORBIDDEN
    )


@pytest.mark.slow
def test_the_wheel_holds_both_packages_and_says_so(tmp_path: Path) -> None:
    """Metaflow finds an extension through ``top_level.txt``, which setuptools alone writes."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(SOURCES, source / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--quiet",
        "--wheel-dir",
        str(tmp_path),
        str(source),
    ]
    built = subprocess.run(build, capture_output=True, text=True, check=False)
    if built.returncode and "setuptools" in built.stderr and "Could not find" in built.stderr:
        pytest.skip("setuptools cannot be fetched for the build")
    assert built.returncode == 0, built.stderr

    [wheel] = tmp_path.glob("conjoin-*.whl")
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        [top_level] = [name for name in names if name.endswith(".dist-info/top_level.txt")]
        assert opened.read(top_level).decode().split() == ["conjoin", "metaflow_extensions"]
    assert "metaflow_extensions/conjoin/__init__.py" in names
    assert "metaflow_extensions/__init__.py" not in names
    assert {"conjoin/py.typed", "conjoin/index/mapping.json"} <= set(names)
    ours = {str(path.relative_to(SOURCES)) for path in modules()}
    assert ours <= set(names)


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(SOURCES).with_suffix("").parts).removesuffix(".__init__")


def _is_front(file: Path) -> bool:
    return file.is_relative_to(EXTENSION) or room_of(file) in FRONTS


def _in(one: Import, room: str) -> bool:
    return one.file.is_relative_to(PACKAGE / room)


def _python(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_map_names_what_is_there() -> None:
    """Paths in docs/architecture.md are those of modules and rooms; the glue's stand below its own folder."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = set(re.findall(r"`([a-z_0-9./]+(?:\.py|/))`", text))
    glue = EXTENSION / "conjoin"
    places = [ROOT, PACKAGE, glue, glue / "plugins" / "environment"]
    places += [folder for folder in PACKAGE.iterdir() if folder.is_dir()]
    assert len(named) > 40
    assert sorted(name for name in named if not any((place / name).exists() for place in places)) == []
