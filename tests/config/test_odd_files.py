"""Configurations that parsers choke on or read oddly: each is refused by file and line, or read as meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from switchwise import Router
from switchwise.config import BadConfiguration, load
from switchwise.config.findings import findings

YAML = 'targets:\n  luna: "openai:gpt-6-luna"\n'
TOML = '[targets]\nluna = "openai:gpt-6-luna"\n'
ROUTER = f"{TOML}[routers.main]\n"
RULE = '{ Rules = [ { prefer = "luna", when = '

# the name and content of a file, the line and field of its problem, words of the message and the remedy
REFUSED: dict[str, tuple[str, str, int, str, str, str]] = {
    "a date that does not exist": ("yaml", f"{YAML}  since: 2024-13-45\n", 3, "", "no YAML: month must be in 1..12", "quotes"),
    "a text that is tagged as a number": ("yaml", f"{YAML}  since: !!int abc\n", 3, "", "no YAML: invalid literal", "quotes"),
    "a text that is tagged as a time": ("yaml", f"{YAML}  since: !!timestamp abc\n", 3, "", "no YAML", "quotes"),
    "a text that is tagged as a flag": ("yaml", f"{YAML}  since: !!bool abc\n", 3, "", "no YAML", "quotes"),
    "a number of 5,000 digits in YAML": ("yaml", f"{YAML}  since: {'9' * 5_000}\n", 3, "", "no YAML: Exceeds the limit", "quotes"),
    "a number of 5,000 digits": ("toml", f"{TOML}since = {'9' * 5_000}\n", 3, "", "no TOML: Exceeds the limit", "quotes"),
    "brackets without end in YAML": ("yaml", f"{YAML}  since: {'[' * 3_000}\n", 1, "", "no YAML", "brackets"),
    "brackets without end": ("toml", f"{TOML}since = {'[' * 3_000}\n", 1, "", "no TOML", "brackets"),
    "a merge key": ("yaml", "a: &a {provider: openai}\ntargets:\n  luna:\n    <<: *a\n", 4, "", "merge keys are not supported", "include"),
    "no routers": ("toml", f"{TOML}[routers]\n", 3, "routers", "there are no routers", "[routers.main]"),
    "a target without a name": ("toml", f'{TOML}"" = "openai:gpt-6-luna"\n', 3, "targets.", "Target('')", "give it a name"),
    "an infinite price": (
        "toml",
        f'{TOML}[targets.own]\nprovider = "vllm"\nprice = {{ input = inf, output = 1 }}\n',
        5,
        "targets.own.price.input",
        "inf will not do",
        "give a finite number",
    ),
    "an address that cannot be read": (
        "toml",
        '[targets.own]\nprovider = "vllm"\nbase_url = "http://[::1"\n',
        3,
        "targets.own.base_url",
        "'http://[::1' is not an address",
        "https://",
    ),
    "an address without a host": (
        "toml",
        '[targets.own]\nprovider = "vllm"\nbase_url = "https://"\n',
        3,
        "targets.own.base_url",
        "'https://' is not an address",
        "https://",
    ),
    "a store that cannot be read": ("toml", f'{ROUTER}store = "redis://[::1"\n', 4, "routers.main.store", "is not an address", "redis://"),
    "a store of another kind": ("toml", f'{ROUTER}store = "http://x"\n', 4, "routers.main.store", "is not an address of a store", "redis://"),
    "a condition of no agent": ("toml", f"{ROUTER}policies = [{RULE}{{ agent = [] }} }} ] }}]\n", 4, "routers.main.policies[0].Rules[0].when.agent", "names nothing", "name one"),
    "a condition of no phase": ("toml", f"{ROUTER}policies = [{RULE}{{ phase = [] }} }} ] }}]\n", 4, "routers.main.policies[0].Rules[0].when.phase", "names nothing", "name one"),
    "a condition of no value": ("toml", f"{ROUTER}policies = [{RULE}{{ label = {{ plan = [] }} }} }} ] }}]\n", 4, "routers.main.policies[0].Rules[0].when.label.plan", "names nothing", "name one"),
    "a condition of no words": ("toml", f"{ROUTER}policies = [{RULE}{{}} }} ] }}]\n", 4, "routers.main.policies[0].Rules[0].when", "an empty condition", "give one of agent"),
    "a condition of no label": ("toml", f"{ROUTER}policies = [{RULE}{{ label = {{}} }} }} ] }}]\n", 4, "routers.main.policies[0].Rules[0].when.label", "no label is named", "plan ="),
    "a length in quotes": ("toml", f"{ROUTER}policies = [{RULE}{{ tokens_above = '9' }} }} ] }}]\n", 4, "routers.main.policies[0].Rules[0].when.tokens_above", "'9' will not do", "a whole number from 0 on"),
    "a word for a truth": ("toml", f"{ROUTER}policies = [{RULE}{{ first = 'yes' }} }} ] }}]\n", 4, "routers.main.policies[0].Rules[0].when.first", "'yes' is neither true nor false", "without quotes"),
    "a number for a list": ("toml", f"{ROUTER}policies = 5\n", 4, "routers.main.policies", "5 is not a list", "put it in [ ]"),
    "a number for a file": ("toml", f"{ROUTER}journal = [5]\n", 4, "routers.main.journal[0]", "5 is not a text", "in quotes"),
    "an empty value": ("yaml", f"{YAML}routers:\n  main:\n    pool:\n", 5, "routers.main.pool", "nothing is not a list", "put it in [ ]"),
    "a journal that is no file": ("toml", f'{ROUTER}journal = "journal"\n', 4, "routers.main.journal", "'journal' is not a file", "journal.jsonl"),
    "a stream that goes on with nothing": ("toml", f"{ROUTER}on_broken = {{}}\n", 4, "routers.main.on_broken", "does not say what follows", "continue ="),
    "an include of a number": ("toml", f"include = [5]\n{TOML}", 1, "include[0]", "5 is not a text", "in quotes"),
    "a file of nothing": ("yaml", "# to be written\n", 1, "", "it has no targets", "targets"),
    "a function that cannot be imported": ("toml", f"{ROUTER}policies = [{RULE}'no where' }} ] }}]\n", 4, "routers.main.policies[0].Rules[0].when", "names nothing that can be imported", "package.module:name"),
    "any of nothing": ("toml", f"{ROUTER}policies = [{RULE}{{ any = [] }} }} ] }}]\n", 4, "routers.main.policies[0].Rules[0].when.any", "names nothing", "name one"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_by_its_line(what: str, tmp_path: Path) -> None:
    suffix, content, line, field, message, remedy = REFUSED[what]
    path = tmp_path / f"switchwise.{suffix}"
    path.write_text(content)
    with pytest.raises(BadConfiguration) as refused:
        load(path)
    (problem,) = refused.value.problems
    assert (problem.line, problem.field) == (line, field), problem
    assert message in problem.message
    assert remedy in problem.remedy


def test_texts_of_several_lines_and_lists_of_settings_are_read_as_meant(tmp_path: Path) -> None:
    path = tmp_path / "switchwise.toml"
    path.write_text(
        '[targets.luna]\nprovider = "openai"\nmodel = "gpt-6-luna"\n'
        '[targets.luna.settings]\nuser = """a "quoted"\nname""""\nstop = ["END"]\n'
    )
    settings = load(path).endpoints["luna"].settings
    assert settings["user"] == 'a "quoted"\nname"'
    assert settings["stop"] == ["END"]


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    for name, text in (("switchwise.toml", TOML), ("switchwise.yaml", YAML)):
        (tmp_path / name).write_text(f"\ufeff{text}", encoding="utf-8")
        assert [*load(tmp_path / name).endpoints] == ["luna"]


def test_escaped_names_are_joined_over_files_and_have_their_lines(tmp_path: Path) -> None:
    (tmp_path / "shared.toml").write_text('[targets."l\\u0075na"]\nprovider = "openai"\n')
    path = tmp_path / "switchwise.toml"
    path.write_text(
        'include = "shared.toml"\n[targets."l\\U00000075na"]\nmodel = "gpt-6-luna"\n"api" = "\\u0063hat"\n"tim\\u0065out" = -1\n'
    )
    with pytest.raises(BadConfiguration, match=r"switchwise\.toml:5: targets\.luna\.timeout"):
        load(path)
    path.write_text(path.read_text().replace("-1", "9"))
    (endpoint,) = load(path).endpoints.values()
    assert (endpoint.target.provider, endpoint.api, endpoint.timeout) == ("openai", "chat", 9)


def test_the_default_chain_is_no_reason_for_remarks_on_rules(tmp_path: Path) -> None:
    path = tmp_path / "switchwise.toml"
    path.write_text('[targets.own]\nprovider = "vllm"\nmodel = "own"\nbase_url = "http://localhost:8000"\n')
    assert not [each for each in findings(load(path)) if "Rules" in each.field]


def test_a_star_in_the_labels_of_a_router_needs_the_label(tmp_path: Path) -> None:
    path = tmp_path / "switchwise.toml"
    path.write_text(f'default = "other"\n{TOML}[routers.tenants]\nlabels = {{ tenant = "*" }}\n[routers.other]\n')
    found = load(path)
    assert found.pick(labels={"tenant": "acme"}).name == "tenants"
    assert found.pick(labels={"user": "ada"}).name == "other"
    assert Router.from_file(path, labels={"user": "ada"}).pool
