"""What is built: git repositories, folders and archives, from the request to an import that runs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from uv import find_uv_bin

import conjoin
from conjoin.api import Store
from conjoin.collecting import collect_here
from conjoin.errors import ConjoinError, IntegrityError, NoSolution, NotFound, Unreachable, UsageError
from conjoin.lock.format import encode
from conjoin.lock.model import LockedPackage
from conjoin.prefix.verify import verify
from conjoin.resolving import ResolveOptions, resolve_request
from conjoin.solve.candidates.direct import direct_files
from loopback import LoopbackServer
from repositories import commit_all, git
from sdists import builds, make_building_project, make_building_sdist
from solving import World
from worlds import make_index, make_wheel

HERE = ".".join(map(str, sys.version_info[:2]))

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="this host has no git")


class Asking:
    """A channel and an index over loopback, and requests to them."""

    def __init__(self, channel: str, index: str) -> None:
        self.channel = channel
        self.index = index

    def requirements(self, *pypi: str, conda: tuple[str, ...] = ("tinylib",)) -> conjoin.Requirements:
        return conjoin.Requirements.build(
            conda=conda, pypi=pypi, python=HERE, channels=[self.channel], index_url=self.index
        )

    def lock(self, *pypi: str, **options: object) -> conjoin.Lock:
        return conjoin.resolve(self.requirements(*pypi), **options)  # type: ignore[arg-type]


@pytest.fixture
def asking(channel_server: LoopbackServer, tmp_path: Path) -> Iterator[Asking]:
    """The index has ``helper`` 1.0 and 2.0; the channel ``tinylib`` 1.0 and 2.0."""
    wheels = [make_wheel(tmp_path / "wheels", "helper", version) for version in ("1.0", "2.0")]
    with LoopbackServer(make_index(tmp_path / "index", wheels)) as server:
        yield Asking(channel_server.url, server.url)


def package(lock: conjoin.Lock, name: str) -> LockedPackage:
    (locked,) = lock.platforms.values()
    return next(each for each in locked.packages if each.name == name)


def imported(prefix: Path, code: str) -> str:
    command = [str(prefix / "bin" / "python"), "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_building_project(
        tmp_path / "code", "app", "1.0", ["tinylib<2", "helper<2"], counter=tmp_path / "counts"
    )


SHOW = "import app, tinylib, helper; print(app.VERSION, tinylib.__version__, helper.__version__)"


@needs_git
def test_a_git_package_in_a_mixed_environment(asking: Asking, project: Path, tmp_path: Path) -> None:
    commit = commit_all(project)
    lock = asking.lock(f"app @ git+{project.as_uri()}")
    app = package(lock, "app")
    assert app.source_url == f"git+{project.as_uri()}@{commit}"
    assert len(app.build_key) == 64
    assert package(lock, "tinylib").kind == "conda"
    assert imported(conjoin.hydrate(lock), SHOW) == "1.0 1.0 1.0"
    # Its branch goes on; what was decided stays until somebody asks again.
    make_building_project(project, "app", "2.0", counter=tmp_path / "counts")
    later = commit_all(project)
    assert asking.lock(f"app @ git+{project.as_uri()}") == lock
    assert package(asking.lock(f"app @ git+{project.as_uri()}", force=True), "app").source_url.endswith(later)


@needs_git
def test_an_update_moves_a_branch_only_where_that_was_asked_for(
    asking: Asking, project: Path, tmp_path: Path
) -> None:
    first = commit_all(project)
    asked = asking.requirements(f"app @ git+{project.as_uri()}", "helper")
    conjoin.resolve(asked)
    make_building_project(project, "app", "2.0", ["tinylib<2", "helper<2"], counter=tmp_path / "counts")
    second = commit_all(project)
    stayed = resolve_request(asked, options=ResolveOptions(update=["helper"])).lock
    assert package(stayed, "app").source_url.endswith(f"@{first}")
    moved = resolve_request(asked, options=ResolveOptions(update=["app"])).lock
    assert package(moved, "app").source_url.endswith(f"@{second}")


def test_a_file_package_in_a_mixed_environment(asking: Asking, project: Path) -> None:
    lock = asking.lock(f"app @ {project.as_uri()}")
    assert package(lock, "app").source_url == project.as_uri()
    assert imported(conjoin.hydrate(lock), SHOW) == "1.0 1.0 1.0"
    assert sorted(path.name for path in project.iterdir()) == ["backend.py", "pyproject.toml"]


def test_a_package_that_exists_only_as_an_sdist(channel_server: LoopbackServer, tmp_path: Path) -> None:
    sdist = make_building_sdist(tmp_path / "sdists", "app", "1.0", ["tinylib<2", "helper"])
    helper = make_wheel(tmp_path / "wheels", "helper", "1.0")
    with LoopbackServer(make_index(tmp_path / "index", [sdist, helper])) as server:
        lock = Asking(channel_server.url, server.url).lock("app")
        assert imported(conjoin.hydrate(lock), SHOW) == "1.0 1.0 1.0"
    assert package(lock, "app").source_url.endswith("/app-1.0.tar.gz")


@needs_git
def test_a_prefix_says_where_its_packages_are_from(asking: Asking, editable: Path, tmp_path: Path) -> None:
    repository = make_building_project(tmp_path / "repository", "of-git", "1.0", counter=tmp_path / "counts")
    commit = commit_all(repository)
    wheel = make_wheel(tmp_path / "local", "of-file", "1.0")
    asked = (f"of-git @ git+{repository.as_uri()}", f"of-file @ {wheel.as_uri()}", f"-e {editable}")
    prefix = conjoin.hydrate(asking.lock(*asked))
    code = "from importlib.metadata import distributions as d; import json; print(json.dumps({"
    code += "i.name: [i.read_text('direct_url.json'), i.read_text('INSTALLER')] for i in d()}))"
    said = json.loads(imported(prefix, code))
    assert said["helper"] == [None, "uv"]
    assert json.loads(said["of-git"][0])["vcs_info"] == {"vcs": "git", "commit_id": commit}
    assert json.loads(said["app"][0])["dir_info"] == {"editable": True}
    python = str(prefix / "bin" / "python")
    freeze = [find_uv_bin(), "pip", "freeze", "--no-config", "--python", python]
    frozen = subprocess.run(freeze, capture_output=True, text=True, check=True).stdout.splitlines()
    assert f"of-git @ git+{repository.as_uri()}@{commit}" in frozen
    assert f"-e {editable.as_uri()}" in frozen
    assert any(line.startswith(f"of-file @ {wheel.as_uri()}") for line in frozen)
    assert "helper==1.0" in frozen
    assert verify(prefix) == []


@needs_git
def test_branch_tag_commit_and_folder_of_a_repository(asking: Asking, tmp_path: Path) -> None:
    repository, counter = tmp_path / "repository", tmp_path / "counts"
    make_building_project(repository / "python", "app", "1.0", counter=counter)
    first = commit_all(repository)
    git(repository, "tag", "-a", "-m", "one", "v1")
    make_building_project(repository / "python", "app", "2.0", counter=counter)
    second = commit_all(repository)
    git(repository, "branch", "feature/two")
    for reference, commit, version in (
        ("v1", first, "1.0"),
        (first, first, "1.0"),
        (first[:10], first, "1.0"),
        ("refs/tags/v1", first, "1.0"),
        ("feature/two", second, "2.0"),
    ):
        lock = asking.lock(f"app @ git+{repository.as_uri()}@{reference}#subdirectory=python")
        app = package(lock, "app")
        assert (app.version, app.source_url) == (
            version,
            f"git+{repository.as_uri()}@{commit}#subdirectory=python",
        )
    assert builds(counter, "app") == 2


@needs_git
def test_submodules_are_there_when_it_is_built(asking: Asking, tmp_path: Path) -> None:
    inner = make_building_project(tmp_path / "inner", "app", "3.0", counter=tmp_path / "counts")
    commit_all(inner)
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    git(outer, "submodule", "--quiet", "add", inner.as_uri(), "below")
    commit_all(outer)
    lock = asking.lock(f"app @ git+{outer.as_uri()}#subdirectory=below")
    assert package(lock, "app").version == "3.0"


def test_a_folder_that_changed_is_built_again(asking: Asking, project: Path, tmp_path: Path) -> None:
    asked = f"app @ {project.as_uri()}"
    first = asking.lock(asked)
    (project / "__pycache__").mkdir()
    (project / "__pycache__" / "backend.pyc").write_text("what tools leave behind does not count")
    assert asking.lock(asked) == first
    make_building_project(project, "app", "1.1", ["helper"], counter=tmp_path / "counts")
    second = asking.lock(asked)
    assert second.req_id == first.req_id
    assert package(second, "app").version == "1.1"
    assert package(second, "app").source_sha256 != package(first, "app").source_sha256
    shutil.rmtree(project)
    assert asking.lock(asked) == second  # what was made of it still stands for it


def test_a_local_wheel_that_was_made_anew_is_locked_anew(asking: Asking, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "app", "1.0")
    first = asking.lock(f"app @ {wheel.as_uri()}")
    make_wheel(tmp_path, "app", "1.0", files={"app.py": "VERSION = 'other'\n"})
    second = asking.lock(f"app @ {wheel.as_uri()}")
    assert package(first, "app").sha256 != package(second, "app").sha256


def test_an_sdist_by_url_with_its_hash(asking: Asking, tmp_path: Path) -> None:
    sdist = make_building_sdist(tmp_path / "served", "app", "1.0", ["helper<2"])
    digest = hashlib.sha256(sdist.read_bytes()).hexdigest()
    with LoopbackServer(tmp_path / "served") as server:
        url = f"{server.url}/{sdist.name}"
        lock = asking.lock(f"app @ {url}#sha256={digest}")
        assert (package(lock, "app").source_url, package(lock, "app").source_sha256) == (url, digest)
        assert package(lock, "helper").version == "1.0"
        with pytest.raises(IntegrityError, match="sha256"):
            asking.lock(f"app @ {url}#sha256={'0' * 64}")


def test_an_archive_that_names_no_version_and_a_folder_in_it(asking: Asking, tmp_path: Path) -> None:
    make_building_project(tmp_path / "x" / "top" / "python", "app", "1.5", counter=tmp_path / "counts")
    archive = shutil.make_archive(str(tmp_path / "main"), "zip", tmp_path / "x")
    lock = asking.lock(f"app @ {Path(archive).as_uri()}#subdirectory=python")
    assert package(lock, "app").version == "1.5"


def test_extras_of_a_folder(asking: Asking, tmp_path: Path) -> None:
    folder = make_building_project(
        tmp_path / "code",
        "app",
        "1.0",
        ["helper<2; extra == 'more'"],
        counter=tmp_path / "counts",
        headers=["Provides-Extra: more"],
    )
    assert package(asking.lock(f"app[more] @ {folder.as_uri()}"), "helper").version == "1.0"
    (locked,) = asking.lock(f"app @ {folder.as_uri()}").platforms.values()
    assert "helper" not in {each.name for each in locked.packages}


@needs_git
def test_a_colleague_with_the_same_store_does_not_build(
    asking: Asking, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_all(project)
    team = Store(tmp_path / "team")
    lock = asking.lock(f"app @ git+{project.as_uri()}")
    key = package(lock, "app").build_key
    team.push(lock)
    noted = json.loads((tmp_path / "team" / "builds" / key[:2] / key).read_text())
    assert noted["sha256"] == package(lock, "app").sha256
    for variable in ("CONJOIN_STORE", "CONJOIN_CACHE", "CONJOIN_ENVS"):
        monkeypatch.setenv(variable, str(tmp_path / "grace" / variable))
    # Another request, so that there is no lock of it: the wheel alone is found.
    other = conjoin.resolve(asking.requirements(f"app @ git+{project.as_uri()}", "helper"), store=team)
    assert package(other, "app").sha256 == package(lock, "app").sha256
    assert builds(tmp_path / "counts", "app") == 1
    assert imported(conjoin.hydrate(other, store=team), SHOW) == "1.0 1.0 1.0"


def test_a_wheel_that_a_store_lost_is_built_again(
    asking: Asking, project: Path, tmp_path: Path, isolated_home: Path
) -> None:
    lock = asking.lock(f"app @ {project.as_uri()}")
    shutil.rmtree(isolated_home / "store" / "packages")
    shutil.rmtree(isolated_home / "cache" / "built")
    again = asking.lock(f"app @ {project.as_uri()}", force=True)
    assert package(again, "app").sha256 == package(lock, "app").sha256
    assert builds(tmp_path / "counts", "app") == 2


@needs_git
def test_sources_and_built_wheels_go_once_nobody_uses_them(
    asking: Asking, project: Path, tmp_path: Path, isolated_home: Path
) -> None:
    commit_all(project)
    sdist = make_building_sdist(tmp_path / "sdists", "other", "1.0", static=True)
    asked = (f"app @ git+{project.as_uri()}", f"other @ {sdist.as_uri()}")
    month = 30 * 86400.0

    def collected(*, dry_run: bool) -> list[int]:
        counts = collect_here(month, dry_run=dry_run).counts
        return [counts["sources"], counts["built_wheels"], counts["leftovers"]]

    def age() -> None:
        for pattern in ("sources/*", "sources/git/*", "built/*/*"):
            for entry in (isolated_home / "cache").glob(pattern):
                os.utime(entry, (entry.stat().st_mtime - 2 * month,) * 2)

    lock = asking.lock(*asked)
    age()
    assert asking.lock(*asked, force=True) == lock  # they were used just now
    assert collected(dry_run=True) == [0, 0, 0]
    killed = isolated_home / "cache" / "built" / "ab" / ".abcdef-x" / "wheel"
    killed.mkdir(parents=True)
    age()
    before = sorted((isolated_home / "cache").rglob("*"))
    # The commit, what the branch meant, the archive; a wheel of each.
    assert collected(dry_run=True) == [3, 2, 1]
    assert sorted((isolated_home / "cache").rglob("*")) == before
    assert collected(dry_run=False) == [3, 2, 1]
    assert collected(dry_run=True) == [0, 0, 0]
    assert asking.lock(*asked, force=True) == lock
    assert (builds(tmp_path / "counts", "app"), builds(tmp_path / "sdists", "other")) == (1, 1)


def test_a_wheel_that_is_not_pure_serves_this_platform_alone(asking: Asking, tmp_path: Path) -> None:
    tag = f"cp{HERE.replace('.', '')}"
    folder = make_building_project(
        tmp_path / "code", "app", "1.0", counter=tmp_path / "counts", tags=f"{tag}-{tag}-linux_x86_64"
    )
    world = World(tmp_path / "world")
    world.python(f"{HERE}.1", subdir="osx-arm64")
    text = f"app @ {folder.as_uri()}"
    with pytest.raises(NoSolution, match=r"linux_x86_64\.whl when built here") as caught:
        world.solve(["python"], [text], platform="osx-arm64")
    assert "cannot serve the target" in str(caught.value)
    assert builds(tmp_path / "counts", "app") == 1


def test_a_pure_wheel_is_built_once_for_all_platforms(project: Path, tmp_path: Path) -> None:
    platforms = ["linux-64", "osx-arm64", "win-64"]
    world = World(tmp_path / "world")
    for platform in platforms:
        world.python(f"{HERE}.1", subdir=platform)
        world.conda("tinylib", "1.0", ["python"], subdir=platform)
    world.wheel("helper", "1.0")
    solved = world.solve_all(["python"], [f"app @ {project.as_uri()}"], platforms=platforms)
    shas = {wheel.sha256 for each in solved.values() for wheel in each.wheels if wheel.name == "app"}
    assert len(shas) == 1
    assert builds(tmp_path / "counts", "app") == 1


def test_a_folder_that_is_no_project(asking: Asking, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoSolution, match="holds no project"):
        asking.lock(f"app @ {(tmp_path / 'empty').as_uri()}")
    with pytest.raises(UsageError, match="does not exist"):
        asking.lock(f"app @ {(tmp_path / 'nowhere').as_uri()}")


@pytest.fixture
def editable(project: Path) -> Path:
    (project / "src").mkdir()
    (project / "src" / "app.py").write_text("VERSION = 'as it is now'\n")
    return project


def test_an_editable_package_in_a_mixed_environment(asking: Asking, editable: Path, tmp_path: Path) -> None:
    text = tmp_path / "requirements.txt"
    text.write_text("-e ./code\n")
    asked = conjoin.Requirements.from_file(
        text, conda=["tinylib"], python=HERE, channels=[asking.channel], index_url=asking.index
    )
    lock = conjoin.resolve(asked)
    assert package(lock, "app").editable
    assert package(lock, "app").build_key == ""
    prefix = conjoin.hydrate(lock)
    assert imported(prefix, SHOW) == "as it is now 1.0 1.0"
    (editable / "src" / "app.py").write_text("VERSION = 'changed'\n")
    assert imported(prefix, SHOW) == "changed 1.0 1.0"
    assert asking.lock(f"-e {editable}") == lock
    assert asking.lock(f"app @ {editable.as_uri()}").req_id != lock.req_id


def test_an_editable_package_stays_on_its_machine(asking: Asking, editable: Path, tmp_path: Path) -> None:
    asked = asking.requirements(f"-e {editable}")
    resolution = resolve_request(asked)
    assert resolution.warnings == (
        "app is editable: this environment works on this machine alone, and cannot be pushed",
    )
    for carry in (
        lambda: Store(tmp_path / "team").push(resolution.lock),
        lambda: Store().export_bundle(resolution.lock, tmp_path / "bundle.tar"),
        lambda: direct_files(asked.pypi, "osx-arm64"),
    ):
        with pytest.raises(UsageError, match="editable"):
            carry()
    assert not (tmp_path / "team").exists()
    editable.rename(tmp_path / "elsewhere")
    with pytest.raises(NotFound, match="which this one does not have"):
        conjoin.hydrate(resolution.lock)


def test_an_editable_package_whose_configuration_changed(
    asking: Asking, editable: Path, tmp_path: Path
) -> None:
    first = asking.lock(f"-e {editable}")
    (editable / "src" / "app.py").write_text("what is imported does not count")
    assert asking.lock(f"-e {editable}") == first
    make_building_project(editable, "app", "2.0", ["helper"], counter=tmp_path)
    assert package(asking.lock(f"-e {editable}"), "app").version == "2.0"


def test_another_source_of_the_same_wheel_is_the_same_environment(asking: Asking, project: Path) -> None:
    first = resolve_request(asking.requirements(f"app @ {project.as_uri()}"))
    (project / "README").write_text("This is in no wheel.\n")
    second = resolve_request(asking.requirements(f"app @ {project.as_uri()}"))
    assert second.newly_resolved
    assert second.lock.full_id == first.lock.full_id
    assert Store().lock(first.lock.req_id, first.lock.full_id) == first.lock


def test_nothing_to_install_it_with(
    asking: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError) as caught:
        asking.lock("app @ git+https://ada:geheim@git.example/team/app.git@v1")
    assert str(caught.value) == snapshot


@needs_git
def test_messages(asking: Asking, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    fails = make_building_project(tmp_path / "fails", "app", "1.0", counter=tmp_path, fails=True)
    compiles = make_building_project(tmp_path / "compiles", "app", "1.0", counter=tmp_path, fails=True)
    backend = (compiles / "backend.py").read_text()
    said = "app.c:3: error: expected a semicolon\\nerror: command gcc failed with exit code 1"
    (compiles / "backend.py").write_text(backend.replace("no compiler today", said))
    repository = make_building_project(tmp_path / "repository", "app", "1.0", counter=tmp_path)
    commit_all(repository)
    other = make_building_project(tmp_path / "other", "other", "1.0", counter=tmp_path)
    messages = {}
    for what, text in {
        "a reference that is not there": f"app @ git+{repository.as_uri()}@v9",
        "a commit that is not there": f"app @ git+{repository.as_uri()}@{'0' * 40}",
        "a repository that is not there": f"app @ git+{(tmp_path / 'nowhere').as_uri()}",
        "a build that fails": f"app @ {fails.as_uri()}",
        "a compiler that fails": f"app @ {compiles.as_uri()}",
        "another project": f"app @ {other.as_uri()}",
        "a hash of a folder": f"app @ {repository.as_uri()}#sha256={'0' * 64}",
        "another system": "app @ hg+https://code.example/app",
        "a way out": f"app @ {repository.as_uri()}#subdirectory=../other",
        "no archive": "app @ https://code.example/app.exe",
    }.items():
        with pytest.raises(ConjoinError) as caught:
            asking.lock(text)
        shown = f"{type(caught.value).__name__}: {caught.value}"
        messages[what] = shown.replace(tmp_path.as_uri(), "file:///home/ada").replace(
            str(tmp_path), "/home/ada"
        )
    assert messages == snapshot


@needs_git
def test_a_password_goes_to_the_repository_and_nowhere_else(
    asking: Asking, project: Path, tmp_path: Path
) -> None:
    commit_all(project)
    bare = tmp_path / "served" / "app.git"
    bare.parent.mkdir()
    git(tmp_path, "clone", "-q", "--bare", str(project), str(bare))
    git(bare, "update-server-info")
    with LoopbackServer(tmp_path / "served", auth=("ada", "geheim")) as server:
        address = server.url.replace("://", "://ada:geheim@")
        with pytest.raises(Unreachable) as caught:
            asking.lock(f"app @ git+{server.url}/app.git")
        lock = asking.lock(f"app @ git+{address}/app.git")
        assert package(lock, "app").source_url.startswith(f"git+{server.url}/app.git@")
    assert "geheim" not in f"{caught.value}{encode(lock)!r}"
