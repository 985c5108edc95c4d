"""Run your own check, such as a test suite, on finished work.

Use it in a `Gate` where a command can distinguish good work from bad. Not for single replies. The command gets a minimal
environment without keys, no input, and at most `timeout` seconds; its output is bounded; every process that it starts ends with
it. Files that decide the result (tests, their configuration) are hashed before the work begins and around the check: a run that
edits its tests does not pass by them. This is not a sandbox: the command runs with the rights of this process.

Source: docs/guide/gate.md lists the tried ways to a false pass; each has a test.
"""

from __future__ import annotations

import asyncio
import os
import re
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from switchwise.gate.finding import Finding, Standing, Work
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.validation import number, whole
from switchwise.verifiers.deciding_files import DECIDING, DecidingFiles, TooMany

KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")
"""Variables that the command's environment keeps; all others, and so keys, are removed."""
NOTHING_RAN: Final = 5
"""pytest's exit code when no test was collected."""
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_PASSED = re.compile(r"\b(\d{1,9}) (?:passed|passing|tests? passed)\b")


class Command:
    """Accept work if a command succeeds on it.

    Parameters:
        args: the command and its arguments, run without a shell.
        root: folder in which it runs; empty: the folder of the work.
        timeout: seconds after which the command and all its processes are killed; the work is then not judged.
        deciding: patterns of the files below the root that decide the result; a run that changed one is not judged by them.
        restore: run in a copy of the folder with the deciding files as they were when the work began, so that a run that
            changed them is judged by the originals.
        least: least number of passed tests in the output; None: not checked. (A suite that skips all its tests succeeds too.)
        environment: variables in addition to PATH, HOME, LANG and TMPDIR.
        tail: characters from the end of the output that are reported.

    Raises:
        ConfigurationError: `args` is a text and not a list, or is empty, or a number is out of range.

    >>> import sys
    >>> Command([sys.executable, "-c", "raise SystemExit('1 failed')"])(Work()).because
    'the check failed (exit code 1): 1 failed'
    """

    def __init__(
        self,
        args: Sequence[str],
        root: str | Path = "",
        *,
        timeout: float = 600.0,
        deciding: Sequence[str] = DECIDING,
        restore: bool = False,
        least: int | None = None,
        environment: Mapping[str, str] | None = None,
        tail: int = 4_000,
    ) -> None:
        if isinstance(args, str | bytes) or not args or not all(isinstance(arg, str) for arg in args):
            raise ConfigurationError(
                f"Command({args!r:.80}): give a list of words, such as ['pytest', '-q']; no shell reads it"
            )
        number("Command", "timeout", timeout, above=True)
        whole("Command", "tail", tail)
        if least is not None:
            whole("Command", "least", least)
        self.args, self.root, self.timeout = list(args), str(root), timeout
        self.least, self.tail, self.restore = least, tail, restore
        self.environment = {name: os.environ[name] for name in KEPT if name in os.environ} | dict(environment or {})
        self.name = f"Command {Path(self.args[0]).name}"
        self._files = DecidingFiles(deciding)

    def begin(self, root: str) -> Any:
        """Record the deciding files before the work begins.

        Raises:
            TooMany: there are too many deciding files to hash in reasonable time.
        """
        return self._files.note(self.root or root, copy=self.restore)

    def __call__(self, work: Work) -> Finding:
        """Run the command and return the verdict."""
        return self._judged(work, threading.Event())

    async def acheck(self, work: Work) -> Finding:
        """Run the command without blocking the event loop; cancellation kills the command."""
        stop = threading.Event()
        running = asyncio.get_running_loop().run_in_executor(None, self._judged, work, stop)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            stop.set()
            await running
            raise

    def _judged(self, work: Work, stop: threading.Event) -> Finding:
        root, began = self.root or work.root or ".", time.perf_counter()
        try:
            changed = self._files.changed(root, work.begun) if work.begun is not None else []
            if changed and not self.restore:
                return Finding(Standing.UNJUDGED, f"the run changed files that decide the check: {_listed(changed)}")
            with tempfile.TemporaryDirectory(prefix="switchwise-check-") as folder:
                where = self._files.restored(root, work.begun, Path(folder)) if self.restore and work.begun else Path(root)
                before = self._files.note(str(where))
                code, output = self._run(where, stop)
                during = self._files.changed(str(where), before)
        except (OSError, TooMany) as error:
            return Finding(Standing.UNJUDGED, f"{self.args[0]} cannot be run: {error}")
        seconds = time.perf_counter() - began
        if during:
            return Finding(Standing.UNJUDGED, f"files that decide changed during the check: {_listed(during)}", seconds=seconds)
        return self._finding(code, output, seconds, changed)

    def _finding(self, code: int | None, output: str, seconds: float, changed: list[str]) -> Finding:
        last = next((line.strip(" =") for line in reversed(output.splitlines()) if line.strip(" =")), "no output")
        if code is None:
            return Finding(Standing.UNJUDGED, f"the check took longer than {self.timeout:g} s", output, seconds=seconds)
        if code in (126, 127):
            return Finding(
                Standing.UNJUDGED, f"the check could not start (exit code {code}): {last:.200}", output, seconds=seconds
            )
        if code == NOTHING_RAN and "pytest" in " ".join(self.args):
            return Finding(Standing.UNJUDGED, "the check ran no test", output, seconds=seconds)
        passed = max((int(count) for count in _PASSED.findall(output)), default=0)
        if code == 0 and self.least is not None and passed < self.least:
            return Finding(
                Standing.UNJUDGED, f"{passed} tests passed, {self.least} are asked for: {last:.200}", output, seconds=seconds
            )
        if code == 0:
            return Finding(Standing.ACCEPTED, f"the check succeeded: {last:.200}", score=1.0, seconds=seconds)
        note = f"These files decide and are checked as they were before: {_listed(changed)}.\n" if changed else ""
        return Finding(Standing.REJECTED, f"the check failed (exit code {code}): {last:.200}", note + output, seconds=seconds)

    def _run(self, where: Path, stop: threading.Event) -> tuple[int | None, str]:
        """The exit code (None: killed by the time limit) and the end of the output."""
        process = subprocess.Popen(  # noqa: S603  (the command is what the user gave to be run)
            self.args,
            cwd=where,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        end, kept = time.monotonic() + self.timeout, bytearray()
        assert process.stdout is not None, "it was asked for"
        try:
            with process.stdout as pipe, selectors.DefaultSelector() as selector:
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ)
                while process.poll() is None and time.monotonic() < end and not stop.is_set():
                    if selector.select(0.05):
                        self._read(pipe.fileno(), kept)
                timely = process.poll() is not None
                _kill(process)
                self._read(pipe.fileno(), kept)
        finally:
            _kill(process)
            process.wait()
        text = _ANSI.sub("", kept.decode(errors="replace"))[-self.tail :]
        return (process.returncode if timely else None), text

    def _read(self, pipe: int, kept: bytearray) -> None:
        """Read available output and keep its end."""
        for _ in range(64):  # a flood of output must not block the check of the clock
            try:
                piece = os.read(pipe, 65_536)
            except BlockingIOError:
                return
            if not piece:
                return
            kept += piece
            del kept[: max(0, len(kept) - 4 * self.tail)]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the command and all processes of its session, also after the command itself has ended."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _listed(paths: Sequence[str]) -> str:
    return ", ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")
