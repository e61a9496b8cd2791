"""A container on this machine: a clean folder, a clean environment, and no address but the store's.

Standard library alone: the launcher's processes import it too (``sitecustomize.py``).
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

CONFIGURATION = "LOCAL_PODS"
"""Names a JSON file: ``folder`` of the pods, ``path`` of their programs, ``variables`` of every pod, and
``network``: the words before a command that runs it in a network of its own, none where that cannot be."""


def run(command, variables, name, configuration=None):
    """Run a container's command to its end; return its folder and its exit code.

    The folder has COMMAND, ENV and OUT, and what the command left. While it ran, it was called ``running``:
    with one path for all, what one Python compiled serves the others, which is half of a task's time.
    """
    told = configuration or json.loads(Path(os.environ[CONFIGURATION]).read_text())
    folder = Path(told["folder"], "running")
    (folder / "tmp").mkdir(parents=True)
    found = {key: str(value) for key, value in variables.items() if value is not None}
    found.update(
        PATH=told["path"] + ":/usr/bin:/bin",
        HOME=str(folder),
        TMPDIR=str(folder / "tmp"),
        METAFLOW_SKIP_INSTALL_DEPENDENCIES="1",
        # Whatever would go beyond loopback is led to a proxy that is not there.
        HTTP_PROXY="http://127.0.0.1:9",
        HTTPS_PROXY="http://127.0.0.1:9",
        NO_PROXY="127.0.0.1",
        PYTHONPYCACHEPREFIX=told["folder"] + ".compiled",
        **told["variables"],
    )
    (folder / "COMMAND").write_text("\0".join(command))
    (folder / "ENV").write_text("\0".join(f"{key}={value}" for key, value in sorted(found.items())))
    left = Path(tempfile.mkdtemp(prefix=name + "-", dir=told["folder"]), "pod")
    with (folder / "OUT").open("wb") as out:
        entered = [*told["network"], *command]
        code = subprocess.call(entered, cwd=folder, env=found, stdout=out, stderr=subprocess.STDOUT)
    shutil.move(folder, left)
    return left, code
