"""What a configuration file can say, and the router that comes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path
from random import Random

import jsonschema_rs
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from switchwise import ConfigurationError, Needs, Phase, Price, Router, Scope, Signals, StepKind, View, drive
from switchwise.catalog import Unpriced
from switchwise.config import find, json_schema, load
from switchwise.config.document import read as read_document
from switchwise.config.json_schema import SHIPPED
from switchwise.config.lines import toml_lines
from switchwise.config.node import Node
from switchwise.config.registry import known, parameters
from switchwise.config.values import made
from switchwise.observe.journal import read
from switchwise.testing import Script

ALL = """
version = 1
default = "main"

[targets]
luna = "openai:gpt-6-luna"

[targets.opus]
provider = "anthropic"
model = "claude-opus-5-5"
roles = ["judge"]
key = "env:TEAM_KEY"
timeout = 60
settings = { max_tokens = 2000, default_headers = { X-Team = "env:TEAM" } }

[targets.own]
provider = "vllm"
model = "qwen-3-32b"
base_url = "env:OWN_URL"
price = { input = 0.1, output = 0.3, above = 32_000, long = { input = 0.2, output = 0.6 } }
can = { window = 128_000, tools = true, modalities = ["image"] }

[routers.main]
pool = ["opus", "own", "luna"]
policies = [
    "Fits",
    "Healthy",
    { Budget = { usd = 2, per = "session" } },
    { Rules = [
        { exclude = "own", when = { label = { region = ["eu", "uk*"] } }, because = "stays in Europe" },
        { prefer = "opus", when = { any = [{ step = "failure" }, { failures = 2 }] } },
    ] },
    { ByAgent = { "general-purpose" = "fast", "*" = "strong" }, hold = "agent" },
    { Weighted = { weights = { opus = 0.2, luna = 0.8 } } },
    { Cheapest = { when = { tokens_below = 50_000 } } },
]
verify = { Judge = { target = "judge", threshold = 0.7 } }
journal = "logs/journal.jsonl"
observers = ["InMemory", { JsonLines = { path = "full.jsonl", texts = true } }]

[routers.gold]
pool = ["opus"]
labels = { plan = ["gold", "platinum*"] }

[routers.plain]
policies = [{ Budget = 2 }, "Default"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "switchwise.toml"
    path.write_text(ALL)
    return path


def test_targets_have_what_the_catalogue_knows_and_what_the_file_says(file: Path) -> None:
    found = load(file)
    luna, opus, own = (found.endpoints[name] for name in ("luna", "opus", "own"))
    assert luna.target.price is not None
    assert luna.target.can.window == 1_050_000
    assert opus.target.roles == {"judge"}
    assert opus.target.price is not None
    assert own.target.price == Price(0.1, 0.3, above=32_000, long=Price(0.2, 0.6))
    assert own.target.can.modalities == {"image"}
    assert [target.name for target in found.pick().pool] == ["opus", "own", "luna"]


def test_keys_and_addresses_are_found_when_they_are_needed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoints = load(file).endpoints
    monkeypatch.delenv("TEAM_KEY", raising=False)
    with pytest.raises(ConfigurationError, match=r"target 'opus': the variable TEAM_KEY is not set: export TEAM_KEY=\.\.\."):
        endpoints["opus"].options()
    monkeypatch.setenv("TEAM_KEY", "secret")
    monkeypatch.setenv("TEAM", "blue")
    monkeypatch.setenv("OWN_URL", "http://127.0.0.1:8000/v1")
    assert endpoints["opus"].options() == {
        "api_key": "secret",
        "timeout": 60,
        "max_tokens": 2000,
        "default_headers": {"X-Team": "blue"},
    }
    assert endpoints["own"].options() == {"base_url": "http://127.0.0.1:8000/v1"}
    assert endpoints["luna"].options() == {}
    assert "secret" not in repr(endpoints)


def test_a_key_may_stand_in_a_file_next_to_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text("secret\n")
    (tmp_path / "switchwise.toml").write_text('[targets.luna]\nprovider = "openai"\nkey = "file:key.txt"\n')
    assert load(tmp_path / "switchwise.toml").endpoints["luna"].options() == {"api_key": "secret"}


def test_the_policies_decide_as_they_are_written(file: Path) -> None:
    router = Router.from_file(file, rng=Random(1))
    names = [policy.policy.name if hasattr(policy, "policy") else policy.name for policy in router.policies]  # type: ignore[attr-defined]
    assert names == ["Fits", "Healthy", "Budget", "Rules", "ByAgent", "Weighted", "Cheapest"]
    french = View(Scope("s", labels={"region": "eu"}))
    assert "own" not in router.decide(french).names
    assert "own" not in router.decide(View(Scope("s", labels={"region": "uk-london"}))).names
    assert "own" in router.decide(View(Scope("s", labels={"region": "us"}))).names
    assert "stays in Europe" in str(router.explain(french))
    failed = router.decide(View(Scope("s", agent="general-purpose"), signals=Signals(step=StepKind.FAILURE)))
    assert failed.names[0] == "opus"
    assert failed.decider.because == "(step is failure) or (2 tools in a row failed)"
    assert router.decide(View(Scope("s", agent="general-purpose"))).names[0] == "luna"
    assert router.decide(View(Scope("s", agent="other"))).names[0] == "opus"


def test_paths_of_journals_are_relative_to_the_file(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir("/")
    router = Router.from_file(file)
    script = Script(opus="SCORE: 1", own="hello", luna="hello", otherwise="hello")
    list(drive(router.start(View(Scope("s1"), pin="luna")), script.perform))
    first = next(iter(read(tmp_path / "logs" / "journal.jsonl")))
    assert (first.target, first.session) == ("luna", "s1")
    assert (tmp_path / "full.jsonl").exists()


def test_a_router_is_picked_by_name_or_by_labels_or_is_the_default(file: Path) -> None:
    found = load(file)
    assert found.pick().name == "main"
    assert found.pick("plain").name == "plain"
    assert found.pick(labels={"plan": "gold"}).name == "gold"
    assert found.pick(labels={"plan": "platinum-plus"}).name == "gold"
    assert found.pick(labels={"plan": "free"}).name == "main"
    assert [target.name for target in Router.from_file(file, labels={"plan": "gold"}).pool] == ["opus"]
    with pytest.raises(ConfigurationError, match=r"no router is called 'glod'; did you mean 'gold'\?"):
        found.pick("glod")


def test_several_routers_and_no_default_must_be_named(tmp_path: Path) -> None:
    path = tmp_path / "switchwise.toml"
    path.write_text('[targets]\nluna = "openai:gpt-6-luna"\n[routers.a]\n[routers.b]\n')
    assert Router.from_file(path, "b").pool["luna"].provider == "openai"
    with pytest.raises(ConfigurationError, match=r"several routers \(a, b\); name one, or write default"):
        Router.from_file(path)


def test_without_routers_all_targets_stand_behind_the_default_chain(tmp_path: Path) -> None:
    path = tmp_path / "switchwise.toml"
    path.write_text('[targets]\nopus = "anthropic:claude-opus-5-5"\nluna = "openai:gpt-6-luna"\n')
    router = Router.from_file(path)
    assert router.decide(View(signals=Signals(first=True))).names == ("opus", "luna")
    assert len(router.policies) == len(Router.default(router.pool).policies)


def test_the_default_chain_can_stand_behind_other_policies(file: Path) -> None:
    router = Router.from_file(file, "plain")
    assert len(router.policies) == 1 + len(Router.default(router.pool).policies)
    assert router.decide(View()).names == ("luna", "opus", "own")
    assert not router.decide(View(tokens=100_000_000)).names  # for which two dollars will not do


def test_the_default_chain_takes_an_aim_and_a_target_an_effort(tmp_path: Path) -> None:
    targets = '[targets]\nopus = "anthropic:claude-opus-5-5"\n[targets.low]\nmodel = "openai:gpt-5"\neffort = "low"\n'
    for written in ('"Default"', '{ Default = "cost" }', '{ Default = { aim = "cost" } }', "{ Default = {} }"):
        path = tmp_path / "switchwise.toml"
        path.write_text(f"{targets}[routers.main]\npolicies = [{written}]\n")
        router = Router.from_file(path)
        assert [target.effort for target in router.pool] == ["", "low"]
        assert any(getattr(policy, "name", "") == "Anchor" for policy in router.policies) is ("cost" in written)
        assert not json_errors(path)
    path.write_text(f'{targets}[routers.main]\npolicies = [{{ Default = "price" }}]\n')
    with pytest.raises(ConfigurationError, match="aim 'price' is unknown"):
        load(path)
    assert json_errors(path)


def json_errors(path: Path) -> list[str]:
    validator = jsonschema_rs.validator_for(json_schema())
    return [str(error) for error in validator.iter_errors(tomllib.loads(path.read_text()))]


def test_yaml_says_the_same(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "switchwise.yaml"
    other.write_text(yaml.safe_dump(tomllib.loads(ALL), sort_keys=False))
    one, two = load(file), load(other)
    assert one.endpoints == two.endpoints
    for name, recipe in one.recipes.items():
        assert [part.written for part in recipe.parts] == [part.written for part in two.recipes[name].parts]
        assert [*recipe.pool] == [*two.recipes[name].pool]


def test_includes_are_laid_under_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "all.yaml").write_text(
        "targets:\n  luna: {provider: openai, model: gpt-6-luna, timeout: 5}\n  opus: anthropic:claude-opus-5-5\n"
        "routers: {main: {policies: [Fits, Healthy]}}\n"
    )
    path = tmp_path / "switchwise.toml"
    path.write_text('include = "models/all.yaml"\n[targets.luna]\ntimeout = 9\n[routers.main]\npolicies = ["Fits"]\n')
    found = load(path)
    assert found.endpoints["luna"].timeout == 9
    assert found.endpoints["luna"].target.model == "gpt-6-luna"
    assert [part.written for part in found.pick().parts] == ['"Fits"']
    assert found.document.place(("targets", "luna", "timeout")) == (str(path), 3)
    assert found.document.place(("targets", "luna", "model")) == (str(tmp_path / "models" / "all.yaml"), 2)


def test_the_file_is_found_by_the_variable_or_in_the_working_directory(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SWITCHWISE_CONFIG", raising=False)
    assert find() == Path("switchwise.toml")
    monkeypatch.chdir("/")
    with pytest.raises(
        ConfigurationError, match=r"no switchwise\.toml here and SWITCHWISE_CONFIG is not set: .*switchwise init"
    ):
        find()
    monkeypatch.setenv("SWITCHWISE_CONFIG", str(file))
    assert [target.name for target in Router.from_file(router="gold").pool] == ["opus"]


def test_a_policy_of_ones_own_is_named_by_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ours.py").write_text(
        "class NightShift:\n    def __init__(self, word: str = 'fast', hours: list[int] = ()):\n        self.word, self.hours = word, hours\n"
        "    def __call__(self, view, shortlist):\n        return shortlist.prefer(shortlist.pool.select(self.word), f'night {self.hours}')\n"
        "def is_long(view):\n    return view.tokens > 10\n"
    )
    path = tmp_path / "switchwise.toml"
    path.write_text(
        '[targets]\nopus = "anthropic:claude-opus-5-5"\nluna = "openai:gpt-6-luna"\n[routers.main]\npolicies = [\n'
        '{ Rules = { prefer = "strong", when = "ours:is_long" } },\n{ "ours:NightShift" = { hours = [1, 2] } } ]\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    router = Router.from_file(path)
    assert router.decide(View()).decider.because == "night [1, 2]"
    assert router.decide(View(tokens=11)).names[0] == "opus"


def test_a_target_without_a_price_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "switchwise.toml"
    path.write_text('[targets]\nown = "vllm:qwen"\n')
    with pytest.warns(Unpriced, match=r"no price is known for own: write price = "):
        Router.from_file(path)


@pytest.mark.parametrize(
    ("when", "yes", "no"),
    [
        ("agent = 'expl*'", View(Scope(agent="explorer")), View(Scope(agent="main"))),
        ("task = ['a', 'b']", View(Scope(task="b")), View(Scope(task="c"))),
        ("session = 's1'", View(Scope("s1")), View(Scope("s2"))),
        ("label = { user = true }", View(Scope(labels={"user": "ada"})), View()),
        ("label = { user = false }", View(), View(Scope(labels={"user": "ada"}))),
        ("phase = ['planning', 'testing']", View(signals=Signals(phase=Phase.TESTING)), View()),
        ("step = 'user_turn'", View(signals=Signals(step=StepKind.USER_TURN)), View()),
        ("first = true", View(signals=Signals(first=True)), View()),
        ("modality = 'image'", View(needs=Needs(modalities=frozenset({"image"}))), View()),
        ("tools = true", View(needs=Needs(tools=True)), View()),
        ("structured_output = false", View(), View(needs=Needs(structured_output=True))),
        ("tokens_above = 10, tokens_below = 20", View(tokens=11), View(tokens=20)),
        ("not = { agent = 'main' }", View(Scope(agent="x")), View()),
        ("agent = 'x', task = 'y'", View(Scope(agent="x", task="y")), View(Scope(agent="x"))),
    ],
)
def test_conditions(when: str, yes: View, no: View, tmp_path: Path) -> None:
    path = tmp_path / "switchwise.toml"
    path.write_text(
        '[targets]\nopus = "anthropic:claude-opus-5-5"\nluna = "openai:gpt-6-luna"\n[routers.main]\n'
        f'policies = [{{ Rules = {{ prefer = "fast", when = {{ {when} }} }} }}]\n'
    )
    router = Router.from_file(path)
    assert router.decide(yes).names[0] == "luna"
    assert router.decide(no).names[0] == "opus"


# -- names and schema


def test_estimators_may_stand_in_each_other_by_name(tmp_path: Path) -> None:
    path = tmp_path / "switchwise.toml"
    path.write_text('a = [{ Shrunk = ["Priors", { LabelTable = { prior = 4 } }] }, { Priors = "coding_agent" }]\n')
    document = read_document(path)
    one, two = Node(document, ("a",), document.data["a"]).items()
    shrunk = made(one, "estimators")
    assert [type(part).__name__ for part in shrunk.parts] == ["Priors", "LabelTable"]
    assert type(made(two, "estimators")).__name__ == "Priors"


def test_policies_that_take_estimators_take_them_by_name(tmp_path: Path) -> None:
    path = tmp_path / "switchwise.toml"
    path.write_text(
        '[targets]\nopus = "anthropic:claude-opus-5-5"\nluna = "openai:gpt-6-luna"\n[routers.main]\npolicies = [\n'
        '{ Floor = { quality = "Priors", within = 0.5 } },\n'
        '{ Worth = { quality = { Shrunk = ["Priors", "LabelTable"] }, value = 0.5, when = { agent = "main" } } },\n'
        "{ Healthy = { pauses = { overloaded = 9 } } } ]\n"
    )
    floor, worth, healthy = Router.from_file(path).policies
    assert type(floor.quality).__name__ == "Priors"  # type: ignore[attr-defined]
    assert [type(part).__name__ for part in worth.quality.parts] == ["Priors", "LabelTable"]  # type: ignore[attr-defined]
    assert worth.when(View())  # type: ignore[attr-defined]
    assert type(healthy).__name__ == "Healthy"
    path.write_text(path.read_text().replace("overloaded = 9", "overload = 9"))
    with pytest.raises(ConfigurationError, match=r"pauses\.overload: 'overload' is unknown; did you mean 'overloaded'\?"):
        Router.from_file(path)


@pytest.mark.parametrize("kind", ["policies", "verifiers", "observers", "estimators"])
def test_every_class_that_is_shipped_goes_by_its_name(kind: str) -> None:
    classes = known(kind)
    assert {"policies": "Budget", "verifiers": "Judge", "observers": "JsonLines", "estimators": "Priors"}[kind] in classes
    assert not {"Estimator", "Estimate", "Record"} & classes.keys()
    for cls in classes.values():
        assert parameters(cls) is not None


def test_the_schema_that_is_shipped_is_the_one_that_is_drawn() -> None:
    assert json.loads(SHIPPED.read_text()) == json_schema(), "python tools/make_config_schema.py"


def test_an_editor_takes_what_is_right_and_marks_what_is_wrong() -> None:
    check = jsonschema_rs.validator_for(json_schema())
    assert [error.message for error in check.iter_errors(tomllib.loads(ALL))] == []
    for wrong in (
        {"targets": {"a": "openai"}},
        {"targets": {"a": {"provider": "openai", "key": "sk-1234"}}},
        {"targets": {"a": {"provider": "openai", "price": {"input": "1"}}}},
        {"target": {}},
        {"routers": {"main": {"policies": ["Heathy"]}}},
        {"routers": {"main": {"policies": [{"Budget": {"usdd": 2}}]}}},
        {"routers": {"main": {"policies": [{"Budget": {"usd": "2"}}]}}},
        {"routers": {"main": {"policies": [{"Cheapest": {"when": {"lable": {}}}}]}}},
        {"routers": {"main": {"policies": [{"ByAgent": {"a": "fast"}, "hold": "step"}]}}},
        {"routers": {"main": {"verify": {"Judge": {"threshold": 1}}}}},
    ):
        assert not check.is_valid(wrong), wrong


def test_each_parameter_in_the_schema_says_what_it_is_for() -> None:
    budget = json_schema()["$defs"]["policies"]["anyOf"][2]["properties"]["Budget"]
    budget = budget.get("anyOf", [budget])[0]
    assert "limit in USD" in budget["properties"]["usd"]["description"]


def test_importing_the_router_loads_no_configuration() -> None:
    code = "import switchwise, sys; print([m for m in sys.modules if m.startswith(('switchwise.config', 'tomllib', 'yaml', 'typer', 'rich'))])"
    untraced = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}  # coverage reads TOML
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=untraced)
    assert done.stdout.strip() == "[]"


# -- lines

words = st.text("ab-_9", min_size=1, max_size=4).filter(lambda word: word[0] not in "-_9" or True)
leaves = (
    st.integers(-5, 5)
    | st.booleans()
    | st.text("ab#[]{}=,\"'\\\n ", max_size=6)
    | st.floats(allow_nan=False, allow_infinity=False)
)


def written(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {written(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[ # elements ] { \n" + ",\n".join(written(each) for each in value) + "\n]"
    if isinstance(value, str):
        return (
            "'''" + value + "'''"
            if "'" not in value and "\\" not in value and not value.startswith("\n")
            else json.dumps(value)
        )
    return json.dumps(value) if not isinstance(value, float) else repr(float(value))


def flat(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(each for name, part in pairs for each in flat(part, (*path, name)))]


values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, leaves, max_size=3), max_leaves=6
)


@given(
    st.dictionaries(words, values, max_size=3), st.dictionaries(words, st.dictionaries(words, values, max_size=3), max_size=3)
)
def test_each_field_of_any_file_has_its_line(top: dict[str, object], tables: dict[str, dict[str, object]]) -> None:
    tables = {name: table for name, table in tables.items() if name not in top}
    text, lines = "# begin\n", {}
    for name, value in top.items():
        lines[(name,)] = text.count("\n") + 1
        text += f"{json.dumps(name)} = {written(value)} # a [comment] = 1\n\n"
    for table, pairs in tables.items():
        lines[(table,)] = text.count("\n") + 1
        text += f"[ {json.dumps(table)} ]\n"
        for name, value in pairs.items():
            lines[(table, name)] = text.count("\n") + 1
            text += f"  {json.dumps(name)} = {written(value)}\n"
    data = tomllib.loads(text)
    found = toml_lines(text)
    assert {path: found[path] for path in lines} == lines
    assert set(found) == {path for path in flat(data) if path}
    assert all(found[path[:i]] <= found[path] for path in found for i in range(1, len(path)))


def test_arrays_of_tables_count_by_themselves() -> None:
    text = "[[a]]\nx = 1\n[[a]]\nx = 2\n[a.b]\ny = 1\n[[a.c]]\n[[a.c]]\nz.q = [\n1,\n2]\n"
    lines = toml_lines(text)
    assert [lines[path] for path in [("a", 0, "x"), ("a", 1, "x"), ("a", 1, "b", "y"), ("a", 1, "c", 1), ("a", 1, "c", 1, "z", "q", 1)]] == [2, 4, 6, 8, 11]  # fmt: skip


def test_no_warning_of_prices_while_a_file_is_only_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "switchwise.toml"
    path.write_text('[targets]\nown = "vllm:qwen"\n')
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # ours; not what another test left to the garbage collector
        load(path)
