"""Wrong inputs that people make, to constructors and to calls: refused by name with the remedy, or allowed on purpose. FIELD F8."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from llama_index.core.llms import MockLLM

from langchain_switchwise import ChatSwitchwise, SwitchwiseMiddleware
from llama_index.llms.switchwise import Switchwise, route_scope
from switchwise import (
    Ask,
    Capabilities,
    ConfigurationError,
    EndReason,
    Level,
    Limits,
    Needs,
    Pool,
    Price,
    Router,
    Scope,
    Target,
    Usage,
    Verdict,
    View,
    drive,
    hold,
)
from switchwise.catalog import Catalog, target
from switchwise.clients import Clients, OpenAIClient
from switchwise.engine.recovery import Recovery
from switchwise.nouns.target import Hours
from switchwise.observe.journal import JsonLines
from switchwise.policies import Budget, ByAgent, ByPhase, Cheapest, Fits, Healthy, Rules, Stick
from switchwise.prompt_cache.cache_hints import CacheHints
from switchwise.testing import Script
from switchwise.verifiers import Judge, NotEmpty, Predicate, Schema

A, B = Target("a"), Target("b")
PO = Pool([A, B])
H: list[Any] = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "x"}}


def R() -> Any:
    return Router(PO)


def FAKE() -> Any:
    return FakeListChatModel(responses=["x"])


def L() -> Any:
    return ChatSwitchwise({"a": FAKE(), "b": FAKE()})


def I() -> Any:  # noqa: E743
    return Switchwise({"a": MockLLM(), "b": MockLLM()})


def CL() -> Any:
    return Clients({"a": OpenAIClient(model="gpt-4.1", api_key="k", base_url="http://127.0.0.1:9/v1", timeout=1)})


def use(router: Router, view: Any) -> None:
    list(drive(router.start(view), Script(otherwise="yes").perform))


REFUSED: dict[str, Callable[[], Any]] = {
    "route sesion": lambda: I().chat([], route={"sesion": "s"}),
    "route_scope sesion": lambda: route_scope(sesion="s").__enter__(),
    "bind agnet": lambda: I().bind(agnet="x"),
    "Scope deadline soon": lambda: use(R(), View(Scope(deadline="soon"))),
    "Scope session int": lambda: use(R(), View(Scope(session=5))),
    "Scope labels list": lambda: use(R(), View(Scope(labels=["a"]))),
    "Scope limits": lambda: use(R(), View(Scope(limits={"first": 1}))),
    "Needs images": lambda: use(Router(PO, Fits()), View(needs=Needs(modalities={"images"}))),
    "Needs str": lambda: use(Router(PO, Fits()), View(needs=Needs(modalities="image"))),
    "Needs max": lambda: use(Router(PO, Fits()), View(needs=Needs(max_output="5"))),
    "Needs max0": lambda: use(Router(PO, Fits()), View(needs=Needs(max_output=-5))),
    "Price above": lambda: Price(1, 2, above=-5, long=Price(1, 2)),
    "Price above str": lambda: Price(1, 2, above="5", long=Price(1, 2)),
    "Price long num": lambda: Price(1, 2, above=5, long=3),
    "Price hours": lambda: Price(1, 2, hours=[(1, 2)]),
    "Price str": lambda: Price("1", 2),
    "Price dict": lambda: Target("a", price={"input": 1}),
    "Hours": lambda: Hours(-5, 10, Price(1, 2)),
    "Hours price": lambda: Hours(5, 10, 3),
    "client timeout": lambda: OpenAIClient(model="m", api_key="k", timeout="5"),
    "client timeout neg": lambda: OpenAIClient(model="m", api_key="k", timeout=-5),
    "client unknown": lambda: OpenAIClient(model="m", api_keey="k"),
    "client model int": lambda: OpenAIClient(model=5, api_key="k"),
    "client defaults list": lambda: OpenAIClient(model="m", api_key="k", defaults=["a"]),
    "client marks_end": lambda: OpenAIClient(model="m", api_key="k", marks_end="no"),
    "client base_url": lambda: OpenAIClient(model="m", api_key="k", base_url=5),
    "client cache_hints": lambda: OpenAIClient(model="m", api_key="k", cache_hints=True),
    "client refusals": lambda: OpenAIClient(model="m", api_key="k", refusals="failed"),
    "client str": lambda: OpenAIClient("gpt-4"),
    "feedback good": lambda: R().feedback("id", "good"),
    "feedback None": lambda: R().feedback("id", None),
    "feedback nan": lambda: R().feedback("id", float("nan")),
    "feedback id": lambda: R().feedback(5, 1),
    "feedback kind": lambda: R().feedback("x", 1, kind=5),
    "Router list": lambda: Router([A, B]),
    "Router target": lambda: Router(A),
    "Router str": lambda: Router("a"),
    "Router policies list": lambda: Router(PO, [Fits()]),
    "Router policy cls": lambda: Router(PO, Fits),
    "Router policy str": lambda: Router(PO, "Fits"),
    "Router policy None": lambda: Router(PO, None),
    "Router verify str": lambda: Router(PO, verify="judge"),
    "Router verify cls": lambda: Router(PO, verify=NotEmpty),
    "Router obs": lambda: Router(PO, observers="x"),
    "Router recovery": lambda: Router(PO, recovery=5),
    "Router rng": lambda: Router(PO, rng=5),
    "Router default aim": lambda: Router.default(PO, "cheap"),
    "Router default healthy": lambda: Router.default(PO, healthy=True),
    "decide str": lambda: R().decide("hello"),
    "start None": lambda: R().start(None),
    "start dict": lambda: R().start({"tokens": 5}),
    "explain str": lambda: R().explain("hello"),
    "View scope": lambda: use(R(), View(scope="s")),
    "View scope key": lambda: use(Router(PO, Stick()), View(scope="s")),
    "View tokens str": lambda: use(Router(PO, Fits()), View(tokens="5")),
    "View tokens neg": lambda: use(Router(PO, Fits()), View(tokens=-5)),
    "View needs": lambda: use(Router(PO, Fits()), View(needs="tools")),
    "View pin int": lambda: use(R(), View(pin=5)),
    "View pin": lambda: use(R(), View(pin="c")),
    "load list": lambda: R().load([1]),
    "load strange": lambda: R().load({"x": 1}),
    "reset": lambda: R().reset(5),
    "Target empty": lambda: Target(""),
    "Target None": lambda: Target(None),
    "Target roles": lambda: Target("a", roles="judge"),
    "Target can": lambda: Target("a", can={"tools": True}),
    "Target limits": lambda: Target("a", limits={"first": 1}),
    "Target limits n": lambda: Target("a", limits=5),
    "Target effort": lambda: Target("a", effort=5),
    "Pool empty": lambda: Pool([]),
    "Pool str": lambda: Pool("abc"),
    "Pool strs": lambda: Pool(["a", "b"]),
    "Pool dup": lambda: Pool([A, A]),
    "Pool dict": lambda: Pool({"a": A}),
    "Cap window": lambda: Capabilities(window="200k"),
    "Cap window0": lambda: Capabilities(window=0),
    "Cap mod": lambda: Capabilities(modalities={"images"}),
    "Cap tools": lambda: Capabilities(tools="yes"),
    "Cap sampling": lambda: Capabilities(sampling=1),
    "Budget none": lambda: Budget(),
    "Budget neg": lambda: Budget(usd=-1),
    "Budget str": lambda: Budget(usd="5"),
    "Budget per": lambda: Budget(usd=5, per=5),
    "Budget nan": lambda: Budget(usd=float("nan")),
    "Budget window": lambda: Budget(usd=5, window="1h"),
    "Fits": lambda: Fits(margin="x"),
    "Healthy share": lambda: Healthy(share=5),
    "Healthy pauses": lambda: Healthy(pauses={"rate_limit": 5}),
    "Healthy pauses list": lambda: Healthy(pauses=[5]),
    "hold per": lambda: hold(Fits(), per="sesion"),
    "hold nothing": lambda: hold("x", per="session"),
    "hold cls": lambda: hold(Fits, per="session"),
    "ByAgent": lambda: Router(PO, ByAgent(explorer="c")),
    "ByAgent int": lambda: Router(PO, ByAgent(explorer=5)),
    "ByPhase": lambda: Router(PO, ByPhase(planing="a")),
    "Rules when": lambda: Rules().prefer("a", when="x"),
    "Rules target": lambda: Router(PO, Rules().prefer("c")),
    "Rules require int": lambda: Router(PO, Rules().require(5)),
    "Stick to": lambda: Stick(to="model"),
    "Cheapest": lambda: Cheapest(output="x"),
    "Cheapest when": lambda: Cheapest(when=5),
    "Recovery": lambda: Recovery(patience="x"),
    "Recovery so": lambda: Recovery(second_opinion=1),
    "Judge": lambda: Router(PO, verify=Judge("c", "good?")),
    "Judge thr": lambda: Judge("a", "good?", threshold=5),
    "Judge crit": lambda: Judge("a", 5),
    "Schema": lambda: Schema("x"),
    "JsonLines": lambda: JsonLines(5),
    "Catalog": lambda: Catalog({"openai": 1}),
    "Catalog val": lambda: Catalog({("openai", "x"): Price(1, 2)}),
    "catalog.target": lambda: target(5),
    "Limits": lambda: Limits(first="5"),
    "CacheHints": lambda: CacheHints(breakpoints="x"),
    "Clients str": lambda: Clients({"a": "gpt-4"}),
    "Clients empty": lambda: Clients({}),
    "Clients router": lambda: Clients({"a": OpenAIClient(model="gpt-4.1", api_key="k")}, router=PO),
    "complete str": lambda: CL().complete("hi"),
    "complete empty": lambda: CL().complete([]),
    "complete role": lambda: CL().complete([{"role": "usr", "content": "hi"}]),
    "complete sesion": lambda: CL().complete(H, sesion="s"),
    "complete temprature": lambda: CL().complete(H, temprature=1),
    "complete temp": lambda: CL().complete(H, temperature=5),
    "complete temp str": lambda: CL().complete(H, temperature="1"),
    "complete max": lambda: CL().complete(H, max_tokens=0),
    "complete max str": lambda: CL().complete(H, max_tokens="5"),
    "complete target": lambda: CL().complete(H, target="zz"),
    "complete tools": lambda: CL().complete(H, tools="x"),
    "complete tools2": lambda: CL().complete(H, tools=[{"name": "x"}]),
    "complete choice": lambda: CL().complete(H, tools=[TOOL], tool_choice=5),
    "complete choice unknown": lambda: CL().complete(H, tools=[TOOL], tool_choice="yy"),
    "complete labels": lambda: CL().complete(H, labels=["x"]),
    "complete deadline": lambda: CL().complete(H, deadline="soon"),
    "complete limits": lambda: CL().complete(H, limits=5),
    "complete agent": lambda: CL().complete(H, agent=5),
    "complete extra": lambda: CL().complete(H, extra=5),
    "complete stop": lambda: CL().complete(H, stop=5),
    "complete model": lambda: CL().complete(H, model="x"),
    "request model": lambda: OpenAIClient(model="m", api_key="k").request(model="x"),
    "LC str": lambda: ChatSwitchwise("openai:gpt-4.1"),
    "LC model": lambda: ChatSwitchwise(model="gpt-4.1"),
    "LC empty": lambda: ChatSwitchwise([]),
    "LC none": lambda: ChatSwitchwise(),
    "LC strs": lambda: ChatSwitchwise(["gpt-4.1"]),
    "LC cls": lambda: ChatSwitchwise([FakeListChatModel]),
    "LC dup": lambda: ChatSwitchwise([FAKE()] * 2),
    "LC temprature": lambda: ChatSwitchwise([FAKE()], temprature=1),
    "LC router": lambda: ChatSwitchwise({"a": FAKE()}, router=PO),
    "LC router names": lambda: ChatSwitchwise({"zz": FAKE()}, router=R()),
    "LC aim": lambda: ChatSwitchwise([FAKE()], aim="cheap"),
    "LC traget": lambda: L().invoke("hi", config={"configurable": {"switchwise_traget": "a"}}),
    "LC target unknown": lambda: L().invoke("hi", config={"configurable": {"switchwise_target": "zz"}}),
    "LC model unknown": lambda: L().invoke("hi", model="zz"),
    "LC deadline": lambda: L().invoke("hi", switchwise_deadline="soon"),
    "LC limits": lambda: L().invoke("hi", switchwise_limits={"frist": 1}),
    "LC sw_sesion": lambda: L().invoke("hi", switchwise_limit={"first": 1}),
    "LC labels": lambda: L().invoke("hi", config={"configurable": {"switchwise_labels": ["a"]}}),
    "LC mw": lambda: SwitchwiseMiddleware(L()),
    "LI str": lambda: Switchwise("openai:gpt-4.1"),
    "LI empty": lambda: Switchwise([]),
    "LI strs": lambda: Switchwise(["mistral:x"]),
    "LI route str": lambda: I().chat([], route="fast"),
    "LI deadline": lambda: I().chat([], route={"deadline": "soon"}),
    "LI target": lambda: I().chat([], route={"target": "zz"}),
    "LI router": lambda: Switchwise({"a": MockLLM()}, router=PO),
    "LI temprature": lambda: Switchwise([MockLLM()], temprature=1),
    "Ask": lambda: Ask.text("hi", to=5),
    "Verdict": lambda: Verdict("yes"),
    "Level": lambda: Level.parse("sesion"),
    "from_file": lambda: Router.from_file("/nonexistent.toml"),
}
"""Each is refused by `ConfigurationError`, with the name of what is wrong."""
NATIVE: dict[str, tuple[type[Exception], str, Callable[[], Any]]] = {
    "an argument that there is not": (TypeError, "verifyy", lambda: Router(PO, verifyy=1)),
    "an argument of Router.default": (TypeError, "verfy", lambda: Router.default(PO, verfy=NotEmpty())),
    "an argument of a policy": (TypeError, "frist", lambda: Fits(frist=1)),
    "an argument that is missing": (TypeError, "because", lambda: Predicate(5)),
    "a prompt that is none": (ValueError, "Invalid input type", lambda: L().invoke(None)),
    "a word of an enumeration": (ValueError, "'x' is not a valid EndReason", lambda: EndReason("x")),
}
"""Python's or the framework's own error names it well enough, and people know it."""
ALLOWED: dict[str, tuple[str, Callable[[], Any]]] = {
    "usage of another type": (
        "what a performer reports is data: it must not cost an answer that is paid for",
        lambda: Usage("5", 1),
    ),
    "a list of clients": ("each has a model to be named by", lambda: Clients([OpenAIClient(model="gpt-4.1", api_key="k")])),
    "a label of one's own": ("rules and budgets may go by any", lambda: I().chat([], route={"squad": "red"})),
    "a circuit that nobody knows": ("there is nothing to mend, which is what was wanted", lambda: R().reset("gone")),
    "a deadline that has passed": (
        "it is a moment like any other: the call says so",
        lambda: R().decide(View(Scope(deadline=0))),
    ),
}


def test_f8_there_are_more_than_a_hundred() -> None:
    assert len(REFUSED) > 150


@pytest.mark.parametrize("name", list(REFUSED))
def test_f8_it_is_refused_by_name_with_the_remedy(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ConfigurationError) as refused:
            REFUSED[name]()
    assert len(str(refused.value)) > 15


@pytest.mark.parametrize("name", list(NATIVE))
def test_f8_pythons_own_error_names_it(name: str) -> None:
    error, message, use = NATIVE[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(error, match=message):
            use()


@pytest.mark.parametrize("name", list(ALLOWED))
def test_f8_it_is_allowed_on_purpose(name: str) -> None:
    because, use = ALLOWED[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        use()
    assert because


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        (lambda: I().chat([], route={"sesion": "s"}), "session"),
        (lambda: CL().complete(H, temprature=1), "temperature"),
        (lambda: L().invoke("hi", {"configurable": {"switchwise_traget": "a"}}), "switchwise_target"),
        (lambda: Limits.read({"frist": 1}), "first"),
        (lambda: OpenAIClient(model="m", api_keey="k"), "api_key"),
    ],
)
def test_f8_the_error_suggests_what_was_meant(wrong: Callable[[], Any], meant: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ConfigurationError, match=f"did you mean '{meant}'"):
            wrong()
