"""Files beside the indexes (pip's ``--find-links``): folders, pages, and single files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from conjoin.errors import UsageError
from conjoin.index.pypi.file_names import FileNameReader, is_safe
from conjoin.index.pypi.file_rows import files_of, rows_of
from conjoin.index.pypi.pages import Pages
from conjoin.index.pypi.project import Sdist, Wheel
from conjoin.index.pypi.simple_api import Link, links
from conjoin.net.urls import local_path
from conjoin.spec.names import PypiName

__all__ = ["FindLinks", "links_of_folder"]

_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz")


class FindLinks:
    """All files of some places, by project.

    :param places: paths or URLs of folders, of html pages and of single files, the first wins.
    :param pages: fetches those that are http pages.
    """

    def __init__(self, places: Sequence[str], pages: Pages) -> None:
        self._places = tuple(places)
        self._pages = pages
        self._listed: dict[str, list[Link]] = {}

    async def files(self, name: PypiName) -> list[tuple[str, Wheel | Sdist]]:
        """Return ``(place, file)`` for every file of a project.

        :raises UsageError: where a local place does not exist.
        :raises Unreachable: where a page cannot be fetched.
        """
        found = []
        for place in self._places:
            if place not in self._listed:
                self._listed[place] = await self._list(place)
            page = rows_of(self._listed[place], FileNameReader(name))
            found += [(place, file) for file in files_of(page, place)]
        return found

    async def _list(self, place: str) -> list[Link]:
        if place.startswith(("http://", "https://")):
            filename = place.partition("?")[0].partition("#")[0].rpartition("/")[2]
            if filename.endswith(_ARCHIVES):
                return [link for link in _single_page(place) if is_safe(link.filename)]
            return await self._pages.links(place)
        path = local_path(place) or Path(place)
        if path.is_dir():
            return links_of_folder(path)
        if path.is_file():
            if path.name.endswith(_ARCHIVES):
                return [_local_link(path)]
            return list(links(path.read_bytes(), "text/html", path.absolute().as_uri()))
        raise UsageError("find-links names neither a folder nor a file", where=place)


def links_of_folder(path: Path) -> list[Link]:
    """Return the distribution files of a local folder, without those below it."""
    with os.scandir(path) as entries:
        return [
            _local_link(Path(entry.path))
            for entry in entries
            if entry.name.endswith(_ARCHIVES) and entry.is_file()
        ]


def _local_link(path: Path) -> Link:
    return Link(filename=path.name, url=path.absolute().as_uri(), hashes={}, size=path.stat().st_size)


def _single_page(url: str) -> list[Link]:
    """One file as a page that lists it alone, so that its fragment is read as any other."""
    from html import escape

    return list(links(f'<a href="{escape(url)}"></a>'.encode(), "text/html", url))
