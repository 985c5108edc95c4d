"""What a file that can be used is likely to regret: one case for each remark, and files about which there is nothing to say."""

from __future__ import annotations

from pathlib import Path

import pytest

from switchwise.config import ConfigFinding, findings, load

TWO = 'opus = "anthropic:claude-opus-5-5"\nluna = "openai:gpt-6-luna"\n'


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "local")


def found(path: Path, targets: str, policies: str = '"Fits", "Healthy"', rest: str = "") -> list[ConfigFinding]:
    path.write_text(f"[targets]\n{targets}\n[routers.main]\npolicies = [\n{policies}\n]\n{rest}\n")
    return findings(load(path))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "switchwise.toml"


BUDGET = "{ Budget = { usd = 1 } },\n"

CASES: dict[str, tuple[str, str, str, str, str, str]] = {
    # targets, policies: weight, field, message, remedy
    "a model that nobody knows": (
        'opus = "anthropic:claude-opus-55"\nluna = "openai:gpt-6-luna"',
        BUDGET.replace("usd", "tokens"),
        "warning",
        "targets.opus",
        "anthropic has no model 'claude-opus-55' that is known here",
        "did you mean 'claude-opus-",
    ),
    "a provider that nobody knows": ('opus = "antropic:claude-opus-5-5"\n' + TWO.splitlines()[1], '"Fits"', "error", "targets.opus", "unknown provider 'antropic'", "did you mean 'anthropic'?"),
    "no price": ('own = "openai:gpt-own"\n' + TWO, '"Fits"', "warning", "targets.own", "no price is known for gpt-own", "price = { input"),
    "a key that is not set": ('luna = { provider = "openai", model = "gpt-6-luna", key = "env:NOT_SET_ANYWHERE" }\nopus = "anthropic:claude-opus-5-5"', BUDGET, "error", "targets.luna.key", "the variable NOT_SET_ANYWHERE is not set", "export NOT_SET_ANYWHERE="),
    "hidden retries": ('opus = { provider = "anthropic", model = "claude-opus-5-5", settings = { max_retries = 3 } }\nluna = "openai:gpt-6-luna"', BUDGET, "warning", "targets.opus.settings", "retries 3 times before the router sees", "leave max_retries out"),
    "one target": ('luna = "openai:gpt-6-luna"', '"Fits"', "note", "routers.main", "luna stands alone", "add a second target"),
    "one provider": ('sol = "openai:gpt-6.1-sol"\nluna = "openai:gpt-6-luna"', BUDGET, "note", "routers.main", "all targets are openai's", "another provider"),
    "the dearest last and no cap": (TWO, '{ Rules = { prefer = "fast" } }', "warning", "routers.main", "every call goes to opus, the dearest ($4 in, $20 out), without a cap", "Budget"),
    "a preference behind the order by price": (TWO, BUDGET + '"Cheapest",\n{ ByAgent = { explorer = "strong" } }', "warning", "routers.main.policies[2]", "ByAgent never has a say: what stands before it settles the order", "further ahead"),
    "a held preference behind a rule that settles all": (TWO, BUDGET + '{ Rules = { prefer = "fast" } },\n{ ByPhase = { planning = "strong" }, hold = "task" }', "warning", "routers.main.policies[2]", "ByPhase never has a say", "further ahead"),
    "a rule behind one that always matches": (TWO, BUDGET + '{ Rules = [ { prefer = "fast" },\n{ prefer = "strong", when = { first = true } } ] }', "warning", "routers.main.policies[1].Rules[1]", "never matches: prefer fast, which always matches, comes first", "put it first"),
    "a rule for prompts that fit nowhere": ('a = { provider = "openai", model = "gpt-6-luna", can = { window = 100_000 } }\nb = { provider = "anthropic", model = "claude-opus-5-5", can = { window = 200_000 } }', BUDGET + '{ Rules = { prefer = "b", when = { tokens_above = 300_000 } } }', "warning", "routers.main.policies[1].Rules", "never matches: no target takes a prompt above 300,000 tokens (the largest takes 200,000)", "lower tokens_above"),
    "a rule that rules everybody out": ('opus = { provider = "anthropic", model = "claude-opus-5-5", roles = ["all"] }\nluna = { provider = "openai", model = "gpt-6-luna", roles = ["all"] }', BUDGET + '{ Rules = { exclude = "all" } }', "error", "routers.main.policies[1].Rules", "rules out every target", "exclude fewer"),
    "a rule that changes nothing": ('opus = { provider = "anthropic", model = "claude-opus-5-5", roles = ["all"] }\nluna = { provider = "openai", model = "gpt-6-luna", roles = ["all"] }', BUDGET + '{ Rules = { prefer = "all", when = { first = true } } }', "warning", "routers.main.policies[1].Rules", "changes nothing: 'all' stands for every target", "name fewer"),
    "a policy twice": (TWO, BUDGET + '"Fits",\n"Default"', "warning", "routers.main.policies[2]", "Fits stands there twice", "keep the first"),
}  # fmt: skip


@pytest.mark.parametrize("what", CASES)
def test_a_remark_says_where_what_and_what_to_do(what: str, path: Path) -> None:
    targets, policies, weight, field, message, remedy = CASES[what]
    remarks = found(path, targets, policies)
    matching = [each for each in remarks if message in each.message]
    assert matching, remarks
    (one,) = matching
    assert one.weight == weight
    assert field.startswith(one.field) or one.field.startswith(field)
    assert remedy in one.remedy
    line = path.read_text().splitlines()[one.line - 1]
    last = one.field.rpartition(".")[2].partition("[")[0]
    assert last in line or "[" in one.field, (one, line)


def test_a_missing_key_is_reported_once_per_provider(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    remarks = found(path, 'sol = "openai:gpt-6.1-sol"\n' + TWO, BUDGET)
    (one,) = [each for each in remarks if each.weight == "error"]
    assert one.message == "no key for openai: OPENAI_API_KEY is not set (so for luna)"
    assert (one.field, one.line) == ("targets.sol", 2)


def test_a_target_in_no_pool_is_noted(path: Path) -> None:
    path.write_text(f'[targets]\n{TWO}[routers.main]\npool = ["luna"]\n')
    assert "no router has it in its pool" in [each.message for each in findings(load(path)) if each.field == "targets.opus"]


def test_a_verifier_without_a_second_target_is_an_error(path: Path) -> None:
    remarks = found(path, 'luna = "openai:gpt-6-luna"', '"Fits"', 'verify = { Judge = "luna" }')
    assert "a verifier needs a second model to turn to" in [each.message for each in remarks if each.weight == "error"]


GOOD = {
    "the default chain with a budget": BUDGET + '"Default"',
    "each policy where it can be heard": BUDGET
    + '"Fits", "Healthy",\n{ Rules = { prefer = "strong", when = { label = { plan = "gold" } } } },\n'
    '{ ByAgent = { explorer = "fast", reviewer = "strong" }, hold = "agent" },\n{ ByPhase = { planning = "strong" } },\n"Cheapest"',
    "weights": BUDGET + "{ Weighted = { weights = { opus = 0.2, luna = 0.8 } } }",
    "rules one after the other": BUDGET
    + '{ Rules = [ { prefer = "strong", when = { first = true } }, { prefer = "fast", when = { tokens_above = 100_000 } }, { prefer = "fast" } ] }',
    "a cheap one for steps": BUDGET + '"ByStep", { Stick = { per = "agent" } }, "Cheapest"',
}


@pytest.mark.parametrize("what", GOOD)
def test_there_is_nothing_to_say_about_what_is_right(what: str, path: Path) -> None:
    assert found(path, TWO, GOOD[what]) == []


def test_a_rule_that_needs_more_than_a_probe_has_is_passed_over(path: Path) -> None:
    rule = '{ Rules = { prefer = "fast", when = "operator:index" } }'  # it raises TypeError for any view
    assert found(path, TWO, f"{BUDGET}{rule},\n" + '"Default"') == []
