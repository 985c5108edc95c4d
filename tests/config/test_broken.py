"""Broken configurations: each is refused with its line, its field and a remedy, all of its problems at once, and no key shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from switchwise import Router
from switchwise.config import BadConfiguration, load

TARGETS = """[targets]
opus = "anthropic:claude-opus-5-5"
luna = "openai:gpt-6-luna"
"""


def policies(*entries: str) -> str:
    return f"{TARGETS}[routers.main]\npolicies = [\n" + ",\n".join(entries) + "\n]\n"


# what is wrong: the file, the line, the field, words of the message, words of the remedy
BROKEN: dict[str, tuple[str, int, str, str, str]] = {
    "no TOML": ("[targets\n", 1, "", "no TOML", "see column"),
    "a text without an end": ('[targets]\na = "openai:x\n', 2, "", "no TOML", "column"),
    "a table defined twice": ('[targets]\na = "openai:x"\n[targets]\n', 3, "", "no TOML", "column"),
    "nothing in it": ("", 1, "", "it has no targets", '[targets] and a line such as luna = "openai:gpt-6-luna"'),
    "no targets": ("[targets]\n", 1, "targets", "there are no targets", "add a line"),
    "a word that is misspelt at the top": (f"[target]\n{TARGETS}", 1, "target", "nothing here is called 'target'", "did you mean 'targets'?"),
    "another version": (f"version = 2\n{TARGETS}", 1, "version", "2 is unknown", "version = 1"),
    "a target without a provider": ('[targets]\nluna = "gpt-6-luna"\n', 2, "targets.luna", "names no model of a provider", "provider:model"),
    "a target table without a provider": ('[targets.luna]\nmodel = "gpt-6-luna"\n', 1, "targets.luna", "no provider", 'provider = "openai"'),
    "a field of a target that is misspelt": (
        '[targets.luna]\nprovider = "openai"\nbase-url = "http://x"\n',
        3,
        "targets.luna.base-url",
        "nothing here is called 'base-url'",
        "did you mean 'base_url'?",
    ),
    "an address without a scheme": (
        '[targets.own]\nprovider = "vllm"\nmodel = "q"\nbase_url = "localhost:8000"\n',
        4,
        "targets.own.base_url",
        "'localhost:8000' is not an address",
        "https://",
    ),
    "an unknown API": ('[targets.luna]\nprovider = "openai"\napi = "response"\n', 3, "targets.luna.api", "'response' is unknown", "'responses'"),
    "a key that is written out": (
        '[targets.luna]\nprovider = "openai"\nkey = "my-own-secret-key"\n',
        3,
        "targets.luna.key",
        "keys are not written into this file",
        "env:NAME_OF_THE_VARIABLE",
    ),
    "a key in another place": (
        '[targets.luna]\nprovider = "openai"\nsettings = { organization = "sk-proj-abcdefghijklmnop" }\n',
        3,
        "targets.luna.settings.organization",
        "a key is written out here",
        "env:NAME_OF_THE_VARIABLE",
    ),
    "a setting that is called a key": (
        '[targets.luna]\nprovider = "openai"\n[targets.luna.settings.default_headers]\nX-Api-Key = "hunter2hunter2"\n',
        4,
        "targets.luna.settings.default_headers.X-Api-Key",
        "keys are not written",
        "env:",
    ),
    "a price in quotes": ('[targets.luna]\nprovider = "openai"\nprice = { input = "1", output = 2 }\n', 3, "targets.luna.price.input", "'1' will not do", "number"),
    "half a price": ('[targets.luna]\nprovider = "openai"\nprice = { input = 1 }\n', 3, "targets.luna.price", "Price needs output", "give output"),
    "a negative price": ('[targets.luna]\nprovider = "openai"\nprice = { input = -1, output = 2 }\n', 3, "targets.luna.price.input", "input=-1", "give a number from 0"),
    "a modality that there is not": (
        '[targets.luna]\nprovider = "openai"\n[targets.luna.can]\nwindow = 128_000\nmodalities = ["pictures"]\n',
        5,
        "targets.luna.can.modalities",
        "'pictures'",
        "audio, document, image, video",
    ),
    "a timeout of nothing": ('[targets.luna]\nprovider = "openai"\ntimeout = 0\n', 3, "targets.luna.timeout", "0 will not do", "give a number from"),
    "a pool of a target that there is not": (f'{TARGETS}[routers.main]\npool = ["opus", "lunar"]\n', 5, "routers.main.pool[1]", "no target is called 'lunar'", "did you mean 'luna'?"),
    "a pool that names one twice": (f'{TARGETS}[routers.main]\npool = ["opus",\n "opus"]\n', 6, "routers.main.pool[1]", "'opus' is named twice", "keep one"),
    "an empty pool": (f"{TARGETS}[routers.main]\npool = []\n", 5, "routers.main.pool", "has no targets", "strongest first"),
    "a policy that is misspelt": (policies('"Fits"', '"Heathy"'), 7, "routers.main.policies[1]", "no policy is called 'Heathy'", "did you mean 'Healthy'?"),
    "an argument that is misspelt": (policies("{ Budget = { usd = 2, per_scope = 'session' } }"), 6, "routers.main.policies[0].Budget.per_scope", "nothing here is called 'per_scope'", "use one of"),
    "an argument of another type": (policies("{ Budget = { usd = 'two' } }"), 6, "routers.main.policies[0].Budget.usd", "'two' will not do", "give a number"),
    "an argument out of range": (policies('"Fits"', "{ Fits = { margin = 0 } }"), 7, "routers.main.policies[1].Fits.margin", "margin=0", "give a number above 0"),
    "a budget without a limit": (policies("{ Budget = {} }"), 6, "routers.main.policies[0].Budget", "Budget cannot be made of this", "give a limit, usd= or tokens="),
    "a budget in USD and a target without a price": (
        '[targets]\nown = "vllm:qwen"\n[routers.main]\npolicies = [{ Budget = { usd = 2 } }]\n',
        4,
        "routers.main.policies[0]",
        "own",
        "price",
    ),
    "a rule for a target that is not in the pool": (policies("{ ByAgent = { explorer = 'cheap' } }"), 6, "routers.main.policies[0]", "'cheap' is neither a target nor a role", "it knows: fast, luna, opus, strong"),
    "a phase that there is not": (policies("{ ByPhase = { plan = 'strong' } }"), 6, "routers.main.policies[0].ByPhase", "'plan' is not a phase", "planning"),
    "a level that there is not": (policies("{ ByAgent = { a = 'fast' }, hold = 'conversation' }"), 6, "routers.main.policies[0].hold", "'conversation' is not a level", "session"),
    "a policy that cannot be held": (policies("{ Fits = {}, hold = 'session' }"), 6, "routers.main.policies[0].hold", "Fits", ""),
    "two policies in one": (policies("{ Fits = {}, Healthy = {} }"), 6, "routers.main.policies[0]", "names 2 things: Fits, Healthy", "one { Name = { ... } } for each"),
    "a rule without a verb": (policies("{ Rules = [{ when = { first = true } }] }"), 6, "routers.main.policies[0].Rules[0]", "a rule with 0 verbs", "prefer, require, exclude"),
    "a condition that is misspelt": (policies("{ Rules = [{ prefer = 'fast', when = { lable = { plan = 'gold' } } }] }"), 6, "routers.main.policies[0].Rules[0].when.lable", "nothing here is called 'lable'", "did you mean 'label'?"),
    "a condition that is never true": (policies("{ Rules = [{ prefer = 'fast', when = { tokens_above = 9000, tokens_below = 100 } }] }"), 6, "routers.main.policies[0].Rules[0].when", "no prompt is above 9000 and below 100", "let tokens_above be below"),
    "a condition of an unknown step": (policies("{ Rules = [{ prefer = 'fast', when = { step = 'tool' } }] }"), 6, "routers.main.policies[0].Rules[0].when.step", "'tool' is unknown", "tool_result"),
    "a class of one's own that is not there": (policies("'nowhere.at_all:Policy'"), 6, "routers.main.policies[0]", "cannot be imported", "PYTHONPATH"),
    "a verifier that is misspelt": (f"{TARGETS}[routers.main]\nverify = 'Shema'\n", 5, "routers.main.verify", "no verifier is called 'Shema'", "did you mean 'Schema'?"),
    "a judge that is not in the pool": (f"{TARGETS}[routers.main]\nverify = {{ Judge = 'sonnet' }}\n", 5, "routers.main.verify", "'sonnet' is neither a target nor a role", "it knows"),
    "a journal that there is not": (f"{TARGETS}[routers.main]\nobservers = ['JsonLine']\n", 5, "routers.main.observers[0]", "no observer is called 'JsonLine'", "did you mean 'JsonLines'?"),
    "a default router that there is not": (f"default = 'main'\n{TARGETS}[routers.cheap]\n", 1, "default", "no router is called 'main'", "use one of: cheap"),
    "a list where a table should be": (f"{TARGETS}[routers]\nmain = []\n", 5, "routers.main", "a list of 0 is not a table", "name = value"),
    "an include that is not there": (f"include = ['models.toml']\n{TARGETS}", 1, "include", "models.toml cannot be read: No such file", "relative to the one that includes it"),
    "an include of itself": (f"include = ['switchwise.toml']\n{TARGETS}", 1, "include", "includes itself", "remove it"),
}  # fmt: skip


def problems_of(path: Path) -> BadConfiguration:
    with pytest.raises(BadConfiguration) as refused:
        load(path)
    return refused.value


def test_there_are_thirty_and_more() -> None:
    assert len(BROKEN) >= 30


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_refused_with_line_field_and_remedy(what: str, tmp_path: Path) -> None:
    text, line, field, message, remedy = BROKEN[what]
    path = tmp_path / "switchwise.toml"
    path.write_text(text)
    refused = problems_of(path)
    found = [problem for problem in refused.problems if problem.field == field]
    assert found, str(refused)
    assert len(refused.problems) == 1, str(refused)
    (problem,) = found
    assert (problem.file, problem.line) == (str(path), line)
    assert message in problem.message
    assert remedy in problem.remedy
    assert problem.remedy
    assert str(problem) in str(refused)


def test_all_problems_are_reported_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "switchwise.toml"
    path.write_text(
        '[targets]\nopus = "claude"\nluna = "openai:gpt-6-luna"\n[routers.main]\n'
        'policies = [\n "Fit",\n { Budget = { usd = "x" } },\n]\nverify = "Nobody"\n'
    )
    assert [problem.line for problem in problems_of(path).problems] == [2, 6, 7, 9]


def test_what_stands_where_a_key_should_not_is_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "switchwise.toml"
    secrets = ["my-own-secret-key", "sk-proj-abcdefghijklmnop", "hunter2hunter2"]
    for what in ("a key that is written out", "a key in another place", "a setting that is called a key"):
        path.write_text(BROKEN[what][0])
        expected = str(problems_of(path))
        assert not [secret for secret in secrets if secret in expected]


def test_a_problem_in_an_included_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text('[targets]\n\nluna = "gpt-6-luna"\n')
    path = tmp_path / "switchwise.toml"
    path.write_text('include = ["models.toml"]\n[routers.main]\n')
    (problem,) = problems_of(path).problems
    assert (problem.file, problem.line, problem.field) == (str(tmp_path / "models.toml"), 3, "targets.luna")


YAML_BROKEN = {
    "a tab": ("targets:\n\tluna: openai:gpt-6-luna\n", 2, "no YAML"),
    "a field twice": ("targets:\n  luna: openai:gpt-6-luna\n  luna: openai:gpt-6-sol\n", 3, "'luna' occurs twice"),
    "a key that is a number": ("targets:\n  1: openai:gpt-6-luna\n", 2, "the key '1' is not a text"),
    "no table": ("- targets\n", 1, "no table"),
    "a bomb of aliases": (
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{name}: &{name} [{', '.join([f'*{last}'] * 10)}]\n" for last, name in zip("abcdefg", "bcdefgh", strict=True)
        ),
        1,
        "too many fields",
    ),
    "a policy that is misspelt": (
        "targets:\n  luna: openai:gpt-6-luna\nrouters:\n  main:\n    policies:\n      - Fits\n      - Budgt: {usd: 2}\n",
        7,
        "no policy is called 'Budgt'",
    ),
}


@pytest.mark.parametrize("what", YAML_BROKEN)
def test_yaml_is_refused_by_line_too(what: str, tmp_path: Path) -> None:
    text, line, message = YAML_BROKEN[what]
    path = tmp_path / "switchwise.yaml"
    path.write_text(text)
    (problem,) = problems_of(path).problems
    assert problem.line == line
    assert message in problem.message


@pytest.mark.parametrize(("name", "expected"), [("switchwise.json", "no known format"), ("missing.toml", "cannot be read")])
def test_another_format_and_no_file_are_refused(name: str, expected: str, tmp_path: Path) -> None:
    if expected == "no known format":
        (tmp_path / name).write_text("{}")
    (problem,) = problems_of(tmp_path / name).problems
    assert expected in problem.message


def test_from_file_raises_the_same(tmp_path: Path) -> None:
    path = tmp_path / "switchwise.toml"
    path.write_text(policies('"Heathy"'))
    with pytest.raises(BadConfiguration, match=r"switchwise\.toml:6: .*did you mean 'Healthy'"):
        Router.from_file(path)
