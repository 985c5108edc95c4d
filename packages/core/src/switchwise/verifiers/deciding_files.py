"""Hashes the files that decide the result of a check, so that a run cannot pass by changing them."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

DECIDING: Final = (
    "test/*", "tests/*", "*/test/*", "*/tests/*", "test_*.py", "*_test.*", "*.test.*", "*.spec.*", "conftest.py", "pytest.py",
    "sitecustomize.py", "usercustomize.py", "*.pth", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg",
    "Makefile", "package.json", "*.lock", "package-lock.json", "jest.config.*", "vitest.config.*",
)  # fmt: skip
"""Default patterns; one without a slash matches a file name in any folder."""
SKIPPED: Final = frozenset(
    [".git", "node_modules", ".venv", "venv", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"]
)
MOST_FILES: Final = 20_000
MOST_BYTES: Final = 256 * 1024 * 1024


class TooMany(Exception):
    """Raised if more files match than can be hashed in reasonable time."""


class DecidingFiles:
    """Files below a folder that match one of the patterns.

    Parameters:
        patterns: as in a shell, relative to the folder; without a slash they match names in any folder.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = tuple(patterns)

    def note(self, root: str, copy: bool = False) -> dict[str, Any]:
        """Record the present state of the files: their digests, in a private file, as JSON types.

        Parameters:
            copy: keep the contents too.

        Raises:
            TooMany: the files are too many or too large.
        """
        digests = self.digests(root)
        if not digests and not copy:
            return {"file": "", "digest": _joined(digests), "copy": ""}
        folder = Path(tempfile.mkdtemp(prefix="switchwise-begun-"))
        (folder / "digests.json").write_text(json.dumps(digests), encoding="utf-8")
        if copy:
            for path, digest in digests.items():
                if digest.startswith("special:"):  # a pipe has no content to keep
                    continue
                kept = folder / "files" / path
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(Path(root) / path, kept, follow_symlinks=False)
        return {"file": str(folder / "digests.json"), "digest": _joined(digests), "copy": str(folder / "files") if copy else ""}

    def changed(self, root: str, noted: Mapping[str, Any]) -> list[str]:
        """Files changed, added or removed since `noted`; a single `?` if the list is on another machine."""
        now = self.digests(root)
        if _joined(now) == noted["digest"]:
            return []
        file = Path(noted["file"])
        before = json.loads(file.read_text(encoding="utf-8")) if noted["file"] and file.exists() else None
        if before is None:
            return ["?"] if noted["file"] else sorted(now)
        return sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))

    def restored(self, root: str, noted: Mapping[str, Any], to: Path) -> Path:
        """Copy the folder, with the deciding files in their original state.

        Raises:
            OSError: that state was not kept, or is on another machine.
        """
        if not noted["copy"]:
            raise FileNotFoundError("the files that decide were not kept when the work began, which was without restore=True")
        where = to / "tree"
        ignore = shutil.ignore_patterns(".git", "__pycache__", ".pytest_cache")
        shutil.copytree(root, where, symlinks=True, ignore=ignore)
        for path in self.digests(str(where)):
            (where / path).unlink()
        shutil.copytree(noted["copy"], where, symlinks=True, dirs_exist_ok=True)
        return where

    def digests(self, root: str) -> dict[str, str]:
        """Map each path to its digest; raises `TooMany`."""
        found: dict[str, str] = {}
        size = 0
        for path in self._paths(Path(root)):
            relative = path.relative_to(root).as_posix()
            status = path.lstat()
            size += status.st_size
            if len(found) >= MOST_FILES or size > MOST_BYTES:
                raise TooMany(
                    f"more than {MOST_FILES:,} files or {MOST_BYTES >> 20} MiB decide: give deciding= that names fewer"
                )
            found[relative] = _digest(path, status, Path(root))
        return found

    def _paths(self, root: Path) -> Iterator[Path]:
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(name for name in folders if name not in SKIPPED)
            for name in sorted(files):
                path = Path(folder) / name
                relative = path.relative_to(root).as_posix()
                if any(fnmatch(relative if "/" in pattern else name, pattern) for pattern in self._patterns):
                    yield path


def _digest(path: Path, status: os.stat_result, root: Path) -> str:
    """Digest of a file's content; for a link, of its destination and that content."""
    digest = blake2b(digest_size=16)
    if stat.S_ISLNK(status.st_mode):
        digest.update(b"link:" + os.fsencode(path.readlink()))
        target = Path(os.path.realpath(path))  # `resolve` raises for a link to itself before Python 3.13
        if not target.is_relative_to(root.resolve()):
            return f"outside:{digest.hexdigest()}"
        if not target.is_file():
            return f"dangling:{digest.hexdigest()}"
    elif not stat.S_ISREG(status.st_mode):
        return f"special:{stat.S_IFMT(status.st_mode)}"
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _joined(digests: Mapping[str, str]) -> str:
    return blake2b(json.dumps(sorted(digests.items())).encode(), digest_size=16).hexdigest()
