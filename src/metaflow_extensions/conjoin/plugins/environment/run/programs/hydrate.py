"""Makes the prefix of an environment: ``python hydrate.py PLAN``; says on stderr, in a line, what went wrong.

Started by its path; the plan is a JSON file of the launcher's (:mod:`..background_hydration`).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def hydrate(plan: dict[str, Any]) -> str:
    """Make the prefix, unless it is there, and return its path.

    :raises conjoin.errors.ConjoinError: where it cannot be made.
    """
    from conjoin import Store
    from conjoin.api import hydrate as make
    from conjoin.spec.requirements import Credential
    from conjoin.store.lookup.reference import find_lock

    store = Store(plan["store"])
    made = make(
        find_lock(plan["id"], store),
        plan["platform"],
        store=store,
        offline=plan["offline"],
        credentials=[Credential(**one) for one in plan["credentials"]],
    )
    return str(made)


def main() -> int:
    """Do what the plan says; return an exit code."""
    from conjoin.errors import ConjoinError

    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        hydrate(plan)
    except ConjoinError as error:
        print(" ".join(str(error).split()), file=sys.stderr, flush=True)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    # The folder of this file is no place to import from.
    del sys.path[0]
    sys.exit(main())
