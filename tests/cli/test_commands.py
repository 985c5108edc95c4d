"""The commands, on the loopback provider: in this process, and as processes where that is the point. What `replay` and `eval` compute is tested in tests/evaluation."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from switchwise.cli import main
from switchwise.display.figures import many, usd
from switchwise_loopback import Fault, LoopbackProvider
from switchwise_loopback.command import environment

COMMAND = [sys.executable, "-m", "switchwise.cli"]
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "ANTHROPIC_BASE_URL", "SWITCHWISE_CONFIG")
TWO = '[targets]\nopus = "anthropic:claude-opus-5-5"\nluna = "openai:gpt-6-luna"\n[routers.main]\npolicies = [{ Budget = 5 }, "Default"]\njournal = "calls.jsonl"\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def provider(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackProvider]:
    (home / "switchwise.toml").write_text(TWO)
    with LoopbackProvider() as provider:
        for name, value in environment(provider).items():
            monkeypatch.setenv(name, value)
        yield provider


def run(*words: str, status: int = 0, said: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command in this process, which spares the imports of each; `said` is its standard input."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "stdin", io.StringIO(said))
        returned = main(words)
    done = subprocess.CompletedProcess(words, returned, out.getvalue(), err.getvalue())
    assert done.returncode == status, (words, done.stdout, done.stderr)
    return done


def process(*words: str, said: str = "") -> str:
    """Run a command as a process; its output."""
    done = subprocess.run([*COMMAND, *words], input=said, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout


def read(*words: str, status: int = 0) -> Any:
    return json.loads(run(*words, "--json", status=status).stdout)


def test_init_check_explain_and_report_in_a_row(home: Path) -> None:
    assert "switchwise.toml written, for anthropic and openai." in run("init").stdout
    first = run("check", status=1).stdout
    assert (
        "switchwise.toml:5 error targets.opus\n  no key for anthropic: ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN is not set (so for haiku)"
        in first
    )
    with LoopbackProvider() as provider:
        os.environ.update(environment(provider))
        try:
            assert "can be used: 4 targets and 1 router; nothing to remark." in run("check", "switchwise.toml").stdout
            run("chat", said="Hello\nAnd now?\n")
        finally:
            for name in environment(provider):
                del os.environ[name]
    printed = run("explain", "--step", "failure").stdout
    assert printed.splitlines()[0].startswith(
        "opus answers, then sol, luna, haiku: ByStep (step) says failure is given strong."
    )
    written = run("report", "switchwise.jsonl", "-o", "page.html").stdout
    paid = sum(json.loads(line)["switchwise.cost"] for line in (home / "switchwise.jsonl").read_text().splitlines())
    assert f"You paid {usd(paid)} for 2 steps in 1 session" in written
    assert f'<dd class="big">{usd(paid)}</dd>' in (home / "page.html").read_text()
    assert read("report", "switchwise.jsonl")["total"]["cost"] == pytest.approx(paid)
    (home / "broken.jsonl").write_text('{"switchwise.schema": 7}\n')
    assert "broken.jsonl:1: no record" in run("report", "broken.jsonl", status=2).stderr
    assert run("report", "nothing.jsonl", status=2).stderr == "switchwise: nothing.jsonl: there is no such file\n"
    assert (
        run("init", status=2).stderr
        == "switchwise: switchwise.toml is there already: give another name, or --force to replace it\n"
    )


@pytest.mark.usefixtures("home")
def test_init_goes_by_the_keys_that_are_there_and_writes_a_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "local")
    made = read("init", "--schema")
    assert made == {"written": ["switchwise.toml", "switchwise.schema.json"], "providers": ["openai"], "missing_keys": []}
    assert Path("switchwise.toml").read_text().startswith("#:schema ./switchwise.schema.json\n")
    assert json.loads(Path("switchwise.schema.json").read_text())["title"] == "switchwise"
    assert "did you mean 'openai'?" in run("init", "--provider", "opnai", status=2).stderr


def test_check_lists_all_problems_of_an_invalid_file(home: Path) -> None:
    (home / "switchwise.toml").write_text(
        '[targets]\nluna = "gpt-6-luna"\nopus = "anthropic:x"\n[routers.main]\npolicies = ["Fit"]\n'
    )
    printed = run("check", status=1).stdout
    assert printed.startswith("switchwise.toml cannot be used: 2 problems.")
    assert (
        "switchwise.toml:2 targets.luna\n  'gpt-6-luna' names no model of a provider\n  -> write \"provider:model\"" in printed
    )
    found = read("check", status=1)
    assert [(each["line"], each["field"]) for each in found["findings"]] == [
        (2, "targets.luna"),
        (5, "routers.main.policies[0]"),
    ]
    assert found["ok"] is False


def test_check_live_asks_each_target_for_one_token(provider: LoopbackProvider) -> None:
    found = read("check", "--live")
    assert {name: answer["error"] for name, answer in found["live"].items()} == {"opus": None, "luna": None}
    assert sorted(seen.model for seen in provider.requests) == ["claude-opus-5-5", "gpt-6-luna"]
    provider.inject(Fault.AUTHENTICATION, provider="openai", times=None)
    printed = run("check", "--live", status=1).stdout
    assert "1 of 2 targets answer." in printed
    assert "authentication" in printed


@pytest.mark.usefixtures("provider")
def test_explain_shows_what_ruled_whom_out() -> None:
    found = read(
        "explain", "--tokens", "2000000", "--agent", "explorer", "--label", "plan=gold", "--step", "tool_result", status=0
    )
    assert found["order"]
    assert {"policy", "level", "because", "out", "lead"} == found["notes"][0].keys()
    assert run("explain", "--label", "plan", status=2).stderr == "switchwise: --label plan: give NAME=VALUE\n"
    assert "did you mean 'failure'?" in run("explain", "--step", "failed", status=2).stderr
    assert run("explain", "--tokens", "100000000", status=1).stdout.startswith(
        "No target may answer."
    )  # five dollars will not do
    assert "no router is called 'other'" in run("explain", "--router", "other", status=2).stderr


@pytest.mark.usefixtures("home")
def test_models_lists_prices() -> None:
    (luna,) = [each for each in read("models", "gpt-6-luna", "--provider", "openai") if each["model"] == "gpt-6-luna"]
    assert (luna["input"], luna["output"], luna["window"]) == (0.1, 0.5, 1_050_000)
    printed = run("models", "opus", "-p", "anthropic").stdout
    assert "claude-opus-5-5" in printed
    assert "prices in USD per million tokens" in printed.splitlines()[0]
    assert "window: prompt and answer together, in tokens" in printed
    assert read("models", "no-such-model-anywhere", status=1) == []
    assert "did you mean 'anthropic'?" in run("models", "-p", "antropic", status=2).stderr


def test_drill_shows_who_would_answer_after_how_long_and_at_what_price(home: Path) -> None:
    (home / "switchwise.toml").write_text(TWO)
    found = read("drill", "--fault", "rate_limit", "--latency", "0.2")
    cases = {case["failing"]: case for case in found["cases"]}
    assert {name: case["answered"] for name, case in cases.items()} == {
        "none": "opus",
        "opus": "luna",
        "luna": "opus",
        "all": None,
    }
    assert cases["opus"]["tried"] == [["opus", "rate_limit"], ["luna", "answered"]]
    assert cases["none"]["seconds"] >= 0.2
    assert cases["none"]["cost"] == cases["luna"]["cost"] > cases["opus"]["cost"] > 0
    assert not (home / "calls.jsonl").exists()  # a drill is no traffic
    printed = run("drill").stdout
    assert printed.startswith(
        "Router main: Whichever target fails (overloaded), another one answers; opus does when none fails."
    )
    assert "price: USD of the answer, with nothing cached" in printed


def test_drill_leaves_a_shared_store_alone(home: Path) -> None:
    (home / "switchwise.toml").write_text(TWO + 'store = "state.db"\n')
    assert read("drill")["cases"][1]["answered"] == "luna"
    assert not (home / "state.db").exists()


def test_drill_of_a_router_that_depends_on_one_target_fails(home: Path) -> None:
    (home / "switchwise.toml").write_text(TWO.replace("[routers.main]", '[routers.main]\npool = ["luna"]'))
    printed = run("drill", status=1).stdout
    assert "No target answers when these fail (overloaded): luna." in printed
    assert "did you mean 'overloaded'?" in run("drill", "--fault", "overload", status=2).stderr


def test_chat_says_who_answered_and_what_it_cost(provider: LoopbackProvider, home: Path) -> None:
    provider.inject(Fault.OVERLOADED, provider="anthropic", times=None)
    done = run("chat", "--json", said="Hello\n/to fast\nAgain\n/quit\nNever\n")
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["target"] == "luna"
    assert first["attempts"] >= 2
    assert second["because"] == "this call is pinned to 'fast'"
    assert second["spent"] == pytest.approx(first["cost"] + second["cost"])
    assert [turn.text for turn in _last(provider)] == ["Hello", first["text"], "Again"]
    board = read("watch", "calls.jsonl")
    assert board["targets"]["luna"]["answers"] == 2
    assert board["targets"]["opus"]["failures"] >= 1
    assert board["cost"] == pytest.approx(second["spent"])
    assert (
        f"for {many(sum(row['answers'] + row['failures'] for row in board['targets'].values()), 'call')} in 1 session."
        in run("watch", "--once", "calls.jsonl").stdout
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_chat_in_a_terminal_names_its_targets_and_its_own_words_are_no_messages(
    provider: LoopbackProvider, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("/why\n/what\n\n/new\n/to fast\n/quit\nNever\n"))
    assert main(["chat"]) == 0
    shown = capsys.readouterr()
    assert "Targets: opus, luna." in shown.err
    assert shown.err.count("/new forget the conversation") == 2, "at the beginning, and for a word that it does not know"
    assert "luna" in shown.out, "who would answer next"
    assert provider.requests == ()


def test_models_without_a_name_lists_the_providers(home: Path) -> None:
    assert "providers: name one, or part of a model's name." in run("models").stdout
    found = {row["provider"]: row["models"] for row in read("models")}
    assert found["anthropic"] > 5


def test_watch_shows_names_as_they_are_and_passes_over_what_is_no_record(provider: LoopbackProvider, home: Path) -> None:
    run("chat", "--json", "--session", "[/b] [red]x", said="Hello\n")
    with (home / "calls.jsonl").open("a") as file:
        file.write('5\n[]\nnull\n{"other": 1}\n')
    assert "[/b] [red]x" in run("watch", "--once", "calls.jsonl").stdout


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("name", "content", "printed"),
    [
        ("cut.jsonl.gz", gzip.compress(b"\n" * 9)[:-6], "cannot be read"),
        ("damaged.jsonl.gz", gzip.compress(b"x" * 1_000)[:10] + b"\xff" * 30, "cannot be read"),
        ("other.jsonl", b"5\n", "not a JSON object"),
    ],
    ids=["cut", "damaged", "other"],
)
def test_report_and_audit_refuse_what_is_no_journal(name: str, content: bytes, printed: str) -> None:
    Path(name).write_bytes(content)
    for command in ("report", "audit"):
        assert printed in run(command, name, status=2).stderr


def test_chat_pays_no_further_call_once_nobody_reads(provider: LoopbackProvider) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as out:
        done = subprocess.run(
            [*COMMAND, "chat"], input=b"Hello\nAgain\nOnce more\n", stdout=out, stderr=subprocess.PIPE, check=False, timeout=120
        )
    assert (done.returncode, len(provider.requests)) == (1, 1), done.stderr


def _last(provider: LoopbackProvider) -> Any:
    from switchwise_loopback.openai.chat import turns

    return turns(provider.requests[-1].body["messages"])


def test_chat_goes_on_after_a_failure_and_shows_it_in_its_exit_status(provider: LoopbackProvider) -> None:
    provider.inject(Fault.BAD_REQUEST, times=None)
    done = run("chat", said="Hello\n", status=1)
    assert "BadRequestError" in done.stderr


@pytest.mark.usefixtures("home")
def test_a_first_call_without_a_key_takes_three_commands() -> None:
    process("init", "--provider", "openai")
    shown = process("loopback", "--quiet", "--", *COMMAND, "chat", said="Hello\n")
    assert shown.startswith("You said: Hello")
    assert "sol | " in shown


@pytest.mark.usefixtures("home")
def test_doctor_lists_what_is_there_and_what_is_broken() -> None:
    found = read("doctor")
    signs = {sign["what"]: sign for sign in found["signs"]}
    assert signs["python"]["state"] == "ok"
    assert signs["configuration"]["state"] == "missing"
    Path("switchwise.toml").write_text('[targets]\nluna = "openai:gpt-6-luna"\n')
    printed = run("doctor", status=1).stdout
    assert printed.splitlines()[0] == "1 thing is broken: configuration."
    assert "OPENAI_API_KEY is not set" in printed


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("journal", "state"), [("folder.jsonl", "bad"), ("file/calls.jsonl", "bad"), ("new/calls.jsonl", "ok")]
)
def test_doctor_says_whether_the_journal_can_be_written(journal: str, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "x")
    Path("folder.jsonl").mkdir()
    Path("file").touch()
    Path("switchwise.toml").write_text(TWO.replace("calls.jsonl", journal))
    signs = {sign["what"]: sign for sign in read("doctor", status=int(state == "bad"))["signs"]}
    assert (signs["configuration"]["state"], signs["journal of main"]["state"]) == ("ok", state)


@pytest.mark.usefixtures("home")
def test_init_names_the_file_as_it_is() -> None:
    assert run("init", "x[bold].toml").stdout.startswith("x[bold].toml written")


@pytest.mark.usefixtures("home")
def test_a_missing_configuration_is_refused_with_the_remedy() -> None:
    for command in ("check", "explain", "drill", "chat"):
        assert run(command, status=2).stderr == (
            "switchwise: no switchwise.toml here and SWITCHWISE_CONFIG is not set: give a path, or write one with `switchwise init`\n"
        )


@pytest.mark.usefixtures("home")
def test_the_help_lists_each_command_with_what_it_does() -> None:
    printed = run("--help").stdout
    for name in ("init", "check", "doctor", "loopback", "explain", "models", "drill", "chat", "watch", "replay", "eval"):
        assert f" {name} " in printed
    assert "completion" in printed
    assert "did you mean" in run("chekc", status=2).stderr.lower() or "No such command" in run("chekc", status=2).stderr


@pytest.mark.usefixtures("home")
def test_without_typer_the_error_names_the_remedy_and_the_loopback_provider_still_runs() -> None:
    code = "import sys; sys.modules['typer'] = None; from switchwise.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run([sys.executable, "-c", code, "check"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        'switchwise: the command needs typer and rich: pip install "switchwise[cli]"; without them there is loopback\n'
    )
    assert subprocess.run([sys.executable, "-c", code, "loopback", "--help"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(
    not any(Path(folder, "tmux").exists() for folder in os.environ["PATH"].split(os.pathsep)), reason="no tmux here"
)
def test_chat_and_watch_in_a_terminal(provider: LoopbackProvider, home: Path) -> None:
    """Both at once: what is said in one pane is seen in the other."""
    name = f"switchwise-{os.getpid()}"
    tmux = ["tmux", "-L", name]
    command = f"{sys.executable} -m switchwise.cli"

    def shown(pane: str) -> str:
        return subprocess.run([*tmux, "capture-pane", "-p", "-t", pane], capture_output=True, text=True, check=True).stdout

    def wait_for(pane: str, *words: str) -> str:
        until = time.monotonic() + 90
        while time.monotonic() < until:
            if all(word in (screen := shown(pane)) for word in words):
                return screen
            time.sleep(0.1)
        raise AssertionError(f"{words} never showed up in:\n{shown(pane)}")

    try:
        subprocess.run([*tmux, "new-session", "-d", "-x", "110", "-y", "40", f"{command} chat"], check=True, cwd=home)
        subprocess.run([*tmux, "split-window", "-v", "-c", str(home), f"{command} watch calls.jsonl"], check=True)
        wait_for("0.1", "Waiting for the first call.")
        wait_for("0.0", "Targets: opus, luna.")
        subprocess.run([*tmux, "send-keys", "-t", "0.0", "Hello there", "Enter"], check=True)
        wait_for("0.0", "You said: Hello there", "opus | ByStep: the first step is given strong")
        screen = wait_for("0.1", "for 1 call in 1 session.", "opus", "ByStep")
        assert "Waiting" not in screen
        subprocess.run([*tmux, "send-keys", "-t", "0.1", "C-c"], check=True)
    finally:
        subprocess.run([*tmux, "kill-server"], check=False, capture_output=True)
