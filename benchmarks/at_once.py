"""Eight processes that hydrate the same lock at the same time, each its own prefix, from one warm cache."""

from __future__ import annotations

import hashlib
import os
import re
import resource
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Row, Skipped, Timing
from benchmarks.hydrating import ours, theirs
from benchmarks.hydration_kit import make_kit
from benchmarks.timing import CommandFailed, run_command, time_command, time_together
from benchmarks.workshop import Workshop

NAME = "at-once"
PROCESSES = 8
_HASH_OF_FILE = re.compile(rb'(?<=,sha256=)[\w-]+|(?<="sha256_in_prefix": ")[0-9a-f]+')


def measure(workshop: Workshop) -> Iterator[Row | Skipped]:
    if reason := workshop.index_unreachable():
        yield Skipped(NAME, f"{PROCESSES} at once", f"{reason}; its wheels are real ones")
        return
    kit = workshop.once("kit", make_kit)
    home = workshop.fresh("at-once")
    environment = workshop.environment(home)
    run_command(ours(workshop, kit, workshop.fresh("first") / "x"), environment)  # fills the cache
    run_command(theirs(workshop, kit, workshop.fresh("first") / "x", home), environment)

    sequence = workshop.fresh("one-by-one")
    single = time_command(lambda number: ours(workshop, kit, sequence / f"p{number}"), environment, 3)
    one_by_one = Timing((PROCESSES * single.median,))

    prefixes = [workshop.fresh(f"together{number}") / "p" for number in range(PROCESSES)]
    before = _cpu_seconds()
    together = time_together([(ours(workshop, kit, prefix), environment) for prefix in prefixes])
    busy = (_cpu_seconds() - before) / together
    bare = [workshop.fresh(f"bare{number}") / "p" for number in range(PROCESSES)]
    reference = time_together([(theirs(workshop, kit, prefix, home), environment) for prefix in bare])

    contents: dict[tuple[int, int], bytes] = {}
    if len({_tree(prefix, contents) for prefix in prefixes}) != 1:
        raise CommandFailed(f"the {PROCESSES} prefixes differ")
    work = f"{PROCESSES} processes at once, warm cache"
    note = f"equal trees; {busy:.1f} of {os.cpu_count()} cores busy"
    timing = Timing((together,))
    yield Row(NAME, work, timing, "the same one by one", one_by_one, "bound by CPU, not by a lock", note=note)
    yield Row(NAME, work, timing, f"{PROCESSES} of py-rattler + uv pip sync", Timing((reference,)))


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _tree(prefix: Path, contents: dict[tuple[int, int], bytes]) -> str:
    """Return a digest of every path, mode, link target and content, the prefix's own path taken out.

    :param contents: digests of the files that prefixes share by hard links, by device and inode.
    """
    digest = hashlib.sha256()
    own = os.fsencode(prefix)
    for path in sorted(prefix.rglob("*")):
        digest.update(os.fsencode(path.relative_to(prefix)))
        if path.is_symlink():
            digest.update(os.fsencode(path.readlink()))
        elif path.is_file():
            facts = path.stat()
            digest.update(f"{facts.st_mode:o}".encode())
            key = (facts.st_dev, facts.st_ino)
            if key not in contents:
                contents[key] = hashlib.sha256(_comparable(path, own)).digest()
            digest.update(contents[key])
    return digest.hexdigest()


def _comparable(path: Path, own: bytes) -> bytes:
    content = path.read_bytes()
    if path.stat().st_nlink == 1:
        content = content.replace(own, b"<prefix>").replace(b"\0", b"")
    if path.name == "RECORD" or path.parent.name == "conda-meta":
        content = _HASH_OF_FILE.sub(b"<hash>", content)  # of files that hold the prefix
    return content
