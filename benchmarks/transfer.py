"""Send the packages of a lock to a store, or fetch them from one; says its peak of memory in MiB.

``python transfer.py push|fetch LOCK STORE``: a process of its own for benchmarks/object_store.py.
"""

from __future__ import annotations

import re
import resource
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from conjoin.api import Store
from conjoin.lock.format import read_lock
from conjoin.store.backend.cloud import CloudBackend
from conjoin.store.transfer.fetch import Fetcher

AT_ONCE = 8  # as hydrating does


def peak() -> int:
    """Return the most memory this program held, in MiB.

    Not what ``getrusage`` says, where there is better: on Linux that is handed on by vfork and exec, so
    that a parent which was bigger tells its own peak here.
    """
    try:
        status = Path("/proc/self/status").read_text("ascii", "replace")
    except OSError:
        unit = 1 << (20 if sys.platform == "darwin" else 10)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit
    found = re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) // 1024


direction, lock_file, place = sys.argv[1:]
lock = read_lock(Path(lock_file))
store = Store(place)
if direction == "push":
    assert isinstance(store.backend, CloudBackend)
    # rclone's server ignores conditions, so a push would refuse it. What is measured is the way of the bytes.
    store.backend._conditions_checked = True
    pushed = store.push(lock)
    assert pushed.present == 0
else:
    fetcher = Fetcher(Store().packages, shared=store.shared)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(fetcher.fetch, lock.platforms["linux-64"].packages))
print(peak())
