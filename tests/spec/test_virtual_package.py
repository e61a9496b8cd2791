from __future__ import annotations

import pytest

from conjoin.errors import UsageError
from conjoin.spec.virtual_package import virtual_package


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("__cuda=12.0", ("__cuda", "12.0")),
        ("__cuda==12.0", ("__cuda", "12.0")),
        ("__cuda 12.0", ("__cuda", "12.0")),
        (" __GLIBC = 2.31 ", ("__glibc", "2.31")),
        ("__glibc==2.31=0", ("__glibc", "2.31")),
        ("__archspec=1=x86_64_v3", ("__archspec", "1=x86_64_v3")),
        ("__cuda=", ("__cuda", "")),
        ("__cuda=none", ("__cuda", "")),
        ("__cuda=False", ("__cuda", "")),
    ],
)
def test_spellings(text, expected):
    assert virtual_package(text) == expected


@pytest.mark.parametrize("text", ["", "cuda=12", "__cuda", "__cuda>=12", "__cuda=12 0", "__=1="])
def test_what_is_none_is_refused(text):
    with pytest.raises(UsageError, match="is not a virtual package; expected __name=version"):
        virtual_package(text)
