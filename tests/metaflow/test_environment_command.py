"""``metaflow environment``: environments outside of any flow, by names, files and past runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flow_runs import Flows, Ran

pytestmark = pytest.mark.slow

LIBRARIES = ["requests>=2.21.0", "boto3>=1.14.0"]
LINE = re.compile(r"[0-9a-f]{40}:[0-9a-f]{40} \S+ (conda-only|pypi-only|mixed) \S+")


@pytest.fixture(scope="module")
def fresh(flows: Flows, tmp_path_factory: pytest.TempPathFactory) -> Flows:
    """A home in which nothing was resolved yet, with a store that others may use as well."""
    made = Flows(tmp_path_factory.mktemp("fresh"), flows.server)
    made.variables["METAFLOW_CONDA_LOCALROOT"] = str(made.folder / "shared")
    (made.folder / "environment.yml").write_text("dependencies:\n  - tinylib==1.0\n", encoding="utf-8")
    return made


ONE_AFTER_ANOTHER = """
import contextlib, io, json, sys
from metaflow.cmd.main_cli import start

told = []
for words in json.loads(sys.argv[1]):
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            start(args=words)
        except SystemExit as end:
            code = end.code or 0
    told.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(told))
"""


def environment(fresh: Flows, *arguments: str, quiet: bool = True) -> Ran:
    """Run ``metaflow environment``."""
    words = ["environment", *(["--quiet"] if quiet else []), *arguments]
    return fresh.call(sys.executable, "-m", "metaflow.cmd.main_cli", *words)


def together(fresh: Flows, *commands: str) -> list[Ran]:
    """Run several quiet commands in one process: to import Metaflow is most of what a command costs."""
    words = [["environment", "--quiet", *command.split()] for command in commands]
    ran = fresh.call(sys.executable, "-c", ONE_AFTER_ANOTHER, json.dumps(words))
    assert ran.code == 0, ran.said
    return [Ran(*told) for told in json.loads(ran.stdout)]


def results(ran: Ran) -> list[str]:
    """Return what a command told on stdout: Metaflow itself says its version first."""
    assert ran.code == 0, ran.said
    banner, blank, *lines = ran.stdout.splitlines()
    assert (banner[:9], blank) == ("Metaflow ", "")
    return lines


def only(ran: Ran) -> str:
    """Return the one line that a quiet command told."""
    [line] = results(ran)
    assert ran.stderr == "", "quiet says nothing but results and errors"
    return line


def result(fresh: Flows, *arguments: str) -> str:
    return only(environment(fresh, *arguments))


def refused(ran: Ran, code: int) -> str:
    assert ran.code == code, ran.said
    [error] = ran.stderr.splitlines()
    assert error.startswith("error: ")
    assert ran.stdout.count("\n") == 2, "no results beside an error"
    return error


@pytest.fixture(scope="module")
def base(fresh: Flows) -> str:
    """Resolve environment.yml as ``team/base:v1`` and return its id."""
    line = result(
        fresh, "resolve", "-f", "environment.yml", "--alias", "team/base:v1", "--alias", "team/base"
    )
    assert LINE.fullmatch(line)
    name, _, kind, prefix = line.split()
    assert (kind, prefix) == ("conda-only", "-")
    return name


def test_the_same_by_decorator_file_and_command_line_has_one_id(fresh: Flows) -> None:
    """Three programs: a flow, ``metaflow environment`` with either kind of file, and ``conjoin`` itself."""
    folder = fresh.folder
    ran = fresh.run("asked.py", "environment", "resolve", "start", "--output", "-")
    assert ran.code == 0, ran.said
    [decorated] = json.loads(ran.stdout)["start"].values()
    (folder / "both.yml").write_text(
        "dependencies: ['condaonly>=1', pip: [pypionly==3.1]]\n", encoding="utf-8"
    )
    (folder / "requirements.txt").write_text("pypionly==3.1\n--conda-pkg condaonly >=1\n", encoding="utf-8")
    found = {
        name: environment(fresh, "resolve", "--dry-run", *arguments)
        for name, arguments in {"yml": ["-f", "both.yml"], "txt": ["-r", "requirements.txt"]}.items()
    }
    typed = [["--pypi", text] for text in ["pypionly==3.1", *LIBRARIES]]
    python = ".".join(map(str, sys.version_info[:2]))
    where = ["-c", fresh.variables["METAFLOW_CONDA_CHANNELS"]]
    where += ["--index-url", fresh.variables["METAFLOW_CONDA_DEFAULT_PYPI_SOURCE"]]
    words = [
        *(word for pair in typed for word in pair),
        "--conda",
        "condaonly>=1",
        "--python",
        python,
        *where,
    ]
    ran = fresh.call(
        sys.executable, "-m", "conjoin", "resolve", *words, "--json", "--store", str(folder / "own")
    )
    assert ran.code == 0, ran.said
    command_line = json.loads(ran.stdout)
    ids = {
        "decorator": "{req_id}:{full_id}".format(**decorated),
        "command line": "{req_id}:{full_id}".format(**command_line),
        **{name: results(one)[0].split()[0] for name, one in found.items()},
    }
    assert len(set(ids.values())) == 1, ids


def test_what_was_resolved_is_found_again_and_skipping_libraries_is_something_else(
    fresh: Flows, base: str
) -> None:
    fresh.server.forget()
    ran = environment(fresh, "resolve", "-f", "environment.yml", quiet=False)
    lines = results(ran)
    assert fresh.server.requests == []
    assert lines[0].startswith("resolved before (")
    assert lines[1] == f"environment {base}"
    assert any(line.startswith("boto3") for line in lines)
    bare = results(
        environment(fresh, "resolve", "-f", "environment.yml", "--skip-metaflow-deps", quiet=False)
    )
    assert any(line.startswith("tinylib") for line in bare)
    assert not any(line.startswith(("boto3", "requests")) for line in bare)


def test_names_of_environments(fresh: Flows, base: str) -> None:
    """In one process, as the commands look names up."""
    from conjoin import Store
    from conjoin.errors import NotFound, UsageError
    from metaflow_extensions.conjoin.plugins.flow_cli.environment_names import environment_named

    store = Store(fresh.variables["METAFLOW_CONDA_LOCALROOT"])
    req_id, full_id = base.split(":")
    for name in ("team/base", "team/base:latest", "team/base:v1", base):
        lock = environment_named(name, store).lock
        assert (lock.req_id, lock.full_id) == (req_id, full_id), name
    for name in ("team/base:v2", "team/base:V1", "Team/base", "/team/base", "team//base", "team/", ":v1", ""):
        with pytest.raises((NotFound, UsageError)):
            environment_named(name, store)
    for name in ("f" * 40, f"{'f' * 40}:{'f' * 40}", full_id):
        with pytest.raises(NotFound):
            environment_named(name, store)


def test_a_name_that_is_written_once_does_not_move_and_costs_no_work(fresh: Flows, base: str) -> None:
    (fresh.folder / "other.yml").write_text("dependencies: [tinylib==2.0]\n", encoding="utf-8")
    fresh.server.forget()
    taken = environment(fresh, "resolve", "-f", "other.yml", "--alias", "team/base:v1")
    assert "team/base:v1 is written once" in refused(taken, 7)
    assert fresh.server.requests == [], "refused before any work"
    unchanged, resolved = together(fresh, "show team/base:v1", "resolve -f other.yml --alias team/other:v1")
    assert only(unchanged).startswith(base)
    other = only(resolved).split()[0]
    tags = ("latest", "candidate", "stable")
    moved, again, *moves = together(
        fresh,
        f"alias {other} team/base:v1",
        "alias team/base:v1 team/base:v1",
        *(f"alias {one} team/moving:{tag}" for tag in tags for one in (base, other)),
        *(f"show team/moving:{tag}" for tag in tags),
    )
    assert "team/base:v1" in refused(moved, 7)
    assert only(again) == f"team/base:v1 {base}"
    assert [only(ran) for ran in moves[:2]] == [f"team/moving:latest {base}", f"team/moving:latest {other}"]
    assert all(only(ran).startswith(other) for ran in moves[6:])


def test_another_user_of_the_store_sees_it(fresh: Flows, base: str, tmp_path: Path) -> None:
    other = Flows(tmp_path, fresh.server)
    root = fresh.variables["METAFLOW_CONDA_LOCALROOT"]
    other.variables["METAFLOW_USER"] = other.variables["USER"] = "somebody"
    assert "team/base:v1" in refused(environment(other, "show", "team/base:v1"), 6)
    assert result(other, "--conda-root", root, "show", "team/base:v1").startswith(base)


def test_what_a_request_means_is_what_was_resolved_last_unless_somebody_says_otherwise(
    fresh: Flows, base: str
) -> None:
    """A second lock of the same requirements stands in for what indexes had some other day."""
    from conjoin import Store
    from conjoin.lock.identity import make_lock
    from conjoin.lock.model import LockedPlatform

    store = Store(fresh.variables["METAFLOW_CONDA_LOCALROOT"])
    req_id, full_id = base.split(":")
    lock = store.lock(req_id, full_id)
    [(platform, locked)] = lock.platforms.items()
    fewer = LockedPlatform(virtual_packages=locked.virtual_packages, packages=locked.packages[:-1])
    later = make_lock(lock.requirements, req_id, {platform: fewer})
    store.save(later, versions={}, user="tester")

    meaning, again = f"show {req_id}", "resolve -f environment.yml --force"
    ran = together(fresh, meaning, f"{again} --no-set-default", meaning, f"get --default {base}", meaning)
    assert [only(one).split()[0] for one in ran] == [
        f"{req_id}:{later.full_id}",
        base,
        f"{req_id}:{later.full_id}",
        base,
        base,
    ]


def test_from_resolves_the_same_requirements_again_and_using_extends(fresh: Flows, base: str) -> None:
    (fresh.folder / "more.txt").write_text("pypionly\n", encoding="utf-8")
    again, elsewhere, extended, *wrong = together(
        fresh,
        "resolve --from team/base:v1 --force",
        "resolve --from team/base:v1 --arch osx-arm64",
        "resolve --using team/base:v1 -r more.txt --alias team/more:v1",
        "resolve --from team/base --using team/base",
        "resolve --from team/base --from-pathspec F/1/start",
        "resolve --from team/base --python 3.11",
        "resolve",
    )
    assert only(again).split()[0] == base
    # The forged channel has one platform.
    assert (elsewhere.code, "no channel has a package python" in elsewhere.stderr) == (3, True)
    name, _, kind, _ = only(extended).split()
    assert kind == "mixed"
    for ran in wrong:
        refused(ran, 2)
    [ran] = together(fresh, "resolve --from team/more:v1 --force")
    assert only(ran).split()[0] == name


def test_create_makes_it_and_prints_its_python(fresh: Flows, base: str) -> None:
    output = fresh.folder / "python.txt"
    python = result(fresh, "--quiet-file-output", str(output), "create", "team/base:v1")
    assert output.read_text() == python + "\n"
    assert python.endswith(f"/envs/metaflow_{base.replace(':', '_')}/bin/python")
    assert subprocess.run([python, "-c", "import tinylib, boto3"], check=False).returncode == 0
    assert result(fresh, "show", base).split()[3] == str(Path(python).parents[1])

    (fresh.folder / "other.yml").write_text("dependencies: [tinylib==2.0]\n", encoding="utf-8")
    mine, other, refusal, forced = together(
        fresh,
        "create --name mine team/base:v1",
        "resolve -f other.yml --alias team/two",
        "create --name mine team/two",
        "create --name mine --force team/two",
    )
    assert only(mine).endswith("/envs/named/mine/bin/python")
    assert LINE.fullmatch(only(other))
    assert "mine holds another environment" in refused(refusal, 7)
    assert only(forced) == only(mine)
    look = [only(mine), "-c", "import tinylib; print(tinylib.__version__)"]
    assert subprocess.run(look, check=False, capture_output=True, text=True).stdout == "2.0\n"


def test_a_kernel_is_the_environment_and_what_jupyter_needs(fresh: Flows, base: str) -> None:
    python = result(fresh, "create", "--install-notebook", "--name", "note", "team/base:v1")
    kernel = fresh.folder / "home/.local/share/jupyter/kernels/metaflow_note/kernel.json"
    document = json.loads(kernel.read_text())
    assert document["display_name"] == "Metaflow note"
    assert document["argv"][0] == python
    started = subprocess.run(
        [word.format(connection_file="connection.json") for word in document["argv"]],
        env={name: value.replace("${PATH}", "/bin") for name, value in document["env"].items()},
        capture_output=True,
        text=True,
        check=False,
    )
    prefix = str(Path(python).parents[1])
    assert started.stdout == f"{prefix}|-f|connection.json|{prefix}/bin\n", started.stderr
    assert subprocess.run([python, "-c", "import tinylib"], check=False).returncode == 0


@pytest.fixture(scope="module")
def runs(fresh: Flows) -> tuple[str, str]:
    """Two runs: one that keeps its code package, and one that does not, as local runs do."""
    found = []
    for keep in ({"METAFLOW_FEAT_ALWAYS_UPLOAD_CODE_PACKAGE": "1"}, {}):
        ran = fresh.run("small.py", variables=keep)
        assert ran.code == 0, ran.said
        found.append(ran.run_id)
    return found[0], found[1]


def in_shell(fresh: Flows, folder: Path, program: str) -> Any:
    ran = fresh.call("/bin/sh", "-c", f". '{folder}/metaflow_setup.sh' && python -c '{program}'")
    assert ran.code == 0, ran.said
    return json.loads(ran.stdout)


LOOK = (
    "import json, sys, metaflow, tinylib;"
    "print(json.dumps([sys.prefix, metaflow.__file__, tinylib.__version__]))"
)


def test_the_environment_of_a_past_step_with_its_code_beside_it(
    fresh: Flows, runs: tuple[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "a folder"
    pathspec = f"SmallFlow/{runs[0]}/start"
    python = result(fresh, "create", pathspec, "--into-dir", str(folder))
    assert str((folder / "__conda_python").readlink()) == python
    assert (folder / "small.py").read_text() == (Path(__file__).parent / "flows/small.py").read_text()
    assert in_shell(fresh, folder, LOOK) == [
        str(Path(python).parents[1]),
        f"{folder}/.mf_code/metaflow/__init__.py",
        "1.0",
    ]
    again = environment(fresh, "create", "--pathspec", pathspec, "--into-dir", str(folder))
    assert "replace it with --force" in refused(again, 2)
    (folder / "small.py").unlink()
    assert (
        result(fresh, "create", "--pathspec", f"{pathspec}/1", "--force", "--into-dir", str(folder)) == python
    )
    assert (folder / "small.py").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a folder"]


def test_of_a_run_that_kept_no_code_there_is_metaflow(
    fresh: Flows, runs: tuple[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "into"
    ran = environment(fresh, "create", "--pathspec", f"SmallFlow/{runs[1]}/start", "--into-dir", str(folder))
    [python] = results(ran)
    assert "kept no code package" in ran.stderr
    assert not (folder / "small.py").exists()
    assert in_shell(fresh, folder, LOOK) == [
        str(Path(python).parents[1]),
        f"{folder}/.mf_code/metaflow/__init__.py",
        "1.0",
    ]


def test_folders_of_others_and_steps_without_environments_are_refused(
    fresh: Flows, base: str, runs: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    pathspecs = {
        f"SmallFlow/{runs[0]}/end": "ran without an environment of ours",
        f"SmallFlow/{runs[0]}/nope": "there is no step",
        "SmallFlow/1/start": "there is no step",
    }
    plain, forced, *others = together(
        fresh,
        f"create team/base:v1 --into-dir {tmp_path}",
        f"create team/base:v1 --into-dir {tmp_path} --force",
        *(f"create {pathspec} --into-dir {tmp_path}/x" for pathspec in pathspecs),
    )
    for ran in (plain, forced):
        assert "holds something else" in refused(ran, 2)
    for ran, words in zip(others, pathspecs.values(), strict=True):
        assert words in refused(ran, 6)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_files_that_cannot_be_read_and_stores_that_cannot_be_opened(fresh: Flows, base: str) -> None:
    (fresh.folder / "bad.txt").write_text("six\n???\n", encoding="utf-8")
    (fresh.folder / "impossible.txt").write_text("tinylib==7\n", encoding="utf-8")
    bad, missing, impossible = together(
        fresh, "resolve -r bad.txt", "resolve -f none.yml", "resolve -r impossible.txt"
    )
    assert "bad.txt:2: '???' is not a PyPI requirement" in refused(bad, 2)
    assert "none.yml" in refused(missing, 2)
    assert (impossible.code, "tinylib" in impossible.stderr) == (3, True)
    ran = environment(fresh, "--conda-root", "ftp://nowhere.example/x", "show", "team/base")
    assert "ftp" in refused(ran, 2)
