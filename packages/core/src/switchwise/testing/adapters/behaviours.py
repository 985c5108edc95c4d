"""Fallback, faults, streams, usage, ends, records, levels, cache hints: over the loopback provider."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import partial

from switchwise import hold
from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import AllTargetsFailed, FailureKind, Interrupted
from switchwise.nouns.exchange.reply import EndReason
from switchwise.nouns.scope import Level
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.view import View
from switchwise.prompt_cache.cache_hints import CacheHints
from switchwise.testing.adapters.common import asked, kinds_of, loopback, raised, two
from switchwise.testing.adapters.face import Face, NeutralRequest
from switchwise.testing.server import ScriptedServer, chat_chunks, chat_completion

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


def falls_back(face: Face) -> None:
    """The next target answers if the first fails: whole and streamed, sync and async; the record shows it."""
    with loopback() as provider:
        from switchwise_loopback import Fault

        for streamed, asynchronous in _WAYS:
            provider.inject(Fault.SERVER_ERROR, model="gpt-4.1-mini")
            given = asked(face, two(face, provider.openai_url), NeutralRequest(streamed=streamed), asynchronous)
            tried = [(attempt["target"], str(attempt["result"])) for attempt in given.record["attempts"]]
            assert tried == [("one", "server_error"), ("two", "accepted")], tried
            assert "gpt-4o-mini" in given.text, given.text


def names_failures(face: Face) -> None:
    """Every failure has its kind."""
    with loopback() as provider:
        from switchwise_loopback import Fault

        for (name, kinds), streamed in itertools.product(_KINDS.items(), (False, True)):
            journal: list[Attempt] = []
            provider.inject(Fault[name], model="gpt-4.1-mini")
            asked(face, two(face, provider.openai_url, journal), NeutralRequest(streamed=streamed))
            assert [attempt.target.name for attempt in journal] == ["one", "two"], name
            assert journal[0].kind in kinds, f"{name}: {journal[0].kind}"


def blames_the_caller(face: Face) -> None:
    """An error of the caller is raised, and no other target is called."""
    with loopback() as provider:
        from switchwise_loopback import Fault

        journal: list[Attempt] = []
        provider.inject(Fault.BAD_REQUEST, times=None)
        error = raised(lambda: asked(face, two(face, provider.openai_url, journal), NeutralRequest()))
        assert "temperature" in str(error), error
        assert kinds_of(journal) == ["bad_request"], kinds_of(journal)


def reports_when_all_fail(face: Face) -> None:
    """The error contains each provider's own error, in order, after a bounded number of attempts."""
    with loopback() as provider:
        from switchwise_loopback import Fault

        provider.inject(Fault.SERVER_ERROR, times=None)
        for streamed, asynchronous in _WAYS:
            before = len(provider.requests)
            adapter, request = two(face, provider.openai_url), NeutralRequest(streamed=streamed)
            failed = raised(partial(asked, face, adapter, request, asynchronous))
            assert isinstance(failed, AllTargetsFailed), failed
            own = [{kind.__name__ for kind in type(error).__mro__} for error in failed.exceptions]
            assert ["InternalServerError" in names for names in own] == [True, True], own
            assert len(provider.requests) - before == 2, "attempts are bounded"


def never_repeats(face: Face) -> None:
    """A stream that breaks off after its first text does not fall back; one that breaks off before does."""
    with loopback() as provider:
        from switchwise_loopback import Fault

        for fault in (Fault.STREAM_CUT, Fault.RESET_MID_STREAM, Fault.STREAM_ERROR_MID):
            for asynchronous in (False, True):
                journal: list[Attempt] = []
                provider.inject(fault, model="gpt-4.1-mini", after=2)
                adapter = two(face, provider.openai_url, journal)
                error = raised(partial(asked, face, adapter, NeutralRequest(streamed=True), asynchronous))
                assert isinstance(error, Interrupted), f"{fault.name}: {error!r}"
                assert [attempt.target.name for attempt in journal] == ["one"]
        journal = []
        provider.inject(Fault.STREAM_CUT, model="gpt-4.1-mini", after=0)
        asked(face, two(face, provider.openai_url, journal), NeutralRequest(streamed=True))
        assert kinds_of(journal) == ["connection", "ok"], kinds_of(journal)


def streams(face: Face) -> None:
    """A stream has several pieces that add up to the answer; an abandoned one is settled as abandoned."""
    with loopback() as provider:
        for asynchronous in (False, True):
            journal: list[Attempt] = []
            adapter = two(face, provider.openai_url, journal)
            given = asked(face, adapter, NeutralRequest(streamed=True), asynchronous)
            assert len(given.pieces) > 1, f"the pieces are {given.pieces}"
            whole = asked(face, adapter, NeutralRequest()).text
            assert "".join(given.pieces) == given.text == whole, f"{given.pieces}, {whole!r}: the answer is {given.text!r}"
            assert journal[0].reply is not None
            assert journal[0].reply.first_chunk is not None, "Reply.first_chunk is not set"
            asked(face, adapter, NeutralRequest(streamed=True, leave_after=1), asynchronous)
            assert journal[-1].abandoned, kinds_of(journal)


# -- usage, ends, records


def counts_tokens(face: Face) -> None:
    """Usage equals the provider's report, whole and streamed."""
    with loopback() as provider:
        for streamed, asynchronous in _WAYS:
            journal: list[Attempt] = []
            asked(face, two(face, provider.openai_url, journal), NeutralRequest(streamed=streamed), asynchronous)
            reply, counted = journal[0].reply, provider.requests[-1].usage
            assert reply is not None
            assert reply.usage is not None, "no usage"
            assert counted is not None
            assert reply.usage.output_tokens == counted.output_tokens, (reply.usage, counted)


def reports_ends(face: Face) -> None:
    """Why an answer ended, in one vocabulary."""
    expected = {
        "stop": EndReason.STOP,
        "length": EndReason.LENGTH,
        "content_filter": EndReason.REFUSAL,
        "new_word": EndReason.UNKNOWN,
    }
    for (finish, end), streamed in itertools.product(expected.items(), (False, True)):
        journal: list[Attempt] = []
        given = chat_chunks({"content": "Hello"}, finish=finish) if streamed else chat_completion({"content": "Hello"}, finish)
        with ScriptedServer(given) as server:
            asked(face, two(face, server.url, journal), NeutralRequest(streamed=streamed))
        assert journal[0].reply is not None
        assert journal[0].reply.end is end, (finish, journal[0].reply.end)


def records_decisions(face: Face) -> None:
    """Each answer's record has target, policy, reason, and an id for feedback."""

    def second(_: View, shortlist: Shortlist) -> Shortlist:
        return shortlist.prefer(["two"], "the second is cheaper")

    with loopback() as provider:
        adapter = two(face, provider.openai_url, None, second)
        seen = set()
        for streamed, asynchronous in _WAYS:
            record = asked(face, adapter, NeutralRequest(streamed=streamed), asynchronous).record
            wanted = {"target": "two", "because": "the second is cheaper", "accepted": True}
            assert wanted.items() <= record.items(), record
            assert record["policy"], record
            seen.add(record["decision"])
        assert len(seen) == len(_WAYS), "each decision has an id of its own"


def keeps_levels(face: Face) -> None:
    """A preference held per session applies to that session only."""
    turns = itertools.count()

    def rotate(_: View, shortlist: Shortlist) -> Shortlist:
        return shortlist.prefer([("one", "two")[next(turns) % 2]], "in turn")

    with loopback() as provider:
        adapter = two(face, provider.openai_url, None, hold(rotate, per=Level.SESSION))
        targets = [
            asked(face, adapter, NeutralRequest(session=session)).record["target"] for session in ("a", "a", "b", "a", "b")
        ]
    assert targets == ["one", "one", "two", "one", "two"], targets


def hints_at_caches(face: Face) -> None:
    """Calls of a named session carry its affinity key; a call without a session name carries none."""
    with loopback() as provider:
        adapter = two(face, provider.openai_url, None, hints=CacheHints(endpoints={"127.0.0.1": "openai"}))
        for session in ("a", "a", "b", ""):
            asked(face, adapter, NeutralRequest(session=session))
        first, again, other, none = [seen.body.get("prompt_cache_key") for seen in provider.requests]
    keys = f"prompt_cache_key of sessions a, a, b and none: {[first, again, other, none]}"
    assert first, keys
    assert first == again, keys
    assert other not in (None, first), keys
    assert none is None, keys


def pins(face: Face) -> None:
    """A call can be pinned to a target."""
    with loopback() as provider:
        adapter = two(face, provider.openai_url)
        targets = [asked(face, adapter, NeutralRequest(target=name)).record["target"] for name in ("two", "one")]
        assert targets == ["two", "one"], targets
