from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conjoin.errors import IntegrityError, Unreachable
from conjoin.index.pypi.indexes import MetadataUnusable, PypiIndexes
from conjoin.index.pypi.project import Project, Sdist
from conjoin.spec.names import PypiName
from conjoin.spec.requirements import Credential
from loopback import LoopbackServer
from small_index import TINY, wheel_of
from worlds import make_index, make_wheel, rewrite_zip

Ask = Callable[..., Any]


async def tiny(indexes: PypiIndexes) -> Project:
    return await indexes.project(TINY)


async def tiny_metadata(indexes: PypiIndexes) -> Any:
    return await indexes.metadata(wheel_of(await indexes.project(TINY)))


async def count(indexes: PypiIndexes) -> int:
    await indexes.project(TINY)
    return indexes.requests


def test_a_project_has_all_its_files(ask: Ask, index: LoopbackServer, wheels: list[Path]) -> None:
    project = ask(tiny)
    assert [file.filename for file in project.files] == [
        wheels[0].name,
        *sorted(path.name for path in wheels[1:3]),
    ]
    assert [type(file) is Sdist for file in project.files].count(True) == 1
    wheel = wheel_of(project)
    assert wheel.url == f"{index.url}/files/{wheels[0].name}"
    assert wheel.sha256 == hashlib.sha256(wheels[0].read_bytes()).hexdigest()
    assert wheel.requires_python == ">=3.8"
    assert project.index == wheel.index == f"{index.url}/"


@pytest.mark.parametrize("form", ["html", "json", "both"])
def test_html_and_json_pages_say_the_same(tmp_path: Path, wheels: list[Path], ask: Ask, form: Any) -> None:
    with LoopbackServer(make_index(tmp_path / form, wheels, format=form)) as server:
        project = ask(tiny, f"{server.url}/")
        described = [
            (file.filename, file.sha256, file.requires_python, file.metadata) for file in project.files
        ]
    with LoopbackServer(make_index(tmp_path / "again", wheels, format="html")) as server:
        again = ask(tiny, f"{server.url}/")
    assert described == [
        (file.filename, file.sha256, file.requires_python, file.metadata) for file in again.files
    ]


def test_a_project_that_nobody_has_is_empty_and_remembered(ask: Ask, index: LoopbackServer) -> None:
    async def nobody(indexes: PypiIndexes) -> Project:
        return await indexes.project(PypiName("nobody"))

    assert ask(nobody) == Project(name=PypiName("nobody"))
    assert ask(nobody).files == ()
    assert index.paths() == ["/nobody/"]


def test_concurrent_questions_are_one_request(ask: Ask, index: LoopbackServer) -> None:
    async def ten_times(indexes: PypiIndexes) -> int:
        projects = await asyncio.gather(*[indexes.project(TINY) for _ in range(10)])
        assert len({id(project) for project in projects}) == 1
        return indexes.requests

    assert ask(ten_times) == 1
    assert index.paths() == ["/tiny/"]


def test_one_caller_that_is_cancelled_leaves_the_answer_to_the_others(
    ask: Ask, index: LoopbackServer
) -> None:
    index.delay("/tiny/", 0.2)

    async def cancel_one(indexes: PypiIndexes) -> Project:
        first = asyncio.ensure_future(indexes.project(TINY))
        second = asyncio.ensure_future(indexes.project(TINY))
        await asyncio.sleep(0.05)
        first.cancel()
        return await second

    assert len(ask(cancel_one).files) == 3


def test_the_first_index_that_has_the_project_wins(ask: Ask, index: LoopbackServer, tmp_path: Path) -> None:
    extra = make_index(tmp_path / "extra", [make_wheel(tmp_path / "x", "tiny", "0.1")])
    with LoopbackServer(extra) as first:
        project = ask(tiny, f"{first.url}/", f"{index.url}/")
        assert [str(file.version) for file in project.files] == ["0.1"]
        assert index.paths() == []

        async def other(indexes: PypiIndexes) -> Project:
            return await indexes.project(PypiName("other"))

        assert ask(other, f"{first.url}/", f"{index.url}/").index == f"{index.url}/"


def test_an_index_that_is_down_is_unreachable_not_without_the_project(
    ask: Ask, index: LoopbackServer
) -> None:
    with LoopbackServer(index.root) as gone:
        url = gone.url
    with pytest.raises(Unreachable) as caught:
        ask(tiny, f"{url}/", f"{index.url}/")
    assert caught.value.exit_code == 4
    assert caught.value.where == f"{url}/tiny/"
    assert index.paths() == []


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_that_passes_is_waited_out(ask: Ask, index: LoopbackServer, status: int) -> None:
    index.fail("/tiny/", status=status, times=3)
    assert len(ask(tiny).files) == 3
    assert index.paths() == ["/tiny/"] * 4


def test_too_many_requests_waits_as_long_as_the_server_says(
    ask: Ask, index: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float, *more: Any) -> Any:
        waited.append(seconds)
        return await sleep(seconds, *more)

    monkeypatch.setattr(asyncio, "sleep", noted)
    index.fail("/tiny/", status=429, times=1, headers={"Retry-After": "1"})
    start = time.monotonic()
    assert len(ask(tiny).files) == 3
    assert time.monotonic() - start >= 1.0
    assert [seconds for seconds in waited if seconds] == [1.0]


def test_a_server_error_that_stays_is_unreachable(ask: Ask, index: LoopbackServer) -> None:
    index.fail("/tiny/", status=503, times=None)
    with pytest.raises(Unreachable, match="503"):
        ask(tiny)


def test_a_failure_is_not_remembered(ask: Ask, index: LoopbackServer) -> None:
    index.fail("/tiny/", status=503, times=4)

    async def twice(indexes: PypiIndexes) -> Project:
        with pytest.raises(Unreachable):
            await indexes.project(TINY)
        return await indexes.project(TINY)

    assert len(ask(twice).files) == 3


def test_a_page_that_breaks_off_is_fetched_again(ask: Ask, index: LoopbackServer) -> None:
    index.truncate("/tiny/", keep=50)
    assert len(ask(tiny).files) == 3


@pytest.mark.parametrize("status", [401, 403])
def test_refused_access_says_how_to_give_a_password(ask: Ask, index: LoopbackServer, status: int) -> None:
    index.fail("/*", status=status, times=None)
    with pytest.raises(Unreachable, match="refuses access") as caught:
        ask(tiny)
    assert "netrc" in (caught.value.advice or "")


def test_forbidden_is_not_here_where_the_index_lists_its_projects_without_it(
    ask: Ask, index: LoopbackServer
) -> None:
    index.fail("/nobody/", status=403, times=None)
    index.fail("/tiny/", status=403, times=None)

    async def nobody(indexes: PypiIndexes) -> Project:
        return await indexes.project(PypiName("nobody"))

    assert ask(nobody).files == ()
    with pytest.raises(Unreachable):
        ask(tiny)  # the listing names it: access really is refused


def test_a_fresh_page_costs_no_request_and_a_stale_one_is_confirmed(
    ask: Ask, index: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    first = ask(tiny)
    assert ask(count) == 0
    assert ask(tiny) == first
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 601)
    assert ask(tiny) == first
    last = index.requests[-1]
    assert len(index.requests) == 2
    assert "if-none-match" in last.headers
    assert ask(count) == 0  # fresh again


def test_a_stale_page_that_changed_is_read_anew(
    ask: Ask, index: LoopbackServer, wheels: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    ask(tiny)
    make_index(tmp_path / "index", [*wheels, make_wheel(tmp_path / "dist", "tiny", "3.0")], pep658=False)
    assert len(ask(tiny).files) == 3
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 601)
    assert len(ask(tiny).files) == 4


def test_damaged_cache_entries_cost_a_request_and_nothing_else(
    ask: Ask, index: LoopbackServer, tmp_path: Path
) -> None:
    first = ask(tiny), ask(tiny_metadata)
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert len(files) == 2  # a page and metadata
    for path in files:
        path.write_bytes(path.read_bytes()[:-3])
    index.forget()
    assert (ask(tiny), ask(tiny_metadata)) == first
    assert index.paths("GET", "/tiny/") == ["/tiny/"]


def test_offline_uses_the_cache_however_old_and_refuses_the_rest(
    ask: Ask, index: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    known = ask(tiny), ask(tiny_metadata)
    index.forget()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 10**7)
    assert (ask(tiny, offline=True), ask(tiny_metadata, offline=True)) == known

    async def other(indexes: PypiIndexes) -> Project:
        return await indexes.project(PypiName("other"))

    with pytest.raises(Unreachable, match="switched off"):
        ask(other, offline=True)
    assert index.requests == []


def test_a_run_that_the_cache_answers_imports_no_http_client(
    ask: Ask, index: LoopbackServer, tmp_path: Path
) -> None:
    ask(tiny_metadata)
    program = f"""
import asyncio, sys
from pathlib import Path
from conjoin.index.pypi.indexes import PypiIndexes
async def main():
    indexes = PypiIndexes([{index.url + "/"!r}], cache_dir=Path({str(tmp_path / "cache")!r}))
    project = await indexes.project("tiny")
    await indexes.metadata(project.files[0])
    await indexes.aclose()
    print(indexes.requests, "httpx" in sys.modules, "ssl" in sys.modules and "h2" in sys.modules)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "False", "False"]


def test_credentials_reach_the_index_and_its_files_and_are_written_nowhere(
    tmp_path: Path, wheels: list[Path], ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    root = tmp_path / "private"
    make_index(root, wheels, pep658=False)
    with LoopbackServer(root, auth=("me", "s3cr3t")) as server:
        credential = Credential(f"{server.url}/simple/", "me", "s3cr3t")
        known = ask(tiny_metadata, f"{server.url}/", credentials=[credential])
        assert known.requires_dist[0] == "other<2"
        with pytest.raises(Unreachable, match="401") as caught:
            ask(tiny, f"{server.url}/", cache_dir=tmp_path / "empty")
        assert all("s3cr3t" not in request.path + request.query for request in server.requests)
    assert "s3cr3t" not in str(caught.value)
    assert "s3cr3t" not in caplog.text
    kept = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert kept
    assert b"s3cr3t" not in kept
    assert b"bWU6" not in kept  # "me:", base64


def test_credentials_left_in_an_index_url_work_and_go_nowhere_else(
    tmp_path: Path, wheels: list[Path], ask: Ask
) -> None:
    with LoopbackServer(make_index(tmp_path / "private", wheels), auth=("me", "s3cr3t")) as server:
        project = ask(tiny, f"{server.url_with_credentials}/")
        assert len(project.files) == 3
    assert "s3cr3t" not in repr(project)
    kept = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert kept
    assert b"s3cr3t" not in kept


def test_a_token_in_the_path_is_used_and_written_nowhere(
    tmp_path: Path, wheels: list[Path], ask: Ask
) -> None:
    make_index(tmp_path / "served" / "t" / "s3cr3t" / "team", wheels, pep658=False)
    with LoopbackServer(tmp_path / "served") as server:
        project = ask(tiny, f"{server.url}/t/s3cr3t/team/")
        assert wheel_of(project).url == f"{server.url}/team/files/{wheels[0].name}"
        known = ask(tiny_metadata, f"{server.url}/t/s3cr3t/team/")
        assert known.requires_dist[0] == "other<2"
        assert all(path.startswith("/t/s3cr3t/team/") for path in server.paths())
        server.fail("*", status=500, times=None)
        with pytest.raises(Unreachable) as caught:
            ask(tiny, f"{server.url}/t/s3cr3t/team/", cache_dir=tmp_path / "empty")
    assert "s3cr3t" not in str(caught.value)
    kept = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert kept
    assert b"s3cr3t" not in kept


def test_netrc_gives_credentials(
    tmp_path: Path, wheels: list[Path], ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password s3cr3t\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with LoopbackServer(make_index(tmp_path / "private", wheels), auth=("me", "s3cr3t")) as server:
        assert len(ask(tiny, f"{server.url}/").files) == 3


def test_credentials_are_not_sent_to_another_host_after_a_redirect(
    tmp_path: Path, index: LoopbackServer, ask: Ask
) -> None:
    with LoopbackServer(tmp_path) as front:
        front.redirect("/tiny/", f"{index.url}/tiny/")
        project = ask(tiny, f"{front.url}/", credentials=[Credential(front.url, "me", "s3cr3t")])
        assert "authorization" in front.requests[0].headers
    assert "authorization" not in index.requests[0].headers
    assert wheel_of(project).url.startswith(index.url)  # relative links count from where the page was


def test_a_hash_that_the_index_announces_is_taken_and_the_size_asked(
    ask: Ask, index: LoopbackServer, wheels: list[Path]
) -> None:
    async def hashed(indexes: PypiIndexes) -> tuple[str, int]:
        return await indexes.hash_of(wheel_of(await indexes.project(TINY)))

    content = wheels[0].read_bytes()
    expected = (hashlib.sha256(content).hexdigest(), len(content))
    assert ask(hashed) == expected
    assert index.paths("GET", "*.whl") == []
    index.forget()
    assert ask(hashed) == expected
    assert index.requests == []
    assert ask(hashed, offline=True) == expected


def test_without_an_announced_hash_the_file_is_hashed_once(
    tmp_path: Path, wheels: list[Path], ask: Ask
) -> None:
    async def hashed(indexes: PypiIndexes) -> tuple[str, int]:
        wheel = wheel_of(await indexes.project(TINY))
        assert wheel.sha256 is None
        return await indexes.hash_of(wheel)

    content = wheels[0].read_bytes()
    with LoopbackServer(make_index(tmp_path / "bare", wheels, hashes=False, pep658=False)) as server:
        server.truncate("*.whl", keep=100)  # a download that breaks off is hashed from the start again
        assert ask(hashed, f"{server.url}/") == (hashlib.sha256(content).hexdigest(), len(content))
        server.forget()
        ask(hashed, f"{server.url}/")
        assert server.requests == []


def test_a_broken_wheel_is_unusable_and_remembered(tmp_path: Path, ask: Ask) -> None:
    wheel = rewrite_zip(make_wheel(tmp_path / "x", "tiny", "1.0"), {"tiny-1.0.dist-info/METADATA": None})
    with LoopbackServer(make_index(tmp_path / "broken", [wheel], pep658=False)) as server:
        for _ in range(2):
            with pytest.raises(MetadataUnusable, match=r"no \.dist-info/METADATA"):
                ask(tiny_metadata, f"{server.url}/")
        assert len(server.paths("GET", "*.whl")) == 1


def test_metadata_of_one_index_does_not_count_for_the_same_wheel_of_another(
    tmp_path: Path, wheels: list[Path], ask: Ask
) -> None:
    liar = make_index(tmp_path / "liar", wheels, format="json")
    page = json.loads((liar / "tiny" / "index.json").read_text())
    for file in page["files"]:
        file["core-metadata"] = True
    (liar / "tiny" / "index.json").write_text(json.dumps(page))
    lie = b"Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\nRequires-Dist: evil\n"
    (liar / "files" / f"{wheels[0].name}.metadata").write_bytes(lie)
    with LoopbackServer(liar) as first, LoopbackServer(make_index(tmp_path / "honest", wheels)) as second:
        assert ask(tiny_metadata, f"{first.url}/").requires_dist == ("evil",)
        assert "evil" not in ask(tiny_metadata, f"{second.url}/").requires_dist


def test_a_local_folder_is_an_index_too(tmp_path: Path, wheels: list[Path], ask: Ask) -> None:
    root = make_index(tmp_path / "local", wheels)
    project = ask(tiny, root.as_uri() + "/")
    assert len(project.files) == 3

    async def both(indexes: PypiIndexes) -> tuple[Any, tuple[str, int], int]:
        wheel = wheel_of(await indexes.project(TINY))
        return await indexes.metadata(wheel), await indexes.hash_of(wheel), indexes.requests

    known, hashed, requests = ask(both, root.as_uri())
    assert known.requires_dist[0] == "other<2"
    assert hashed[0] == hashlib.sha256(wheels[0].read_bytes()).hexdigest()
    assert requests == 0
    with pytest.raises(Unreachable, match="does not exist"):
        ask(tiny, (tmp_path / "nowhere").as_uri())


def test_find_links_are_merged_in_and_win(
    ask: Ask, tmp_path: Path, wheels: list[Path], index: LoopbackServer
) -> None:
    folder = tmp_path / "links"
    newer = make_wheel(folder, "tiny", "3.0")
    same = make_wheel(folder, "tiny", "1.0", ["changed"])
    project = ask(tiny, find_links=[str(folder)])
    assert [str(file.version) for file in project.files] == ["1.0", "2.0", "2.0", "3.0"]
    assert wheel_of(project, "3.0").url == newer.as_uri()
    assert wheel_of(project).url == same.as_uri()
    assert project.index == f"{index.url}/"


def test_a_wrong_metadata_hash_is_an_integrity_error(tmp_path: Path, wheels: list[Path], ask: Ask) -> None:
    with LoopbackServer(make_index(tmp_path / "pep658", wheels)) as server:
        server.corrupt("*.metadata", times=None)
        with pytest.raises(IntegrityError) as caught:
            ask(tiny_metadata, f"{server.url}/")
    assert caught.value.exit_code == 5
    assert not any((tmp_path / "cache" / "metadata").rglob("*"))


def test_an_index_of_a_later_minor_version_is_read_and_the_user_told(ask: Ask, index: LoopbackServer) -> None:
    async def warned(indexes: PypiIndexes) -> list[str]:
        assert len((await indexes.project(TINY)).files) == 3
        return indexes.warnings

    page = (index.root / "tiny" / "index.html").read_text("utf-8")
    index.page("/tiny/", f'<meta name="pypi:repository-version" content="1.99">{page}')
    said = [
        f"{index.url}/ speaks version 1.99 of the simple API, which this Conjoin does not know: what is "
        "new in it is left out of account"
    ]
    assert ask(warned) == said
    requests = len(index.requests)
    assert ask(warned) == said  # out of the cache, too
    assert len(index.requests) <= requests + 1


def test_a_local_file_is_held_against_the_hash_that_its_page_announces(tmp_path: Path, ask: Ask) -> None:
    async def hashed(indexes: PypiIndexes) -> tuple[str, int]:
        return await indexes.hash_of(wheel_of(await indexes.project(TINY)))

    wheel = make_wheel(tmp_path / "w", "tiny", "1.0")
    root = make_index(tmp_path / "local", [wheel])
    assert ask(hashed, root.as_uri())[1] == wheel.stat().st_size
    (root / "files" / wheel.name).write_bytes(b"something else")
    with pytest.raises(IntegrityError, match="does not match the sha256 its index announces"):
        ask(hashed, root.as_uri())
