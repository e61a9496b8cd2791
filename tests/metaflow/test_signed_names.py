"""Named environments of flows under a policy: verified where the flow starts, refused where nobody can."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("metaflow")
from conjoin.api import Store
from conjoin.errors import Conflict, IntegrityError
from conjoin.lock.identity import make_lock, requirements_id
from conjoin.lock.model import Lock, LockedPlatform
from conjoin.store.layout import alias_key
from conjoin.store.lookup import named as named_module
from conjoin.store.transfer.alias import alias_lock
from conjoin.trust import ssh_keygen
from metaflow_extensions.conjoin.errors import EnvironmentProblem
from metaflow_extensions.conjoin.plugins.environment.remote.send import send
from metaflow_extensions.conjoin.plugins.environment.request.ask import NOTHING
from metaflow_extensions.conjoin.plugins.environment.request.step_decorators import NamedEnvStepDecorator
from metaflow_extensions.conjoin.plugins.environment.request.step_request import StepRequest, step_request
from metaflow_extensions.conjoin.plugins.environment.run.fetch_at_exec import fetched
from metaflow_extensions.conjoin.plugins.environment.run.resolve import named_lock
from ssh_keys import SshKey, needs_ssh_keygen


@pytest.fixture(autouse=True)
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(named_module, "_PAUSE", 0.0)
    monkeypatch.setenv("CONJOIN_TRUST", "team=alice@example.org")
    monkeypatch.setenv("CONJOIN_ALLOWED_SIGNERS", str(tmp_path / "signers"))
    return tmp_path / "signers"


def remote(name: str, *, fetch_at_exec: bool = True) -> StepRequest:
    named = NamedEnvStepDecorator(
        attributes={"name": name, "fetch_at_exec": fetch_at_exec}, statically_defined=True
    )
    elsewhere = SimpleNamespace(name="kubernetes", attributes={}, target_platform=None)
    return step_request("train", [named, elsewhere], NOTHING, "s3")


@pytest.mark.parametrize(
    "name", ["team/x:v1", "team/x", "team/@{METAFLOW_RUN_ID}:v1", "@{NAME}", "tea@{REST}:v1", "team/x:@{TAG}"]
)
def test_a_container_is_not_asked_to_verify_a_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem) as raised:
        send([remote(name)], {}, store=Store(tmp_path / "store"), say=print)
    assert raised.value.exit_code == 5
    said = str(raised.value)
    assert said.startswith(f"step train: {name} must be signed by alice@example.org (CONJOIN_TRUST)")
    assert "drop fetch_at_exec" in said


@pytest.mark.parametrize(
    "name", ["other/x:v1", "other/@{METAFLOW_RUN_ID}:v1", "step:Flow/@{RUN}/start", "a" * 40 + ":" + "b" * 40]
)
def test_what_no_policy_is_about_may_be_looked_up_there(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules[send.__module__]
    went: list[bool] = []

    def further() -> None:
        went.append(True)
        raise EnvironmentProblem("nothing else is looked at here")

    monkeypatch.setattr(module, "_configured", further)
    with pytest.raises(EnvironmentProblem, match="nothing else"):
        send([remote(name)], {}, store=Store(tmp_path / "store"), say=print)
    assert went


@pytest.fixture
def make_lock_of() -> Callable[[int], Lock]:
    def make(number: int) -> Lock:
        asked = {"scheme": 1, "seed": number}
        platforms = {"linux-64": LockedPlatform(virtual_packages={}, packages=())}
        return make_lock(asked, requirements_id(asked), platforms)

    return make


@needs_ssh_keygen
def test_the_launcher_finds_what_somebody_exchanged(make_lock_of, tmp_path: Path, policy: Path) -> None:
    alice = SshKey(tmp_path / "keys", "alice")
    policy.write_text(alice.allowed("alice@example.org"))
    store = Store(tmp_path / "store")
    one, two = make_lock_of(1), make_lock_of(2)
    alias_lock(store, one, "team/x:v1", signer=alice.signer)
    alias_lock(store, two, "team/y:v1")
    assert named_lock("team/@{NAME}:v1", store, {"NAME": "x"}) == one
    with pytest.raises(IntegrityError, match="is not signed"):
        named_lock("team/y:v1", store)
    other = store.backend.get(alias_key("team/y", "v1"))
    assert other is not None
    store.backend.put(alias_key("team/x", "v1"), other.data)
    with pytest.raises((IntegrityError, Conflict)):
        named_lock("team/x:v1", store)


def test_what_is_fetched_at_the_start_of_a_task_here_is_verified_by_it(
    make_lock_of, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_keygen, "PROGRAM", "no-such-program")
    store = Store()
    alias_lock(store, make_lock_of(1), "team/x:v1", signer=lambda _data, _namespace: "nobody's")
    task = {
        "fetch": "team/x:v1",
        "flow": "Flow",
        "run_id": "1",
        "step": "train",
        "task_id": "1",
        "datastore": "none",
        "datastore_root": None,
        "folder": str(tmp_path),
        "offline": True,
    }
    _, problem = fetched(task)
    assert problem.startswith("team/x:v1: ")
    assert "no no-such-program here to verify it with" in problem
