"""Build the wheels and use each as its reader would: alone in a fresh environment, with the first snippet of its README.

    python tools/wheels.py                        all wheels, on the Python that runs this and on the newest at hand
    python tools/wheels.py --python 3.11 langchain

The snippet runs as `switchwise-loopback -- python snippet.py`, so that its model calls reach the loopback provider. That command is
installed in an environment of its own: a wheel gets nothing but what it asks for itself, with the extras that its README names.
Needs a package index. Exit status 1 if a snippet fails.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
NEWEST = (3, 14)
PACKAGES = {  # folder: distribution
    "core": "switchwise",
    "langchain": "langchain-switchwise",
    "llamaindex": "llama-index-llms-switchwise",
    "loopback": "switchwise-loopback",
}
UV = [sys.executable, "-m", "uv", "--quiet"]


def main() -> int:
    """Try the wheels; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("packages", nargs="*", default=list(PACKAGES), help=f"of {', '.join(PACKAGES)}; without: all")
    parser.add_argument("--python", action="append", metavar="VERSION", help="repeatable; without: this one and the newest")
    options = parser.parse_args()
    if unknown := set(options.packages) - set(PACKAGES):
        parser.error(f"{', '.join(sorted(unknown))}: the packages are {', '.join(PACKAGES)}")
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        build(there / "dist")
        loopback = install(there / "loopback", sys.executable, there / "dist", "switchwise-loopback")
        worked = [
            attempt(package, python, there, loopback)
            for python in options.python or sorted({sys.executable, newest()})
            for package in options.packages
        ]
    return 0 if all(worked) else 1


def build(dist: Path) -> None:
    """Build all wheels into a folder."""
    subprocess.run([*UV, "build", "--all-packages", "--wheel", "--out-dir", str(dist)], cwd=ROOT, check=True)


def newest() -> str:
    """The newest Python on this machine that the packages are made for."""
    pyenv = (
        Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    )  # which uv looks at only where it is on the path
    for minor in range(NEWEST[1], sys.version_info.minor, -1):
        found = subprocess.run([*UV, "python", "find", "--offline", f"3.{minor}"], check=False, capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.strip()
        if kept := sorted(pyenv.glob(f"3.{minor}.*/bin/python")):
            return str(kept[-1])
    return sys.executable


def install(folder: Path, python: str, dist: Path, requirement: str) -> Path:
    """A fresh environment with one requirement; its interpreter."""
    subprocess.run([*UV, "venv", "--python", python, str(folder)], check=True)
    command = [*UV, "pip", "install", "--python", str(folder), "--find-links", str(dist), requirement]
    subprocess.run(command, check=True)
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"


def snippet(package: str) -> str:
    """The first Python block of a package's README."""
    found = re.search(r"^```python\n(.*?)^```$", (ROOT / "packages" / package / "README.md").read_text(), re.M | re.S)
    if found is None:
        raise SystemExit(f"packages/{package}/README.md has no Python block")
    return found[1]


def extras(package: str) -> str:
    """The extras with which a package's README installs it: `[openai]`, or nothing."""
    found = re.search(
        rf"pip install .*\./packages/{package}(\[[\w,]+\])", (ROOT / "packages" / package / "README.md").read_text()
    )
    return found[1] if found else ""


def attempt(package: str, python: str, there: Path, loopback: Path) -> bool:
    """Install one wheel and run its snippet; whether that worked."""
    requirement = f"{PACKAGES[package]}{extras(package)}"
    began = time.perf_counter()
    try:
        inside = install(Path(tempfile.mkdtemp(dir=there)) / "venv", python, there / "dist", requirement)
        version = subprocess.run([str(inside), "-V"], check=True, capture_output=True, text=True).stdout.strip()
        program = there / f"{package}.py"
        program.write_text(snippet(package), encoding="utf-8")
        command = [str(loopback), "-m", "switchwise_loopback", "--quiet", "--", str(inside), str(program)]
        done = subprocess.run(command, cwd=there, check=False, capture_output=True, text=True, timeout=120)
    except subprocess.CalledProcessError as error:
        print(f"FAILED  {requirement} on {python}: {error}")
        return False
    worked = done.returncode == 0
    print(f"{'ok' if worked else 'FAILED':<7} {requirement:<45} {version:<15} {time.perf_counter() - began:5.1f} s")
    if not worked:
        print(done.stdout + done.stderr)
    return worked


if __name__ == "__main__":
    sys.exit(main())
