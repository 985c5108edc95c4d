"""What a requirement rules out is called by nobody: not by a fallback, a hedge, a judge, a decision model, nor for an answer from the cache."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
from functools import partial
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchwise import (
    AllTargetsFailed,
    Ask,
    Capabilities,
    ConfigurationError,
    FailureKind,
    Needs,
    NoTarget,
    Pool,
    Question,
    Reply,
    Router,
    Scope,
    Target,
    TargetError,
    Turn,
    View,
    adrive,
    drive,
)
from switchwise.nouns.exchange.conversation import Conversation
from switchwise.nouns.exchange.reply import Answer
from switchwise.policies import AllowList, Fits, Guard, Hedge, MayPin, Residency
from switchwise.response_cache import ResponseCache, SimilarAnswers
from switchwise.response_cache.similar import Candidate
from switchwise.verifiers import Judge

SEES, READS = Capabilities(modalities={"image"}), Capabilities(modalities=set())
POOL = Pool(
    [
        Target("opus", roles={"us"}, can=SEES),
        Target("sol", roles={"us", "eu"}, can=READS),
        Target("haiku", roles={"eu"}, can=READS),
        Target("local", roles={"eu", "us"}, can=SEES),
    ],
    asked=[Target("judge", roles={"us"}, can=READS)],
)
DECIDER = Target("decider", roles={"eu"})


class Decider:
    """A model outside of the pool."""

    target = DECIDER

    def __init__(self, called):
        self._called = called

    def answer(self, ask, context=None):
        self._called.append(("decision", "decider"))
        return Reply(answers={"route": Answer(label="opus")})

    async def aanswer(self, ask, context=None):
        return self.answer(ask)


class ByModel:
    """Prefers what a model outside of the pool says."""

    name = "ByModel"
    asks = (DECIDER,)

    def __init__(self, called):
        self._model = Decider(called)

    def __call__(self, view, shortlist):
        try:
            reply = yield Ask({"route": Question.choice("Who?", ["opus", "sol"])}, about=view.last_user, model=self._model)
        except TargetError:
            return shortlist.remark("the model may not be asked")
        return shortlist.prefer([reply.answers["route"].label], "it says so")


class Kept:
    """A request as a cache sees it."""

    tools = ()
    settings = MappingProxyType({})

    def __init__(self, words):
        self.words = words

    def parts(self, target):
        return target, self.words

    def keep(self, reply):
        return reply.text


class Nearest(SimilarAnswers):
    """Gives the last answer of a partition to every question of it."""

    def __init__(self):
        super().__init__()
        self.last = {}

    def propose(self, partition, text):
        group = self.last.get(partition)
        return None, None if group is None else Candidate(group, 1.0, (), 0.0, True)

    def learn(self, partition, text, vector, group, candidate, same):
        self.last[partition] = group

    def audit(self, candidate):
        return False


def allowed_names(tenant, region, private, images, asked):
    """What may see a call, said once more and plainly. A judge reads text, whatever the request needs."""
    lists = {"acme": {"opus", "sol", "judge"}, "other": {"haiku", "local", "decider"}}
    names = lists.get(tenant, {"sol", "local"})
    if region:
        names = {name for name in names if region in ({"decider": DECIDER}.get(name) or POOL[name]).roles}
    if images and not asked:
        names = names & {"opus", "local"}
    return names & {"local"} if private else names


def walk(seed):
    """Twelve steps of a router behind all walls: who was called for which purpose, and who might have been."""
    rng, decisions, steps = random.Random(seed), [], []
    walls = [
        AllowList({"acme": ["opus", "sol", "judge"], "other": ["haiku", "local", "decider"]}, others=["sol", "local"]),
        Residency(),
        Guard(lambda text: "iban" in text, only="local"),
    ]
    rng.shuffle(walls)
    similar = Nearest() if rng.random() < 0.5 else None
    router = Router(
        POOL,
        Fits(),  # first: it gives way where the others leave nobody who can
        *walls,
        ByModel(decisions),
        Hedge(after=0.0, at_most=1.0, calls=3),
        verify=Judge("judge", threshold=0.5, on_failure="accept") if rng.random() < 0.5 else None,
        cache=ResponseCache(similar=similar),
        rng=rng,
    )

    def perform(called, call):
        kind = "question" if call.ask is not None else call.stored.kind if call.stored is not None else "call"
        if kind == "call" and any(each[0] == "call" for each in called):
            kind = "further call"
        called.append((kind, call.target.name))
        if call.stored is not None:
            yield Reply(call.stored.answer)
            return
        if rng.random() < 0.3:
            raise TargetError(rng.choice([FailureKind.OVERLOADED, FailureKind.TIMEOUT, FailureKind.AUTHENTICATION]))
        yield Reply("an answer")

    async def ask(view, called):
        async def aperform(call):
            for item in perform(called, call):
                yield item

        async def no_sleep(_):
            pass

        async for _ in adrive(router.start(view), aperform, sleep=no_sleep):
            pass

    for _ in range(12):
        tenant, region = rng.choice(["acme", "other", ""]), rng.choice(["", "", "eu", "us"])
        private, images = rng.random() < 0.2, rng.random() < 0.3
        words = f"question {rng.randrange(3)}{' iban' if private else ''}"
        view = View(
            Scope("s", tenant=tenant, labels={"region": region} if region else {}),
            needs=Needs(modalities=frozenset({"image"} if images else ())),
            conversation=Conversation([Turn("user", words)]),
            pin=rng.choice(["", "", "", "opus", "local"]),
            recording=Kept(words),
        )
        called = []  # of this step alone: a thread that lost may still be about to make its call when the next one begins
        decisions.clear()
        with contextlib.suppress(NoTarget, AllTargetsFailed, TargetError):
            if rng.random() < 0.3:
                asyncio.run(ask(view, called))
            else:
                list(drive(router.start(view), partial(perform, called), sleep=lambda _: None))
        steps += [(kind, name, (tenant, region, private, images)) for kind, name in decisions + called]
    return steps


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_nothing_goes_around_the_walls(seed):
    for kind, name, (tenant, region, private, images) in walk(seed):
        asked = kind in ("question", "decision")
        assert name in allowed_names(tenant, region, private, images, asked), (kind, name, tenant, region, private, images)


def test_the_walks_go_everywhere():
    """What the property above says, it says of each of these."""
    kinds = {kind for seed in range(12) for kind, _, _ in walk(seed)}
    assert kinds == {"call", "further call", "question", "decision", "exact", "semantic"}


def test_a_wall_that_goes_up_later_holds_for_what_is_kept():
    closed = []
    router = Router(
        POOL, lambda view, shortlist: shortlist.require(lambda t: t.name not in closed, "closed"), cache=ResponseCache()
    )
    view, given = View(recording=Kept("hello")), []

    def perform(call):
        given.append((call.target.name, call.stored is not None))
        yield Reply(call.stored.answer if call.stored else "an answer")

    for _ in range(2):
        list(drive(router.start(view), perform))
    closed.append("opus")
    list(drive(router.start(view), perform))
    assert given == [("opus", False), ("opus", True), ("sol", False)]


def test_a_pin_is_refused_with_its_reason_unless_its_caller_may_give_it():
    router = Router(POOL, MayPin({"ops": ["*"], "acme": ["fast", "haiku"]}))
    assert router.decide(View(Scope(tenant="ops"), pin="opus")).names == ("opus",)
    assert router.decide(View(Scope(tenant="acme"), pin="haiku")).names == ("haiku",)
    with pytest.raises(NoTarget, match="tenant 'acme' may not name 'strong'"):
        router.start(View(Scope(tenant="acme"), pin="strong"))
    assert router.decide(View(Scope(tenant="acme"))).names[0] == "opus"


def test_a_guard_sees_each_turn_once_and_what_it_raises_ends_the_call():
    seen = []

    def check(text):
        seen.append(text.strip())
        if "boom" in text:
            raise RuntimeError("the check is down")
        return "an IBAN" if "iban" in text else False

    router = Router(POOL, Guard(check, only="local", because="personal data"))
    turns = [Turn("user", "hello"), Turn("assistant", "hi"), Turn("user", "my iban is 1")]
    shortlist = router.decide(View(conversation=Conversation(turns)))
    assert (shortlist.names, shortlist.notes[0].because) == (("local",), "personal data: an IBAN")
    router.decide(View(conversation=Conversation([*turns, Turn("tool", "found")])))
    assert len(seen) == len(set(seen))
    with pytest.raises(RuntimeError, match="down"):
        router.decide(View(conversation=Conversation([Turn("user", "boom")])))


def test_a_change_of_the_configuration_is_a_line_of_the_audit_log(tmp_path, caplog):
    path = tmp_path / "switchwise.toml"
    text = """
version = 1
[targets.gpt]
provider = "openai"
model = "gpt-6-luna"
key = "env:SOME_KEY"
[routers.main]
policies = [{ Budget = { usd = 1.0, per = "session" } }]
"""
    path.write_text(text)
    router = Router.from_file(path)
    with caplog.at_level(logging.INFO, "switchwise.audit"):
        assert not router.reload()
        path.write_text(text.replace("usd = 1.0", "usd = 25.0").replace("SOME_KEY", "OTHER_KEY"))
        assert router.reload()
    (line,) = [json.loads(record.message) for record in caplog.records if record.name == "switchwise.audit"]
    assert (line["event"], line["router"], line["file"]) == ("configuration", "main", str(path))
    assert line["before"] != line["after"]
    assert line["changes"] == [
        {"field": "routers.main.policies[0].Budget.usd", "old": 1.0, "new": 25.0},
        {"field": "targets.gpt.key", "old": "***", "new": "***"},
    ]


def test_the_audit_log_masks_secrets_of_every_type(tmp_path, caplog):
    path = tmp_path / "switchwise.toml"
    text = """
version = 1
[targets.gpt]
provider = "vllm"
model = "own"
settings = { default_headers = { X-Pin = 4711 }, credentials = [4711, 1], auth = 4711.0, max_tokens = 4711 }
"""
    path.write_text(text)
    router = Router.from_file(path)
    with caplog.at_level(logging.INFO, "switchwise.audit"):
        path.write_text(text.replace("4711", "8150"))
        assert router.reload()
    (line,) = [json.loads(record.message) for record in caplog.records if record.name == "switchwise.audit"]
    secrets = ["auth", "credentials[0]", "default_headers.X-Pin"]
    assert line["changes"] == [
        *({"field": f"targets.gpt.settings.{name}", "old": "***", "new": "***"} for name in secrets),
        {"field": "targets.gpt.settings.max_tokens", "old": 4711, "new": 8150},  # a count
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("one\\n0123456789abcdef0123456789abcdef", "one\n***"), ("é" * 2_000, "é" * 2_000), ("x" * 4_095, "x" * 4_095)],
)
def test_the_audit_log_shows_long_texts_and_masks_what_looks_like_a_key(tmp_path, caplog, text, shown):
    path = tmp_path / "switchwise.toml"
    file = '[targets.gpt]\nprovider = "vllm"\nmodel = "own"\nsettings = {{ note = ["{0}"] }}\n'
    path.write_text(file.format("before"), encoding="utf-8")
    router = Router.from_file(path)
    with caplog.at_level(logging.INFO, "switchwise.audit"):
        path.write_text(file.format(text), encoding="utf-8")
        assert router.reload()
    (line,) = [json.loads(record.message) for record in caplog.records if record.name == "switchwise.audit"]
    assert line["changes"] == [{"field": "targets.gpt.settings.note[0]", "old": "before", "new": shown}]


@pytest.mark.parametrize("value", ["4711", "47.11", '"4711"', '["4711"]', "2031-04-07"])
def test_a_key_in_the_settings_is_refused_whatever_its_type(tmp_path, value):
    path = tmp_path / "switchwise.toml"
    path.write_text(f'[targets.gpt]\nprovider = "vllm"\nmodel = "own"\nsettings = {{ api_key = {value} }}\n')
    with pytest.raises(ConfigurationError, match="keys are not written into this file") as refused:
        Router.from_file(path)
    assert value not in str(refused.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: AllowList({}),
        lambda: AllowList({"acme": "opus"}),
        lambda: Router(POOL, AllowList({"acme": ["gpt"]})),
        lambda: Residency(by=""),
        lambda: Router(POOL, MayPin({"acme": ["gpt"]})),
        lambda: Guard("iban"),
        lambda: Router(POOL, Guard(bool, only="gpt")),
    ],
)
def test_what_cannot_work_is_refused(make):
    with pytest.raises(ConfigurationError):
        make()
