"""A changed file is taken over while the router works: what was learnt stays, and a wrong file changes nothing."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import pytest

from switchwise import BudgetExceeded, ConfigurationError, FailureKind, Router, Scope, Target, Usage, View, drive
from switchwise.config import BadConfiguration
from switchwise.nouns.exchange.reply import Reply
from switchwise.testing import Clock, Fails, Says, Script

HEAD = """[targets]
opus = "anthropic:claude-opus-5-5"
luna = "openai:gpt-6-luna"
[routers.main]
"""


def write(path: Path, policies: str, head: str = HEAD) -> None:
    """Write the file; its time stamp is another one each time, however quick the disk is."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(f"{head}policies = [{policies}]\n")
    os.utime(path, ns=(before + 10**9, before + 10**9))


def ask(router: Router, script: Script, session: str = "s1", **view: object) -> str:
    return "".join(drive(router.start(View(Scope(session), **view)), script.perform, sleep=lambda _: None))  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "switchwise.toml"


def test_a_changed_file_counts_from_the_next_call_on(path: Path) -> None:
    write(path, '{ Rules = { prefer = "strong" } }')
    router = Router.from_file(path)
    assert router.decide(View()).names[0] == "opus"
    assert router.reload() is False
    write(path, '{ Rules = { prefer = "fast" } }')
    assert router.decide(View()).names[0] == "opus"
    assert router.reload() is True
    assert router.decide(View()).names[0] == "luna"


def test_policies_that_are_written_as_before_stay_the_same_objects_wherever_they_stand(path: Path) -> None:
    write(path, '"Fits", "Healthy", { Stick = { per = "agent" } }, { Stick = { per = "task" } }')
    router = Router.from_file(path)
    fits, healthy, agent, task = router.policies
    write(path, '{ Rules = { prefer = "fast" } }, "Healthy", "Fits", { Stick = { per = "task" } }')
    router.reload()
    assert router.policies[1:] == (healthy, fits, task)
    assert agent not in router.policies


def test_what_is_out_stays_out_and_open_reservations_are_settled(path: Path) -> None:
    clock = Clock()
    write(path, '"Healthy", { Budget = { usd = 0.05, output_allowance = 100 } }')
    router = Router.from_file(path, clock=clock)
    script = Script(opus=Fails(FailureKind.OVERLOADED, retry_after=60), luna="hello", clock=clock)
    assert ask(router, script) == "hello"
    run = router.start(View(Scope("s2"), tokens=1_000, pin="luna"))  # under way while the file changes
    call = run.call
    assert call is not None
    write(path, '{ Rules = { prefer = "opus" } }, "Healthy", { Budget = { usd = 0.05, output_allowance = 100 } }')
    assert router.reload()
    assert router.decide(View(Scope("s1"))).names == ("luna",)
    run.ended(Reply("done", usage=Usage(1_000, 10)))
    budget = router.policies[2]
    spent = budget.dump()  # type: ignore[attr-defined]
    assert "s2" in str(spent)


def test_a_changed_budget_keeps_what_was_spent(path: Path) -> None:
    write(path, "{ Budget = { tokens = 2000, output_allowance = 100 } }")
    router = Router.from_file(path)
    script = Script(otherwise=Reply("x" * 10, usage=Usage(1_000, 500)))
    ask(router, script)
    write(path, '{ Rules = { prefer = "strong" } }, { Budget = { tokens = 1200, output_allowance = 100 } }')
    router.reload()
    with pytest.raises(BudgetExceeded, match=r"1,?500"):
        ask(router, script, tokens=10)
    ask(router, script, "another session", tokens=10)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ('"Heathy"', r":5: routers\.main\.policies\[0\]: no policy is called 'Heathy'; did you mean 'Healthy'\?"),
        ("{ Budget = {", "no TOML"),
        ('{ ByAgent = { a = "sonnet" } }', "neither a target nor a role"),
    ],
)
def test_a_wrong_file_changes_nothing_and_a_right_one_is_taken_again(path: Path, broken: str, message: str) -> None:
    write(path, '"Healthy", { Rules = { prefer = "fast" } }')
    router = Router.from_file(path)
    before = (router.policies, router.pool)
    write(path, broken)
    with pytest.raises(BadConfiguration, match=message):
        router.reload()
    assert (router.policies, router.pool) == before
    assert router.decide(View()).names[0] == "luna"
    write(path, '"Healthy", { Rules = { prefer = "strong" } }')
    assert router.reload()
    assert router.policies[0] is before[0][0]
    assert router.decide(View()).names[0] == "opus"


@pytest.mark.parametrize("raised", ["FileNotFoundError", "KeyError", "RuntimeError"])
def test_a_class_that_cannot_be_made_changes_nothing(
    path: Path, raised: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"of_{raised}.py").write_text(f"class Own:\n    def __init__(self):\n        raise {raised}('rules.json')\n")
    monkeypatch.syspath_prepend(tmp_path)
    write(path, '{ Rules = { prefer = "fast" } }')
    router = Router.from_file(path)
    write(path, f'"of_{raised}:Own"')
    with pytest.raises(BadConfiguration, match=f"cannot be made: {raised}"):
        router.reload()
    assert router.decide(View()).names[0] == "luna"


def test_a_file_that_is_gone_changes_nothing(path: Path) -> None:
    write(path, '"Healthy"')
    router = Router.from_file(path)
    path.unlink()
    with pytest.raises(BadConfiguration, match="cannot be read"):
        router.reload()
    assert router.decide(View()).names[0] == "opus"


def test_the_file_is_checked_at_the_interval_and_an_invalid_one_is_logged_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "switchwise.config")
    timer = Clock()
    write(path, '{ Rules = { prefer = "strong" } }')
    router = Router.from_file(path, reload=2, timer=timer)
    write(path, '{ Rules = { prefer = "fast" } }')
    assert router.decide(View()).names[0] == "opus"  # not yet
    timer.advance(2)
    assert router.decide(View()).names[0] == "luna"
    write(path, '"Nobody"')
    for _ in range(3):
        timer.advance(2)
        assert router.decide(View()).names[0] == "luna"
    write(path, '{ Rules = { prefer = "strong" } }')
    timer.advance(2)
    assert router.decide(View()).names[0] == "opus"
    said = [record.levelname for record in caplog.records]
    assert said == ["INFO", "ERROR", "INFO"]
    assert "no policy is called 'Nobody'" in caplog.text


def test_an_included_file_counts_too(path: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared.toml"
    shared.write_text('[targets]\nopus = "anthropic:claude-opus-5-5"\nluna = "openai:gpt-6-luna"\n')
    write(path, "", 'include = "shared.toml"\n[routers.main]\n')
    router = Router.from_file(path)
    shared.write_text('[targets]\nluna = "openai:gpt-6-luna"\n')
    os.utime(shared, ns=(1, 1))
    assert router.reload()
    assert [target.name for target in router.pool] == ["luna"]


def test_prices_of_targets_may_change_and_another_pool_gets_a_new_default_chain(path: Path) -> None:
    priced = '[targets.own]\nprovider = "vllm"\nprice = {{ input = {0}, output = {0} }}\n[targets.luna]\nprovider = "openai"\nmodel = "gpt-6-luna"\n[routers.main]\n'
    write(path, '"Default"', priced.format(1))
    router = Router.from_file(path)
    before = router.policies
    write(path, '"Default"', priced.format(1))
    router.reload()
    assert router.policies == before
    write(path, '"Default"', priced.format(2))
    router.reload()
    assert router.pool["own"].price is not None
    assert router.pool["own"].price.input == 2
    assert router.policies != before


def test_threads_go_on_while_files_change(path: Path) -> None:
    write(path, '"Healthy", { Stick = {} }')
    router = Router.from_file(path)
    failures: list[Exception] = []
    stop = threading.Event()

    def work() -> None:
        script = Script(otherwise="hello")
        while not stop.is_set():
            try:
                assert ask(router, script) == "hello"
            except Exception as error:  # noqa: BLE001
                failures.append(error)
                return

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for i in range(20):
        write(path, '"Healthy", { Stick = {} }' if i % 2 else '{ Weighted = { weights = { opus = 1, luna = 1 } } }, "Fits"')
        router.reload()
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_router_without_a_file_cannot_be_reloaded() -> None:
    from switchwise import Pool

    with pytest.raises(ConfigurationError, match=r"use Router\.from_file"):
        Router(Pool([Target("a")])).reload()


def test_an_interval_of_zero_is_refused(path: Path) -> None:
    write(path, '"Healthy"')
    with pytest.raises(ConfigurationError, match="reload=0"):
        Router.from_file(path, reload=0)


def test_a_process_that_changes_its_folder_finds_its_files_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    here, head = Path("switchwise.toml"), f'{HEAD}store = "state.db"\njournal = "calls.jsonl"\n'
    write(here, '{ Rules = { prefer = "strong" } }', head)
    router = Router.from_file("switchwise.toml")
    monkeypatch.chdir(tmp_path / "elsewhere")
    write(tmp_path / here, '{ Rules = { prefer = "fast" } }', head)
    assert router.reload() is True
    assert ask(router, Script(luna=[Says("Yes.")])) == "Yes."
    assert {"calls.jsonl", "state.db"} <= {path.name for path in tmp_path.iterdir()}
    assert not any(Path().iterdir())
