"""What contradicts what is remembered of a name, as a function of two values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conjoin.trust.memory import Met, NamedAs, Remembered, after, contradiction, decode, encode

A, B, C = (f"{letter * 40}:{letter * 40}" for letter in "abc")
DIGEST, OTHER = "1" * 64, "2" * 64
NOW = "2026-12-01T00:00:00Z"


def met(*targets: str, mutable: bool = True, digest: str = DIGEST, serial: int = 0, signed: str = "") -> Met:
    """A name that was given to these, the last one last."""
    moves = tuple(NamedAs(target, "ann", str(number)) for number, target in enumerate(targets))[::-1]
    return Met(targets[-1], digest, mutable, moves, len(targets), serial, signed)


def remembered(*seen: Met) -> Remembered:
    found: Remembered | None = None
    for each in seen:
        found = after(found, each, NOW)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("seen", "now", "problem"),
    [
        ([met(A, mutable=False)], met(A, mutable=False), ""),
        ([met(A, mutable=False)], met(B, mutable=False), "written once, and means another"),
        ([met(A, mutable=False)], met(A, mutable=False, digest=OTHER), "lock was exchanged"),
        ([met(A, mutable=False, digest="")], met(A, mutable=False), ""),
        ([met(A)], met(A, B), ""),
        ([met(A), met(A, B)], met(A), "an old state"),
        ([met(A), met(A, B)], met(A, B, A), "went back"),
        ([met(A), met(A, B)], met(A, B, C), ""),
        ([met(A, B)], met(A, B, A), ""),  # it is not known here that it ever meant A
        ([met(A, B)], met(A, C, B), "history was rewritten"),
        ([met(A, B)], met(C, B), ""),  # older than what was met: not known here
        ([met(A)], met(A, digest=OTHER), "lock was exchanged"),
        ([met(A, serial=2, signed=DIGEST)], met(A, serial=1, signed=OTHER), "was the 2."),
        ([met(A, serial=2, signed=DIGEST)], met(A, serial=2, signed=OTHER), "was exchanged"),
        ([met(A, serial=2, signed=DIGEST)], met(A), ""),  # nobody asked for signatures this time
        ([met(A, serial=1, signed=DIGEST)], met(A, B, serial=2, signed=OTHER), ""),
        # Whoever signs a move back says so.
        (
            [met(A, serial=1, signed=DIGEST), met(A, B, serial=2, signed=OTHER)],
            met(A, B, A, serial=3, signed="3" * 64),
            "",
        ),
        # But a tag that is written once stays.
        ([met(A, mutable=False, serial=1)], met(B, mutable=False, serial=2), "written once"),
    ],
)
def test_what_contradicts(seen: list[Met], now: Met, problem: str) -> None:
    found = contradiction(remembered(*seen), now)
    assert problem in found
    assert bool(problem) == bool(found)


def test_nothing_new_is_the_same_object() -> None:
    before = remembered(met(A, B, serial=1, signed=DIGEST))
    assert after(before, met(A, B, serial=1, signed=DIGEST), "later") is before
    assert after(before, met(A, B, digest=""), "later") is before


targets = st.lists(st.sampled_from([A, B, C]), min_size=1, max_size=6)


@given(targets, st.data())
def test_an_honest_history_of_new_targets_never_contradicts(history: list[str], data: st.DataObject) -> None:
    """Whoever looks now and then at a name that only goes to new environments is never stopped."""
    fresh = list(dict.fromkeys(history))
    looks = sorted(data.draw(st.sets(st.integers(1, len(fresh)), min_size=1)))
    memory: Remembered | None = None
    for look in looks:
        now = met(*fresh[:look])
        assert memory is None or contradiction(memory, now) == ""
        memory = after(memory, now, NOW)
    assert memory is not None
    assert decode(encode(memory)) == memory


@given(targets, st.integers(1, 6), st.integers(1, 6))
def test_a_state_of_before_always_contradicts(history: list[str], one: int, two: int) -> None:
    """Putting back an object that was there before is found, whatever it says."""
    old, new = sorted((min(one, len(history)), min(two, len(history))))
    if old < new:
        memory = remembered(met(*history[:old]), met(*history[:new]))
        assert contradiction(memory, met(*history[:old]))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"schema": 9, "target": "x"}',
        b'{"schema": 1, "target": "../x:y"}',
        b'{"schema": 1}',
        b"\xff",
    ],
)
def test_what_is_damaged_is_none(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (whatever it says)
        decode(data)
