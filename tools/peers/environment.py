"""A separate environment for other people's tests, and the tests, unmodified, as their authors publish them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "peers"
HERE = Path(__file__).resolve().parent
PACKAGES = ("core", "langchain", "llamaindex")
CORE_TESTS = BUILD / "llama-index-core-tests"
PYTHON = BUILD / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"


def environment() -> None:
    """Build or update the environment; the workspace's packages are installed in place."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        sys.exit("uv is needed; `make peers` installs it into .tools")
    if not PYTHON.exists():
        _run(uv, "venv", "--quiet", "--python", sys.executable, str(PYTHON.parents[1]))
    ours = [part for name in PACKAGES for part in ("--editable", str(ROOT / "packages" / name))]
    _run(uv, "pip", "install", "--quiet", "--python", str(PYTHON), "--requirements", str(HERE / "requirements.txt"), *ours)


def version(package: str) -> str:
    """The installed version of `package`."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([PYTHON, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def published(package: str) -> Path:
    """The folder with the tests of a package's source distribution, in the installed version.

    The distribution's code is left out, so that the tests run on the installed package.

    Parameters:
        package: its name in the registry.
    """
    release = f"{package.replace('-', '_')}-{version(package)}"
    folder = BUILD / release
    if (folder / "tests").is_dir():
        return folder
    archive = BUILD / "sdists" / f"{release}.tar.gz"
    if not archive.exists():
        wanted = f"{package}=={version(package)}"
        download = ["download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(archive.parent), wanted]
        _run(sys.executable, "-m", "pip", *download)
    with tarfile.open(archive) as tar:
        parts = [each for each in tar if each.name.startswith((f"{release}/tests/", f"{release}/pyproject.toml"))]
        tar.extractall(BUILD, members=parts, filter="data")
    return folder


def checked_out(source: str) -> Path | None:
    """A copy of the tests of LlamaIndex's core from a checkout of its repository; None if there is none.

    Only the tests are copied, so that they run on the installed package.

    Parameters:
        source: path of the checkout; empty: `build/peers/llama_index`.
    """
    origin = (Path(source) if source else BUILD / "llama_index") / "llama-index-core"
    if not (origin / "tests").is_dir():
        return None
    shutil.rmtree(CORE_TESTS, ignore_errors=True)
    shutil.copytree(origin / "tests", CORE_TESTS / "tests")
    shutil.copy(origin / "pyproject.toml", CORE_TESTS)
    return CORE_TESTS


def version_of_tests() -> str:
    """The version of LlamaIndex's core that the copied tests belong to."""
    found: str = tomllib.loads((CORE_TESTS / "pyproject.toml").read_text())["project"]["version"]
    return found


def _run(*command: str) -> None:
    subprocess.run(command, check=True, cwd=ROOT)
