from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conjoin.errors import UsageError
from conjoin.spec.requirements_parser import instant


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20", "2026-11-21T00:00:00Z"),
        ("2026-12-31", "2027-01-01T00:00:00Z"),
        ("2026-11-20T00:00:00Z", "2026-11-20T00:00:00Z"),
        ("2026-11-20t08:30z", "2026-11-20T08:30:00Z"),
        ("2026-11-20 08:00:00+02:00", "2026-11-20T06:00:00Z"),
        ("2026-11-20T08:00:00.5", "2026-11-20T08:00:00.500000Z"),
    ],
)
def test_dates_and_times_become_instants_in_utc(text, expected):
    assert instant(text) == expected


@given(st.datetimes(min_value=datetime(1000, 1, 2), max_value=datetime(9998, 1, 1)))
def test_an_instant_is_its_own_canonical_form(moment):
    once = instant(moment.replace(tzinfo=timezone.utc).isoformat())
    assert instant(once) == once
    assert datetime.fromisoformat(once.replace("Z", "+00:00")).replace(tzinfo=None) == moment


@pytest.mark.parametrize(
    "text", ["", "yesterday", "20261120", "2026-13-01", "2026-11-20T25:00", "9999-12-31", "2026-W01"]
)
def test_what_is_no_date_is_refused(text):
    with pytest.raises(UsageError, match="is not a date; expected 2026-11-20 or"):
        instant(text)
