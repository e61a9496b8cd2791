from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet

from conjoin.index.pypi.dependency import repaired


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (">=3.6.*", ">=3.6"),
        ("<4.*", "<4"),
        (">= 2.7.*, != 3.0.*, <4", ">= 2.7, != 3.0.*, <4"),
        ("==3.8.*", "==3.8.*"),
        ("!=3.8.*", "!=3.8.*"),
        ("numpy (>=1.7.*,<2) ; python_version == '3.*'", "numpy (>=1.7,<2) ; python_version == '3.*'"),
    ],
)
def test_only_ordered_comparisons_lose_their_star(text: str, expected: str) -> None:
    assert repaired(text) == expected
    if "numpy" not in text:
        SpecifierSet(expected)
