from __future__ import annotations

from pathlib import Path

import pytest

from conjoin.errors import UsageError
from conjoin.spec.syntax.index_urls import find_links_url, index_url


@pytest.mark.parametrize(
    "text",
    [
        "https://index.example/simple",
        "https://index.example/simple/",
        "https://index.example/simple//",
        "HTTPS://Index.Example/simple",
        " https://user:secret@index.example/simple ",
    ],
)
def test_an_index_has_one_spelling(text):
    assert index_url(text) == "https://index.example/simple/"


def test_paths_of_indexes_keep_their_case():
    assert index_url("https://index.example/Team/simple") == "https://index.example/Team/simple/"
    assert index_url("file:///srv/index") == "file:///srv/index/"


@pytest.mark.parametrize("text", ["", "pypi", "ftp://index.example/", "https://", "/srv/index"])
def test_what_is_no_index_is_refused(text):
    with pytest.raises(UsageError, match="is not the URL of an index"):
        index_url(text)


def test_find_links_places_are_urls_and_paths_start_from_their_file(tmp_path):
    assert find_links_url("https://Page.example/Wheels.html") == "https://page.example/Wheels.html"
    assert find_links_url("wheels", folder=tmp_path) == (tmp_path / "wheels").as_uri()
    assert find_links_url("file:wheels", folder=tmp_path) == (tmp_path / "wheels").as_uri()
    assert find_links_url("file:///srv/wheels") == "file:///srv/wheels"
    assert find_links_url("~/wheels") == (Path.home() / "wheels").resolve().as_uri()
    with pytest.raises(UsageError, match="find-links is empty"):
        find_links_url(" ")
