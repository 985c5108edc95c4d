"""`Command`: what counts as a success, and the ways to a false one."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from switchwise import ConfigurationError
from switchwise.gate.finding import Finding, Standing, Work
from switchwise.verifiers.command import Command

BARE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # of an inner suite: it needs none of them
PYTHON = sys.executable
GOOD = "def test_it():\n    assert 1 + 1 == 2\n"
BAD = "def test_it():\n    assert 1 + 1 == 3\n"


def suite(root: Path, test: str = GOOD, **options: object) -> Command:
    (root / "tests").mkdir(exist_ok=True)
    (root / "tests" / "test_it.py").write_text(test)
    return Command([PYTHON, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider"], root, environment=BARE, **options)  # type: ignore[arg-type]


def judged(command: Command, work: Work | None = None) -> Finding:
    return command(work or Work())


def test_a_suite_that_passes_is_accepted_and_one_that_fails_is_shown(tmp_path: Path) -> None:
    assert judged(suite(tmp_path)).standing is Standing.ACCEPTED
    finding = judged(suite(tmp_path, BAD))
    assert finding.standing is Standing.REJECTED
    assert "1 failed" in finding.because
    assert "assert (1 + 1) == 3" in finding.details


@pytest.mark.parametrize("change", ["edit", "add", "remove", "link", "configuration", "sitecustomize"])
def test_a_run_that_changes_what_decides_is_not_accepted_by_it(tmp_path: Path, change: str) -> None:
    root = tmp_path / "project"
    root.mkdir()
    command = suite(root, BAD)
    begun = command.begin(str(root))
    test = root / "tests" / "test_it.py"
    if change == "edit":
        before = test.stat()
        test.write_text(GOOD.replace("== 2", "> 1"))
        os.utime(test, (before.st_atime, before.st_mtime))
    elif change == "add":
        (root / "conftest.py").write_text("import os\nos._exit(0)\n")
    elif change == "remove":
        test.unlink()
        (root / "tests" / "test_new.py").write_text(GOOD)
    elif change == "link":
        (tmp_path / "good.py").write_text(GOOD)
        test.unlink()
        test.symlink_to(tmp_path / "good.py")
    elif change == "configuration":
        (root / "pytest.ini").write_text("[pytest]\naddopts = --collect-only\n")
    else:
        (root / "sitecustomize.py").write_text("import os\nos._exit(0)\n")
    finding = judged(command, Work(begun=begun))
    assert finding.standing is Standing.UNJUDGED
    assert "changed files that decide" in finding.because


@pytest.mark.parametrize("left", ["link to itself", "link to nothing", "pipe"])
@pytest.mark.parametrize("restore", [True, False])
def test_what_cannot_be_read_is_a_change_like_any_other(tmp_path: Path, left: str, restore: bool) -> None:
    command = suite(tmp_path, GOOD, restore=restore)
    begun = command.begin(str(tmp_path))
    odd = tmp_path / "tests" / "odd"
    if left == "pipe":
        os.mkfifo(odd)
    else:
        odd.symlink_to("odd" if left == "link to itself" else "nowhere")
    finding = judged(command, Work(begun=begun))
    accepted = restore and left != "pipe"
    assert finding.standing is (Standing.ACCEPTED if accepted else Standing.UNJUDGED)
    assert command.begin(str(tmp_path))["digest"] != begun["digest"]


def test_with_restore_it_is_judged_by_the_old_ones(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("def double(x):\n    return x\n")
    test = "from code import double\n\ndef test_it():\n    assert double(2) == 4\n"
    test = "import runpy\n\ndef test_it():\n    assert runpy.run_path('code.py')['double'](2) == 4\n"
    command = suite(tmp_path, test, restore=True)
    begun = command.begin(str(tmp_path))
    (tmp_path / "tests" / "test_it.py").write_text(GOOD)
    finding = judged(command, Work(begun=begun))
    assert finding.standing is Standing.REJECTED
    assert "checked as they were before: tests/test_it.py" in finding.details
    (tmp_path / "code.py").write_text("def double(x):\n    return 2 * x\n")
    assert judged(command, Work(begun=begun)).standing is Standing.ACCEPTED
    assert (tmp_path / "tests" / "test_it.py").read_text() == GOOD, "the work itself is left as it is"


def test_without_the_old_ones_nothing_is_judged(tmp_path: Path) -> None:
    """The tests are gone from the copy: a command that runs whatever is there would succeed."""
    suite(tmp_path, "raise SystemExit(1)\n")
    runs_all = [PYTHON, "-c", "import glob, runpy; [runpy.run_path(each) for each in glob.glob('tests/*.py')]"]
    begun = Command(runs_all, tmp_path).begin(str(tmp_path))
    assert judged(Command(runs_all, tmp_path, restore=True), Work(begun=begun)).because.endswith("without restore=True")
    Path(begun["file"]).unlink()
    (tmp_path / "tests" / "test_it.py").write_text(GOOD)
    elsewhere = judged(Command(runs_all, tmp_path), Work(begun=begun))
    assert (elsewhere.standing, elsewhere.because[-1]) == (Standing.UNJUDGED, "?")


def test_deciding_files_that_are_new_linked_too_large_or_changed_by_the_check(tmp_path: Path) -> None:
    command = Command([PYTHON, "-c", "open('tests/test_new.py', 'w').close()"], tmp_path)
    begun = command.begin(str(tmp_path))
    (tmp_path / "tests").mkdir()
    assert judged(command).because == "files that decide changed during the check: tests/test_new.py"
    assert judged(command, Work(begun=begun)).because == "the run changed files that decide the check: tests/test_new.py"
    (tmp_path / "code.py").write_text("x = 1")
    (tmp_path / "tests" / "test_link.py").symlink_to("../code.py")
    linked = command.begin(str(tmp_path))
    (tmp_path / "code.py").write_text("x = 2")
    assert judged(command, Work(begun=linked)).because.endswith("tests/test_link.py"), "what it links to decides"
    (tmp_path / "tests" / "data.bin").touch()
    os.truncate(tmp_path / "tests" / "data.bin", 257 << 20)  # sparse: it takes no room
    assert "or 256 MiB decide: give deciding= that names fewer" in judged(command).because


def test_a_suite_that_skips_everything_is_not_enough_where_a_count_is_asked_for(tmp_path: Path) -> None:
    skipping = "import pytest\n\n@pytest.mark.skip\ndef test_it(): ...\n"
    assert judged(suite(tmp_path, skipping)).standing is Standing.ACCEPTED
    finding = judged(suite(tmp_path, skipping, least=1))
    assert finding.standing is Standing.UNJUDGED
    assert "0 tests passed, 1 are asked for" in finding.because


def test_nothing_collected_and_a_missing_command_cannot_judge(tmp_path: Path) -> None:
    assert judged(suite(tmp_path, "x = 1\n")).because == "the check ran no test"
    missing = judged(Command(["no-such-command-here"], tmp_path))
    assert missing.standing is Standing.UNJUDGED
    assert "cannot be run" in missing.because
    absent = judged(Command(["sh", "-c", "no-such-command-here"], tmp_path))
    assert absent.standing is Standing.UNJUDGED
    assert "the check could not start (exit code 127)" in absent.because


def test_it_gets_no_keys_and_no_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only")
    program = "import os, sys; print(sorted(os.environ)); print(repr(sys.stdin.read())); raise SystemExit(1)"
    details = judged(Command([PYTHON, "-c", program], tmp_path)).details
    assert "OPENAI_API_KEY" not in details
    assert "PYTEST_ADDOPTS" not in details
    assert "''" in details


def test_what_takes_too_long_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    program = f"import subprocess, time; subprocess.Popen(['sleep', '60']); open({str(tmp_path / 'pid')!r}, 'w').write('x'); time.sleep(60)"
    began = time.monotonic()
    finding = judged(Command([PYTHON, "-c", program], tmp_path, timeout=1.0))
    assert finding.standing is Standing.UNJUDGED
    assert "longer than 1 s" in finding.because
    assert time.monotonic() - began < 10


def test_a_child_that_holds_the_output_open_does_not_hold_it_up(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); print('3 passed')"
    )
    began = time.monotonic()
    assert judged(Command([PYTHON, "-c", program], tmp_path, least=3)).standing is Standing.ACCEPTED
    assert time.monotonic() - began < 20


def test_a_flood_is_bounded(tmp_path: Path) -> None:
    program = (
        "import sys\nfor _ in range(20_000): sys.stdout.write('x' * 1000 + chr(10))\nprint('the end'); raise SystemExit(1)"
    )
    finding = judged(Command([PYTHON, "-c", program], tmp_path, tail=500))
    assert len(finding.details) <= 500
    assert finding.because.endswith("the end")


async def test_a_cancelled_check_kills_its_command(tmp_path: Path) -> None:
    marker = tmp_path / "alive"
    program = f"import time, pathlib\nwhile True:\n    pathlib.Path({str(marker)!r}).write_text(str(time.time()))\n    time.sleep(0.02)"
    task = asyncio.create_task(Command([PYTHON, "-c", program], tmp_path).acheck(Work()))
    while not marker.exists():
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    last = marker.read_text()
    await asyncio.sleep(0.1)
    assert marker.read_text() == last


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="a list of words"):
        Command("pytest -q")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="timeout"):
        Command(["pytest"], timeout=0)
