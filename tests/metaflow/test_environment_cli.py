"""``flow.py environment resolve|show`` and ``Runner(...).environment()``, as users and programs call them."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from flow_runs import Flows, Ran

pytestmark = pytest.mark.slow

WITH_ENVIRONMENT = ["end", "extended", "joined", "named", "start"]


@pytest.fixture(scope="module")
def fresh(flows: Flows, tmp_path_factory: pytest.TempPathFactory) -> Flows:
    """A home in which nothing was resolved yet, and no alias is."""
    return Flows(tmp_path_factory.mktemp("fresh"), flows.server)


def asked(fresh: Flows, *arguments: str) -> Ran:
    return fresh.run("asked.py", "environment", *arguments)


def resolved(fresh: Flows, *arguments: str) -> Any:
    ran = asked(fresh, "resolve", "--output", "-", *arguments)
    assert ran.code == 0, ran.said
    return json.loads(ran.stdout)


def shown(fresh: Flows, *arguments: str) -> Any:
    ran = asked(fresh, "show", "--output", "-", *arguments)
    assert ran.code == 0, ran.said
    return json.loads(ran.stdout)


@pytest.fixture(scope="module")
def base(fresh: Flows) -> str:
    """Make ``asked/base:v1`` and return its id; before that nothing is resolved, and show says so."""
    before = shown(fresh)
    states = {step: one["state"] for step, one in before.items()}
    assert states == {
        "start": ["unresolved"],
        "off": ["disabled"],
        "named": ["is asked/base:v1", "impossible"],
        "extended": ["extends asked/base:v1", "impossible"],
        "fetched": ["asked/@{METAFLOW_RUN_ID}:v1, fetched when a task starts"],
        "joined": ["unresolved"],
        "end": ["unresolved"],
    }
    assert "no alias asked/base:v1" in before["named"]["error"]
    ran = asked(fresh, "resolve", "start", "extended")
    assert ran.code == 6, ran.said
    assert ran.stderr.splitlines()[-1].startswith("error: step extended: ")
    assert shown(fresh, "start")["start"]["state"] == ["unresolved"], "one step failed, and nothing was done"

    ran = fresh.run("asked.py", "--quiet", "environment", "resolve", "joined", "--alias", "asked/base:v1")
    assert (ran.code, ran.stderr) == (0, "")
    step, name, _, kind, prefix = ran.stdout.split()
    assert (step, kind, prefix) == ("joined", "conda-only", "-")
    return name


def test_the_first_call_resolves_and_the_second_finds_it(fresh: Flows, base: str) -> None:
    first = resolved(fresh)
    assert sorted(first) == WITH_ENVIRONMENT
    [platform] = first["start"]
    news = {step: one[platform]["newly_resolved"] for step, one in first.items()}
    assert news == {"start": True, "extended": True, "named": False, "joined": False, "end": False}
    assert first["named"] == first["joined"] == first["end"]
    assert "{req_id}:{full_id}".format(**first["named"][platform]) == base
    env = first["start"][platform]["env"]
    assert (env["type"], env["arch"]) == ("mixed", platform)
    kinds = {package["name"]: package["kind"] for package in env["packages"]}
    assert (kinds["condaonly"], kinds["pypionly"], kinds["python"]) == ("conda", "pypi", "conda")

    fresh.server.forget()
    second = resolved(fresh)
    assert fresh.server.requests == []
    for one in first.values():
        one[platform]["newly_resolved"] = False
    assert second == first


def test_extending_keeps_every_package_of_the_base_and_adds_what_is_asked(fresh: Flows, base: str) -> None:
    found = resolved(fresh, "named", "extended")
    [platform] = found["named"]
    below, above = (
        {(package["name"], package["file"]) for package in found[step][platform]["env"]["packages"]}
        for step in ("named", "extended")
    )
    assert below < above
    assert {name for name, _ in above - below} == {"tinyapp"}
    assert found["extended"][platform]["env"]["requirements"]["base"] == base


def test_show_tells_how_it_stands(fresh: Flows, base: str) -> None:
    resolved(fresh)
    found = shown(fresh)
    assert {step: one["state"] for step, one in found.items()} == {
        "start": ["resolved"],
        "off": ["disabled"],
        "named": ["is asked/base:v1", "resolved"],
        "extended": ["extends asked/base:v1", "resolved"],
        "fetched": ["asked/@{METAFLOW_RUN_ID}:v1, fetched when a task starts"],
        "joined": ["resolved"],
        "end": ["resolved"],
    }
    assert found["start"]["requested_packages"] == {
        "conda": {"condaonly": ">=1"},
        "pypi": {"pypionly": "3.1"},
        "sys": {},
    }
    assert (found["start"]["prefix"], found["off"]["env"], found["fetched"]["env"]) == (None, None, None)
    for one in found.values():
        assert one["env"] is None or one["env"]["req_id"] == one["requested_hash"]
    assert found["fetched"]["is_fetch_at_exec"]
    assert found["off"]["is_disabled"]


def test_people_see_tables_on_stdout_and_progress_on_stderr(fresh: Flows, base: str) -> None:
    ran = asked(fresh, "resolve", "--force", "joined")
    assert ran.code == 0, ran.said
    assert ran.stdout.startswith("joined: resolved\nenvironment " + base)
    assert "tinylib" in ran.stdout
    assert "solving" in ran.stderr
    assert "solving" not in ran.stdout
    ran = asked(fresh, "show", "off", "joined")
    assert ran.stdout.splitlines()[:3] == [
        "step    environment" + " " * (len(base) - len("environment")) + "  state",
        f"joined  {base}  resolved",
        "off     " + " " * len(base) + "  disabled",
    ]


def test_dry_run_keeps_nothing(fresh: Flows, base: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Flows(tmp_path_factory.mktemp("dry"), fresh.server)
    ran = other.run("small.py", "environment", "resolve", "--dry-run", "--output", "found.json")
    assert ran.code == 0, ran.said
    assert json.loads((other.folder / "found.json").read_text())["start"]
    ran = other.run("small.py", "--quiet", "environment", "show")
    assert ran.stdout == "end disabled\nstart unresolved\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (
            ["resolve", "nope"],
            2,
            "the flow AskedFlow has no step nope; it has end, extended, fetched, joined",
        ),
        (["resolve", "--alias", "Team/X:v1", "start"], 2, "'Team/X:v1' is not an alias"),
        (
            ["resolve", "--alias", "a:v1", "start", "joined"],
            2,
            "--alias is for one environment, and there are 2",
        ),
        (["resolve", "--alias", "a:v1", "off"], 2, "and there are 0"),
        (
            ["resolve", "--alias", "a:v1", "--dry-run", "start"],
            2,
            "--alias and --dry-run contradict each other",
        ),
        (["resolve", "--arch", "vax-11", "start"], 2, "'vax-11' is not a platform"),
        (["resolve", "--arch", "osx-arm64", "joined"], 3, "step joined"),
        (["resolve", "--output", "no/such/folder/x", "joined"], 2, "no/such/folder/x: it cannot be written"),
        (["resolve", "--alias", "asked/base:v1", "start"], 7, "asked/base:v1 is written once"),
    ],
)
def test_what_goes_wrong_is_a_line_and_an_exit_code(
    fresh: Flows, base: str, arguments: list[str], code: int, words: str
) -> None:
    ran = asked(fresh, *arguments)
    assert ran.code == code, ran.said
    assert ran.stdout == ""
    errors = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, ran.stderr
    assert words in errors[0]
    assert "Traceback" not in ran.stderr


def test_without_the_environment_the_commands_say_so(fresh: Flows) -> None:
    ran = fresh.run("asked.py", "environment", "show", environment=None)
    assert ran.code == 2
    assert "write flow.py --environment=conda environment" in ran.stderr


PROGRAM = """
import asyncio, json, os, sys
from metaflow import Runner

def told(found):
    return {
        step: {arch: [env.id, env.env_type, new] for arch, (env, new) in one.items()}
        for step, one in found.items()
    }

async def inside():
    ticks = 0
    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.02)
            ticks += 1
    ticking = asyncio.create_task(tick())
    sync = told(Runner(flow, **options).environment().resolve("joined"))
    ticks = 0
    commands = Runner(flow, **options).environment()
    found, states = await asyncio.gather(commands.async_resolve("joined"), commands.async_show("off"))
    ticking.cancel()
    return sync, told(found), states["off"].is_disabled, ticks

flow = sys.argv[1]
options = {"environment": "conda", "pylint": False}
environment = Runner(flow, **options).environment()
out = {"first": told(environment.resolve("joined", "start", arch="linux-64", alias=None, force=True))}
out["again"] = told(environment.resolve("joined"))
states = environment.show("joined", "fetched", local_only=True)
out["shown"] = {step: [one.state, one.env.env_id if one.env else None] for step, one in states.items()}
out["inside"] = asyncio.run(inside())
for arguments in ({"alias": ["a:v1", "BAD"]}, {"timeout": 0}):
    try:
        environment.resolve("joined", **arguments)
    except RuntimeError as error:
        out.setdefault("errors", []).append(str(error))
print(json.dumps(out))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the forged channel has one platform")
def test_programs_and_notebooks_resolve_through_the_runner(fresh: Flows, base: str) -> None:
    ran = fresh.call(sys.executable, "-c", PROGRAM, str(fresh.command("asked.py")[1]))
    assert ran.code == 0, ran.said
    out = json.loads(ran.stdout)
    [platform] = out["first"]["joined"]
    assert out["first"]["joined"][platform] == [base, "conda-only", True]
    assert out["first"]["start"][platform][1:] == ["mixed", True]
    assert out["again"] == {"joined": {platform: [base, "conda-only", False]}}
    assert out["shown"]["joined"] == [["resolved"], [*base.split(":"), platform]]
    assert out["shown"]["fetched"][1] is None
    sync, found, disabled, ticks = out["inside"]
    assert sync == found == out["again"]
    assert disabled
    assert ticks > 10, "the event loop stood still"
    wrong, late = out["errors"]
    assert "'BAD' is not an alias" in wrong
    assert "Error executing" in late or "within 0 s" in late
