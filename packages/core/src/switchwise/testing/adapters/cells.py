"""What every adapter must do: one function for each cell of the table. Servers are the loopback provider, and one that says what it is told to.

A cell raises `AssertionError` where the adapter does not, and `NotHere` where it means nothing for it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from switchwise.dialects import Dialect
from switchwise.engine.policy import hold
from switchwise.engine.recovery import Recovery
from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import AllTargetsFailed, FailureKind, Interrupted
from switchwise.nouns.reply import EndReason
from switchwise.nouns.scope import Level
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Capabilities, Pool, Target
from switchwise.nouns.view import View
from switchwise.prompt_cache.cache_hints import CacheHints
from switchwise.router import Router
from switchwise.testing.adapters.face import HELLO, TOOL, Ask, Endpoint, Face, NotHere, Said
from switchwise.testing.adapters.portability import CASES, UNSUPPORTED, Case
from switchwise.testing.adapters.sent import turns_of
from switchwise.testing.server import ScriptedServer, chat_chunks, chat_completion

if TYPE_CHECKING:
    from switchwise_loopback import LoopbackProvider

Cell = Callable[[Face], None]
_LOOP = asyncio.Runner()
_WAYS = tuple(itertools.product((False, True), (False, True)))
_KINDS: Mapping[str, tuple[FailureKind, ...]] = {
    "RATE_LIMIT": (FailureKind.RATE_LIMIT,),
    "QUOTA": (FailureKind.QUOTA,),
    "TOO_LARGE": (FailureKind.TOO_LARGE,),
    "OVERLOADED": (FailureKind.OVERLOADED, FailureKind.SERVER_ERROR),
    "UNAVAILABLE": (FailureKind.SERVER_ERROR,),
    "AUTHENTICATION": (FailureKind.AUTHENTICATION,),
    "NOT_FOUND": (FailureKind.NOT_FOUND,),
    "CONTEXT_OVERFLOW": (FailureKind.CONTEXT_OVERFLOW,),
    "RESET": (FailureKind.CONNECTION,),
    "STREAM_ERROR_FIRST": (FailureKind.OVERLOADED, FailureKind.SERVER_ERROR),
}


# -- what the cells share


def asked(face: Face, adapter: Any, request: Ask, asynchronous: bool = False) -> Said:
    """Ask in one of the two ways. All asynchronous calls are made on one event loop."""
    return _LOOP.run(face.aask(adapter, request)) if asynchronous else face.ask(adapter, request)


@contextmanager
def loopback(**options: Any) -> Iterator[LoopbackProvider]:
    """The loopback provider.

    Raises:
        NotHere: it is not installed.
    """
    try:
        from switchwise_loopback import LoopbackProvider
    except ImportError as error:
        raise NotHere("needs switchwise[loopback]") from error
    with LoopbackProvider(**options) as provider:
        yield provider


def two(
    face: Face, url: str, journal: list[Attempt] | None = None, *policies: Any, can: Capabilities | None = None, **options: Any
) -> Any:
    """An adapter over two targets of two providers, named `one` and `two`."""
    endpoints = {name: Endpoint(url, model=model) for name, model in (("one", "gpt-4.1-mini"), ("two", "gpt-4o-mini"))}
    hints = options.pop("hints", None)
    endpoints = {name: Endpoint(each.url, model=each.model, options=options) for name, each in endpoints.items()}
    pool = Pool([Target(name, name, endpoints[name].model, can=can or Capabilities()) for name in endpoints])
    sinks = [] if journal is None else [journal.append]
    return face.build(endpoints, Router(pool, *policies, journal=sinks, recovery=Recovery(patience=0)), hints)


def _raised(act: Callable[[], object]) -> Exception:
    """What is raised."""
    try:
        act()
    except Exception as error:  # noqa: BLE001  (whatever an SDK or a framework raises)
        return error
    raise AssertionError("nothing was raised")


def _kinds(journal: list[Attempt]) -> list[str]:
    return [str(attempt.kind.value) if attempt.kind else "ok" if attempt.reply else "abandoned" for attempt in journal]


# -- fallback, faults, streams


def falls_back(face: Face) -> None:
    """The next target answers where the first fails: whole and streamed, synchronously and not; the record says so."""
    with loopback() as provider:
        from switchwise_loopback import Fault

        for streamed, asynchronous in _WAYS:
            provider.inject(Fault.SERVER_ERROR, model="gpt-4.1-mini")
            said = asked(face, two(face, provider.openai_url), Ask(streamed=streamed), asynchronous)
            tried = [(attempt["target"], str(attempt["result"])) for attempt in said.record["attempts"]]
            assert tried == [("one", "server_error"), ("two", "accepted")], tried
            assert "gpt-4o-mini" in said.text


def names_failures(face: Face) -> None:
    """Every failure has its kind."""
    with loopback() as provider:
        from switchwise_loopback import Fault

        for (name, kinds), streamed in itertools.product(_KINDS.items(), (False, True)):
            journal: list[Attempt] = []
            provider.inject(Fault[name], model="gpt-4.1-mini")
            asked(face, two(face, provider.openai_url, journal), Ask(streamed=streamed))
            assert [attempt.target.name for attempt in journal] == ["one", "two"], name
            assert journal[0].kind in kinds, f"{name}: {journal[0].kind}"


def blames_the_caller(face: Face) -> None:
    """The caller's own fault is raised, and nobody else is asked."""
    with loopback() as provider:
        from switchwise_loopback import Fault

        journal: list[Attempt] = []
        provider.inject(Fault.BAD_REQUEST, times=None)
        error = _raised(lambda: asked(face, two(face, provider.openai_url, journal), Ask()))
        assert "temperature" in str(error), error
        assert _kinds(journal) == ["bad_request"], _kinds(journal)


def tells_when_all_fail(face: Face) -> None:
    """The error holds each provider's own, in order, after a bounded number of attempts."""
    with loopback() as provider:
        from switchwise_loopback import Fault

        provider.inject(Fault.SERVER_ERROR, times=None)
        for streamed, asynchronous in _WAYS:
            before = len(provider.requests)
            adapter, request = two(face, provider.openai_url), Ask(streamed=streamed)
            failed = _raised(partial(asked, face, adapter, request, asynchronous))
            assert isinstance(failed, AllTargetsFailed), failed
            own = [{kind.__name__ for kind in type(error).__mro__} for error in failed.exceptions]
            assert ["InternalServerError" in names for names in own] == [True, True], own
            assert len(provider.requests) - before == 2, "attempts are bounded"


def never_repeats(face: Face) -> None:
    """A stream that breaks after a word is not gone on with by another target; one that breaks before is."""
    with loopback() as provider:
        from switchwise_loopback import Fault

        for fault in (Fault.STREAM_CUT, Fault.RESET_MID_STREAM, Fault.STREAM_ERROR_MID):
            for asynchronous in (False, True):
                journal: list[Attempt] = []
                provider.inject(fault, model="gpt-4.1-mini", after=2)
                adapter = two(face, provider.openai_url, journal)
                error = _raised(partial(asked, face, adapter, Ask(streamed=True), asynchronous))
                assert isinstance(error, Interrupted), f"{fault.name}: {error!r}"
                assert [attempt.target.name for attempt in journal] == ["one"]
        journal = []
        provider.inject(Fault.STREAM_CUT, model="gpt-4.1-mini", after=0)
        asked(face, two(face, provider.openai_url, journal), Ask(streamed=True))
        assert _kinds(journal) == ["connection", "ok"], _kinds(journal)


def streams(face: Face) -> None:
    """A stream comes in several pieces that add up to the answer; one that is left is settled as abandoned."""
    with loopback() as provider:
        for asynchronous in (False, True):
            journal: list[Attempt] = []
            adapter = two(face, provider.openai_url, journal)
            said = asked(face, adapter, Ask(streamed=True), asynchronous)
            assert len(said.pieces) > 1
            assert "".join(said.pieces) == said.text == asked(face, adapter, Ask()).text
            assert journal[0].reply is not None
            assert journal[0].reply.first_chunk is not None
            asked(face, adapter, Ask(streamed=True, leave_after=1), asynchronous)
            assert journal[-1].abandoned


# -- usage, ends, records


def counts_tokens(face: Face) -> None:
    """Usage is what the provider told, whole and streamed."""
    with loopback() as provider:
        for streamed, asynchronous in _WAYS:
            journal: list[Attempt] = []
            asked(face, two(face, provider.openai_url, journal), Ask(streamed=streamed), asynchronous)
            reply, told = journal[0].reply, provider.requests[-1].usage
            assert reply is not None
            assert reply.usage is not None, "no usage"
            assert told is not None
            assert reply.usage.output_tokens == told.output_tokens, (reply.usage, told)


def tells_ends(face: Face) -> None:
    """Why an answer ended, in one vocabulary."""
    expected = {
        "stop": EndReason.STOP,
        "length": EndReason.LENGTH,
        "content_filter": EndReason.REFUSAL,
        "new_word": EndReason.UNKNOWN,
    }
    for (finish, end), streamed in itertools.product(expected.items(), (False, True)):
        journal: list[Attempt] = []
        said = chat_chunks({"content": "Hello"}, finish=finish) if streamed else chat_completion({"content": "Hello"}, finish)
        with ScriptedServer(said) as server:
            asked(face, two(face, server.url, journal), Ask(streamed=streamed))
        assert journal[0].reply is not None
        assert journal[0].reply.end is end, (finish, journal[0].reply.end)


def records_decisions(face: Face) -> None:
    """Each answer says which target gave it, who decided so and why, under an id for feedback."""

    def second(_: View, shortlist: Shortlist) -> Shortlist:
        return shortlist.prefer(["two"], "the second is cheaper")

    with loopback() as provider:
        adapter = two(face, provider.openai_url, None, second)
        seen = set()
        for streamed, asynchronous in _WAYS:
            record = asked(face, adapter, Ask(streamed=streamed), asynchronous).record
            assert record["target"] == "two"
            assert record["because"] == "the second is cheaper"
            assert record["policy"]
            assert record["accepted"] is True
            seen.add(record["decision"])
        assert len(seen) == len(_WAYS), "each decision has an id of its own"


def keeps_levels(face: Face) -> None:
    """What is held per session stays for the session, and for no other."""
    turns = itertools.count()

    def rotate(_: View, shortlist: Shortlist) -> Shortlist:
        return shortlist.prefer([("one", "two")[next(turns) % 2]], "in turn")

    with loopback() as provider:
        adapter = two(face, provider.openai_url, None, hold(rotate, per=Level.SESSION))
        targets = [asked(face, adapter, Ask(session=session)).record["target"] for session in ("a", "a", "b", "a", "b")]
    assert targets == ["one", "one", "two", "one", "two"], targets


def hints_at_caches(face: Face) -> None:
    """Calls of one named session carry one key of affinity, and those of another another; a call without a name carries none."""
    with loopback() as provider:
        adapter = two(face, provider.openai_url, None, hints=CacheHints(endpoints={"127.0.0.1": "openai"}))
        for session in ("a", "a", "b", ""):
            asked(face, adapter, Ask(session=session))
        first, again, other, none = [seen.body.get("prompt_cache_key") for seen in provider.requests]
    assert first
    assert first == again
    assert other not in (None, first)
    assert none is None


def pins(face: Face) -> None:
    """The only target that may answer is named with the call."""
    with loopback() as provider:
        adapter = two(face, provider.openai_url)
        assert [asked(face, adapter, Ask(target=name)).record["target"] for name in ("two", "one")] == ["two", "one"]


# -- servers of their own kind


def _call(id_: str | None, arguments: str, name: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "tool_calls": [{"index": 0, "id": id_, "type": "function", "function": {"name": name, "arguments": arguments}, **more}]
    }


def ends_with_usage(face: Face) -> None:
    """A usage record ends a stream; without it and without a marker it was cut, unless its server is said to mark no ends."""
    with ScriptedServer(chat_chunks({"content": "He"}, {"content": "llo"}, finish=None)) as server:
        assert asked(face, two(face, server.url), Ask(streamed=True)).text == "Hello"
    with ScriptedServer(chat_chunks({"content": "Hello"}, finish=None, usage=False)) as server:
        cut = _raised(lambda: asked(face, two(face, server.url), Ask(streamed=True)))
        assert isinstance(cut, Interrupted), "a stream that was cut was taken for a whole one"
        unmarked = Capabilities(marks_end=False)
        assert asked(face, two(face, server.url, can=unmarked), Ask(streamed=True)).text == "Hello"


def takes_whole_answers(face: Face) -> None:
    """A whole answer needs no marker of its end."""
    with ScriptedServer(chat_completion({"content": "Hello"}, finish=None)) as server:
        for asynchronous in (False, True):
            assert asked(face, two(face, server.url), Ask(), asynchronous).text == "Hello"
        assert len(server.requests) == 2


def tells_calls_apart(face: Face) -> None:
    """A new id begins a new call, whatever its number."""
    pieces = [
        _call("a", '{"what":', "look_up"),
        _call(None, '"Kyiv"}'),
        _call("b", '{"what":', "look_up"),
        _call(None, '"Lviv"}'),
    ]
    with ScriptedServer(chat_chunks(*pieces, finish="tool_calls")) as server:
        for asynchronous in (False, True):
            said = asked(face, two(face, server.url), Ask(tools=[TOOL], streamed=True), asynchronous)
            assert said.calls == (("a", "look_up", {"what": "Kyiv"}), ("b", "look_up", {"what": "Lviv"})), said.calls


def keeps_reasoning(face: Face) -> None:
    """Reasoning and notes of calls go to no other model; where the framework reads them, back to their own in a tool loop."""
    said = {"reasoning_content": "Hm.", **_call("a", "{}", "look_up", extra_content={"signature": "s"})}
    own = {}
    with ScriptedServer(chat_completion(said, "tool_calls"), chat_completion({"content": "Fine."})) as server:
        adapter = two(face, server.url)
        answer = asked(face, adapter, Ask(tools=[TOOL], target="one")).message
        result = {"role": "tool", "tool_call_id": "a", "content": "found"}
        for target in ("one", "two"):
            asked(face, adapter, Ask([*HELLO, answer, result], tools=[TOOL], target=target))
        own, foreign = (request["messages"][1] for request in server.requests[1:])
    assert "reasoning_content" not in foreign, "another model was sent it"
    assert "extra_content" not in str(foreign)
    assert "index" not in str(foreign)
    if "reasoning_content" not in own:
        raise NotHere("its OpenAI integration does not read it; nobody else is sent it")
    assert own["tool_calls"][0]["extra_content"] == {"signature": "s"}


def leaves_out_usage_options(face: Face) -> None:
    """A server that refuses `stream_options` is not sent it, where that is said."""
    with ScriptedServer(chat_chunks({"content": "Hello"}, usage=False)) as server:
        asked(face, two(face, server.url, stream_options=None), Ask(streamed=True))
        asked(face, two(face, server.url), Ask(streamed=True))
    assert ["stream_options" in request for request in server.requests] == [False, True]


BEHAVIOURS: Mapping[str, Cell] = {
    "fallback": falls_back,
    "kinds of failures": names_failures,
    "the caller's own fault": blames_the_caller,
    "all fail": tells_when_all_fail,
    "nothing shown twice": never_repeats,
    "streams": streams,
    "usage": counts_tokens,
    "end reasons": tells_ends,
    "decisions": records_decisions,
    "levels": keeps_levels,
    "cache hints": hints_at_caches,
    "pins": pins,
    "B2 a usage record is an end": ends_with_usage,
    "B3 a new id begins a new call": tells_calls_apart,
    "B7 reasoning stays with its model": keeps_reasoning,
    "B9 stream_options=None": leaves_out_usage_options,
    "B11 a whole answer needs no marker": takes_whole_answers,
}


# -- portability


def portability(case: Case, unsupported: bool = False) -> Cell:
    """The cell of a row of the portability table: a dialect of every protocol that it concerns and the adapter speaks."""

    def check(face: Face) -> None:
        tried: list[str] = []
        for dialect in case.protocols:
            if reason := face.speaks(dialect.name):
                tried.append(reason)
            elif unsupported:
                _refused(face, case, dialect)
                tried = []
                break
            else:
                _sent_right(face, case, dialect)
        if len(tried) == len(case.protocols):
            raise NotHere(tried[0])

    check.__doc__ = f"{case.what}: {case.sends}."
    return check


def _sent_right(face: Face, case: Case, dialect: Dialect) -> None:
    wire = (
        dialect.protocol
        if dialect.protocol in ("openai-chat", "openai-responses", "anthropic") and dialect.name != "azure"
        else ""
    )
    with loopback(answer=_calls_once) as provider, ScriptedServer(chat_completion({"content": "There."})) as server:
        home = {
            "openai-chat": provider.openai_url,
            "openai-responses": provider.openai_url,
            "anthropic": provider.anthropic_url,
        }
        thinking = 1024 if case.thinking else 0
        model = "claude-opus-4-5" if dialect.protocol == "anthropic" else "gpt-4.1-mini"
        endpoints = {"target": Endpoint(home.get(wire, server.url), dialect.name, model, thinking)}
        if case.begun_by:
            if reason := face.speaks(case.begun_by):
                raise NotHere(reason)
            begins = "claude-sonnet-4-5" if case.begun_by == "anthropic" else "gpt-4o-mini"
            endpoints["maker"] = Endpoint(
                home[case.begun_by], case.begun_by, begins, 1024 if case.begun_by == "anthropic" else 0
            )
        pool = Pool([Target(name, name, endpoint.model) for name, endpoint in endpoints.items()])
        adapter = face.build(endpoints, Router(pool, recovery=Recovery(patience=0)))
        messages: list[Any] = list(case.messages)
        if case.begun_by:
            made = asked(face, adapter, Ask(messages, case.tools, target="maker"))
            messages.append(made.message)
            messages += [{"role": "tool", "tool_call_id": id_, "content": "found"} for id_, _, _ in made.calls]
        before = len(provider.requests)
        said = asked(face, adapter, Ask(messages, case.tools, case.settings, target="target"))
        assert said.record["target"] == "target"
        body = provider.requests[before].body if wire else server.requests[-1]
        assert case.right(turns_of(body), body, dialect), f"{dialect.name}: {body}"


def _refused(face: Face, case: Case, dialect: Dialect) -> None:
    """Another target is asked, and nothing was sent to the first."""
    journal: list[Attempt] = []
    with (
        ScriptedServer(chat_completion({"content": "no"})) as first,
        ScriptedServer(chat_completion({"content": "yes"})) as second,
    ):
        endpoints = {
            "first": Endpoint(first.url, dialect.name, "m"),
            "second": Endpoint(second.url, "openai-chat", "gpt-4o-audio-preview"),
        }
        pool = Pool([Target(name, name, endpoint.model) for name, endpoint in endpoints.items()])
        adapter = face.build(endpoints, Router(pool, journal=[journal.append]))
        assert asked(face, adapter, Ask(case.messages, case.tools, case.settings)).text == "yes"
        assert not first.requests
    assert _kinds(journal) == ["unsupported", "ok"], _kinds(journal)


def _calls_once(request: Any) -> Any:
    from switchwise_loopback import Answer, ToolCall

    if request.messages[-1].role == "user" and request.tools:
        return Answer("Let me see.", (ToolCall("look_up", {"what": "it"}),), reasoning="I should look it up.")
    return Answer("There it is.", reasoning="It was found.")


CELLS: Mapping[str, Cell] = {
    **BEHAVIOURS,
    **{f"portability: {case.what}": portability(case) for case in CASES},
    **{f"portability: {case.what} (unsupported)": portability(case, unsupported=True) for case in UNSUPPORTED},
}
"""Every cell, by its name."""
