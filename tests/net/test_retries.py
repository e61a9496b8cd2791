from __future__ import annotations

import time
from email.utils import formatdate

import httpx
import pytest

from conjoin.net.retries import RETRIED, retry_after


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("3", 3, 3),
        (" 3 ", 3, 3),
        ("0", 0, 0),
        ("", 0, 0),
        ("soon", 0, 0),
        ("-1", 0, 0),
        ("1.5", 0, 0),
        ("\u00b2", 0, 0),
        ("\u0663", 0, 0),
        (formatdate(0, usegmt=True), 0, 0),
        ("Thu, 32 Jan 1970 00:00:00 GMT", 0, 0),
        ("Thu, 01 Jan 99999999999999999999 00:00:00 GMT", 0, 0),
    ],
)
def test_it_is_seconds_or_a_date(text: str, least: float, most: float) -> None:
    assert least <= retry_after({"retry-after": text}) <= most


def test_a_date_to_come_is_the_time_until_then() -> None:
    assert 50 < retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)}) <= 60
    assert retry_after({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, now=40.0) == 60


@pytest.mark.parametrize("text", ["9" * 30, "9" * 5000, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_what_is_huge_is_a_number_that_the_caller_bounds(text: str) -> None:
    assert min(30.0, retry_after({"retry-after": text})) == 30.0


def test_a_server_that_says_nothing_asks_for_nothing() -> None:
    assert retry_after({}) == 0


def test_names_of_headers_are_found_as_httpx_has_them() -> None:
    assert retry_after(httpx.Headers({"Retry-After": "7"})) == 7


def test_what_is_tried_again_is_what_may_be_gone() -> None:
    assert {408, 425, 429, 500, 502, 503, 504} == RETRIED
