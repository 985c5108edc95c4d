"""Runs scripts in forks of one process that has already imported their libraries, which takes most of the time of a short script.

    python -P tests/run_scripts.py MODULE ...

Reads a JSON object per line, `script`, `cwd`, `env`, `stdout` and `stderr` (paths of files), and writes the exit status of each script.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any


def main() -> None:
    """Import the modules, then run scripts until the input ends."""
    for name in sys.argv[1:]:
        with suppress(ImportError):
            import_module(name)
    gc.freeze()  # no fork goes through what they hold
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            return run(**json.loads(line))  # its end is that of the process
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    return None


def run(script: str, cwd: str, env: dict[str, Any], stdout: str, stderr: str) -> None:
    """Run a script as `python SCRIPT` does."""
    os.chdir(cwd)
    os.environ.update(env)
    for path, stream in ((stdout, sys.stdout), (stderr, sys.stderr)):
        with Path(path).open("w") as file:
            os.dup2(file.fileno(), stream.fileno())
    sys.argv, sys.path[:0] = [script], [str(Path(script).parent)]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
