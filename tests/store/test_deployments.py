"""Deployed workflows: what they need stays in the store, however old, until they are forgotten."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from conjoin.api import Store
from conjoin.collecting import Collected, collect_store
from conjoin.errors import ConjoinError, IntegrityError, NotFound, UsageError
from conjoin.inventory import inventory
from conjoin.lock.model import Lock
from conjoin.store.deployments import KEPT
from conjoin.store.layout import deployment_key
from object_stores import MakeLock, ObjectServer

DAY = 86400.0
NAME = "argo-workflows/train.prod"


def collect(store: Store) -> Collected:
    """Collect as if everything had been written 400 days ago, and nobody's defaults counted."""
    return collect_store(store, 30 * DAY, now=time.time() + 400 * DAY, keep_defaults=False)


def ids(lock: Lock) -> str:
    return f"{lock.req_id}:{lock.full_id}"


@pytest.fixture(params=["folder", "memory", "s3", "gs", "az"])
def store(request: pytest.FixtureRequest, new_place: Callable[[str], str]) -> Store:
    return Store(new_place(request.param))


def test_what_a_deployed_workflow_needs_stays(store: Store, make_environment: MakeLock) -> None:
    locks = [make_environment(1, seed=seed) for seed in range(KEPT + 2)]
    for lock in locks:
        store.push(lock)
    lonely, *deployed = locks
    for lock in deployed:
        assert store.deployments.note(NAME, {ids(lock): ["train"]})
    assert list(store.deployments.all()) == [NAME]
    found = store.deployments.get(NAME)
    # The last ones, newest first: whoever takes a deployment back finds what it needs.
    assert [each.environments for each in found] == [{ids(lock): ("train",)} for lock in deployed[:0:-1]]
    assert all(each.user and each.time for each in found)
    told = {":".join(each.ids): each.deployed_by for each in inventory(store, prefixes=False)}
    assert told == {ids(lock): (NAME,) if lock in deployed[1:] else () for lock in locks}
    gone = collect(store).environments
    assert sorted(map(":".join, gone)) == sorted([ids(lonely), ids(deployed[0])])
    assert store.push(deployed[-1]).sent == 0
    store.deployments.forget(NAME)
    assert list(store.deployments.all()) == []
    collect(store)
    assert inventory(store, prefixes=False) == []
    assert store.backend.keys("packages") == []


def test_deploying_the_same_again_is_one_request(
    connect: Callable[[str], ObjectServer], new_place: Callable[[str], str], make_environment: MakeLock
) -> None:
    store = Store(new_place("s3"))
    lock, other = make_environment(1, seed=1), make_environment(1, seed=2)
    assert store.deployments.note(NAME, {ids(lock): ["b", "a"], ids(other): ["c"]})
    server = connect("s3")
    assert not store.deployments.note(NAME, {ids(other): ["c"], ids(lock): ["a", "b"]})
    assert [method for method, _ in server.requests] == ["GET"]
    assert store.deployments.note(NAME, {ids(lock): ["a", "b", "c"]})


def test_of_many_who_deploy_at_once_the_last_ones_count(store: Store, make_environment: MakeLock) -> None:
    locks = [make_environment(1, seed=seed) for seed in range(8)]
    threads = [
        threading.Thread(target=store.deployments.note, args=(NAME, {ids(lock): ["start"]})) for lock in locks
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [key for each in store.deployments.get(NAME) for key in each.environments]
    assert len(set(found)) == KEPT
    assert set(found) <= set(map(ids, locks))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"{", IntegrityError),
        (b'{"schema": 1, "deployments": [{"environments": {"x:y": []}}]}', IntegrityError),
        (b'{"schema": 2, "deployments": []}', UsageError),
    ],
)
def test_whatever_may_be_deployed_stays(
    content: bytes, error: type[ConjoinError], tmp_path: object, make_environment: MakeLock
) -> None:
    store = Store(f"{tmp_path}/store")
    lock = make_environment(1, seed=1)
    store.push(lock)
    store.backend.put(deployment_key(NAME), content)
    [problem] = collect(store).problems
    assert isinstance(problem, error)
    assert "train.prod" in str(problem)
    assert store.locks.has(lock.req_id, lock.full_id)
    told: list[ConjoinError] = []
    assert [each.deployed_by for each in inventory(store, prefixes=False, damaged=told.append)] == [()]
    assert len(told) == 1


def test_what_is_not_deployed_cannot_be_forgotten(tmp_path: object) -> None:
    store = Store(f"{tmp_path}/store")
    with pytest.raises(NotFound, match=r"no workflow airflow/x is noted as deployed; there is none"):
        store.deployments.forget("airflow/x")
    store.deployments.note(NAME, {})
    with pytest.raises(NotFound, match=r"there are argo-workflows/train\.prod"):
        store.deployments.forget("airflow/x")
    for bad in ("x", "a/../b", "a/b/c"):
        with pytest.raises(UsageError):
            store.deployments.forget(bad)
