"""What a requirement rules out is called by nobody: not by a fallback, a hedge, a judge, a decision model, nor for an answer from the cache."""

from __future__ import annotations

import contextlib
import json
import logging
import random
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchwise import (
    AllTargetsFailed,
    Ask,
    ConfigurationError,
    FailureKind,
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
    drive,
)
from switchwise.nouns.exchange.conversation import Conversation
from switchwise.nouns.exchange.reply import Answer
from switchwise.policies import AllowList, Guard, Hedge, MayPin, Residency
from switchwise.response_cache import ResponseCache
from switchwise.verifiers import Judge

POOL = Pool(
    [
        Target("opus", roles={"us"}),
        Target("sol", roles={"us", "eu"}),
        Target("haiku", roles={"eu"}),
        Target("local", roles={"eu", "us"}),
    ],
    asked=[Target("judge", roles={"us"})],
)
DECIDER = Target("decider", roles={"eu"})


class Decider:
    """A model outside of the pool."""

    target = DECIDER

    def __init__(self, called):
        self._called = called

    def answer(self, ask, context=None):
        self._called.append("decider")
        return Reply(answers={"route": Answer(label="opus")})


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


def allowed_names(tenant, region, private):
    """What may see a call, said once more and plainly."""
    lists = {"acme": {"opus", "sol", "judge"}, "other": {"haiku", "local", "decider"}}
    names = lists.get(tenant, {"sol", "local"})
    if region:
        names = {name for name in names if region in ({"decider": DECIDER}.get(name) or POOL[name]).roles}
    return names & {"local"} if private else names


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_nothing_goes_around_the_walls(data):
    rng = random.Random(data.draw(st.integers(0, 10_000)))
    called: list[str] = []
    walls = [
        AllowList({"acme": ["opus", "sol", "judge"], "other": ["haiku", "local", "decider"]}, others=["sol", "local"]),
        Residency(),
        Guard(lambda text: "iban" in text, only="local"),
    ]
    rng.shuffle(walls)
    judged = data.draw(st.booleans())
    router = Router(
        POOL,
        *walls,
        ByModel(called),
        Hedge(after=0.0, at_most=1.0, calls=3),
        verify=Judge("judge", threshold=0.5, on_failure="accept") if judged else None,
        cache=ResponseCache(),
        rng=rng,
    )

    def perform(call):
        if call.stored is not None:
            called.append(call.target.name)
            yield Reply(call.stored.answer)
            return
        called.append(call.target.name)
        if rng.random() < 0.4:
            raise TargetError(rng.choice([FailureKind.OVERLOADED, FailureKind.TIMEOUT, FailureKind.AUTHENTICATION]))
        yield Reply("an answer")

    for _ in range(8):
        tenant, region = rng.choice(["acme", "other", ""]), rng.choice(["", "eu", "us"])
        private = rng.random() < 0.3
        words = f"question {rng.randrange(2)}{' iban' if private else ''}"
        view = View(
            Scope("s", tenant=tenant, labels={"region": region} if region else {}),
            conversation=Conversation([Turn("user", words)]),
            pin=rng.choice(["", "", "opus", "local"]),
            recording=Kept(words),
        )
        called.clear()
        with contextlib.suppress(NoTarget, AllTargetsFailed, TargetError):
            list(drive(router.start(view), perform, sleep=lambda _: None))
        assert set(called) <= allowed_names(tenant, region, private), (called, tenant, region, private)


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


def test_a_pin_is_refused_unless_its_caller_may_give_it_and_the_reason_is_told():
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
