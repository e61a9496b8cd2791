"""Read and change what makes an ELF file relocatable, in place: no patchelf needed.

A shared object finds libraries by the search path in its dynamic section (``DT_RUNPATH``). A shorter path
fits where the old one was; a new one fits into the spare entries that linkers leave in the dynamic section
and the padding behind the segment of its strings. Only 64-bit little-endian files are known, the machines
that Conjoin makes packages for.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

__all__ = ["DynamicSection", "glibc_needed", "is_elf", "read_dynamic", "set_runpath"]

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 0, 1, 5, 14, 15, 29
_SEGMENT = struct.Struct("<IIQQQQQQ")  # type, flags, offset, vaddr, paddr, filesz, memsz, align
_TAG = struct.Struct("<qQ")
_GLIBC = re.compile(rb"\0GLIBC_2\.(\d{1,6})(?:\.\d{1,6})?(?=\0)")


@dataclass(frozen=True, slots=True)
class DynamicSection:
    """What the loader reads of a file: the libraries it needs and where it looks for them first."""

    needed: tuple[str, ...]
    soname: str
    runpath: str | None


@dataclass(slots=True)
class _Segment:
    at: int  # of its header in the file
    kind: int
    offset: int
    address: int
    size: int
    memory_size: int


def is_elf(content: bytes) -> bool:
    """Whether ``content`` is an ELF file of the known sort."""
    return content[:6] == b"\x7fELF\x02\x01"


def glibc_needed(content: bytes) -> tuple[int, int] | None:
    """Return the newest glibc version whose symbols an ELF file asks for, or None."""
    minors = [int(match[1]) for match in _GLIBC.finditer(content)]
    return (2, max(minors)) if minors else None


def read_dynamic(content: bytes) -> DynamicSection | None:
    """Return the dynamic section, or None for files without one (static programs, objects)."""
    if not is_elf(content):
        return None
    segments = _segments(content)
    tags = _tags(content, segments)
    strings = next((_file_offset(segments, value) for _, tag, value in tags if tag == _DT_STRTAB), None)
    if strings is None:
        return None

    def text(value: int) -> str:
        start = strings + value
        return content[start : content.index(b"\0", start)].decode("utf-8", "surrogateescape")

    paths = [text(value) for _, tag, value in tags if tag in (_DT_RUNPATH, _DT_RPATH)]
    sonames = [text(value) for _, tag, value in tags if tag == _DT_SONAME]
    return DynamicSection(
        needed=tuple(text(value) for _, tag, value in tags if tag == _DT_NEEDED),
        soname=sonames[0] if sonames else "",
        runpath=paths[0] if paths else None,
    )


def set_runpath(content: bytes, runpath: str) -> bytes | None:
    """Return ``content`` with ``runpath`` as its search path, or None where there is no room for it."""
    segments = _segments(content)
    tags = _tags(content, segments)
    strings = next((value for _, tag, value in tags if tag == _DT_STRTAB), None)
    if strings is None:
        return None
    new = runpath.encode()
    patched = bytearray(content)
    for _, tag, value in tags:
        if tag in (_DT_RUNPATH, _DT_RPATH):
            start = _file_offset(segments, strings) + value
            end = content.index(b"\0", start)
            if end - start >= len(new):
                # NULs up to the old end: nothing of the old path stays readable.
                patched[start:end] = new.ljust(end - start, b"\0")
                return bytes(patched)
    return _add_runpath(patched, segments, tags, strings, new)


def _add_runpath(
    patched: bytearray, segments: list[_Segment], tags: list[tuple[int, int, int]], strings: int, new: bytes
) -> bytes | None:
    slot = next((at for at, tag, _ in tags if tag in (_DT_RUNPATH, _DT_RPATH)), None)
    if slot is None:
        slot = _spare_tag(patched, segments, tags)
    home = next(s for s in segments if s.kind == _PT_LOAD and s.address <= strings < s.address + s.size)
    end = home.offset + home.size
    room = len(new) + 1
    free = patched[end : end + room] == bytes(room)
    later = [s for s in segments if s.kind == _PT_LOAD and s.offset > home.offset]
    # The segment may grow only into padding: neither in the file nor in memory into its neighbour's page.
    free &= all(s.offset >= end + room for s in later)
    free &= all(s.address // 4096 > (home.address + home.size + room) // 4096 for s in later)
    if slot is None or not free or home.size != home.memory_size:
        return None
    patched[end : end + len(new)] = new
    struct.pack_into("<QQ", patched, home.at + 32, home.size + room, home.memory_size + room)
    _TAG.pack_into(patched, slot, _DT_RUNPATH, home.address + home.size - strings)
    return bytes(patched)


def _spare_tag(content: bytearray, segments: list[_Segment], tags: list[tuple[int, int, int]]) -> int | None:
    dynamic = next(s for s in segments if s.kind == _PT_DYNAMIC)
    terminator = tags[-1][0] + _TAG.size if tags else dynamic.offset
    # Two are needed: ours, and the one that ends the list.
    if terminator + 2 * _TAG.size > dynamic.offset + dynamic.size:
        return None
    following = content[terminator : terminator + 2 * _TAG.size]
    return terminator if following == bytes(2 * _TAG.size) else None


def _segments(content: bytes | bytearray) -> list[_Segment]:
    (start,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    found = []
    for at in range(start, start + size * count, size):
        kind, _, offset, address, _, file_size, memory_size, _ = _SEGMENT.unpack_from(content, at)
        found.append(_Segment(at, kind, offset, address, file_size, memory_size))
    return found


def _tags(content: bytes | bytearray, segments: list[_Segment]) -> list[tuple[int, int, int]]:
    """Return ``(file offset, tag, value)`` of all entries before the terminator."""
    found: list[tuple[int, int, int]] = []
    for segment in segments:
        if segment.kind == _PT_DYNAMIC:
            for at in range(segment.offset, segment.offset + segment.size, _TAG.size):
                tag, value = _TAG.unpack_from(content, at)
                if tag == _DT_NULL:
                    return found
                found.append((at, tag, value))
    return found


def _file_offset(segments: list[_Segment], address: int) -> int:
    for segment in segments:
        if segment.kind == _PT_LOAD and segment.address <= address < segment.address + segment.size:
            return address - segment.address + segment.offset
    return address
