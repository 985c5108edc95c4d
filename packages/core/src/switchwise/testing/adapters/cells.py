"""The cells of the table: requirements of every adapter, one function each.

A cell raises `AssertionError` if the adapter fails it, and `NotHere` if it does not apply.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchwise.dialects import Dialect
from switchwise.engine.recovery import Recovery
from switchwise.nouns.call import Attempt
from switchwise.nouns.target import Pool, Target
from switchwise.router import Router
from switchwise.testing.adapters import behaviours, servers, several
from switchwise.testing.adapters.cases import Case
from switchwise.testing.adapters.common import Cell, asked, kinds_of, loopback
from switchwise.testing.adapters.face import Face, ModelEndpoint, NeutralRequest, NotHere
from switchwise.testing.adapters.portability import CASES, UNSUPPORTED
from switchwise.testing.adapters.sent import turns_of
from switchwise.testing.server import ScriptedServer, chat_completion

BEHAVIOURS: Mapping[str, Cell] = {
    "fallback": behaviours.falls_back,
    "kinds of failures": behaviours.names_failures,
    "the caller's own fault": behaviours.blames_the_caller,
    "all fail": behaviours.reports_when_all_fail,
    "nothing shown twice": behaviours.never_repeats,
    "streams": behaviours.streams,
    "usage": behaviours.counts_tokens,
    "end reasons": behaviours.reports_ends,
    "decisions": behaviours.records_decisions,
    "levels": behaviours.keeps_levels,
    "cache hints": behaviours.hints_at_caches,
    "pins": behaviours.pins,
    "hedging": several.hedges,
    "consensus": several.agrees,
    "B2 a usage record is an end": servers.ends_with_usage,
    "B3 a new id begins a new call": servers.separates_calls,
    "B7 reasoning stays with its model": servers.keeps_reasoning,
    "B9 stream_options=None": servers.leaves_out_usage_options,
    "B11 a whole answer needs no marker": servers.takes_whole_answers,
}


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

    check.__doc__ = f"It is sent as: {case.sends}."
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
        endpoints = {"target": ModelEndpoint(home.get(wire, server.url), dialect.name, model, thinking)}
        if case.begun_by:
            if reason := face.speaks(case.begun_by):
                raise NotHere(reason)
            begins = "claude-sonnet-4-5" if case.begun_by == "anthropic" else "gpt-4o-mini"
            endpoints["maker"] = ModelEndpoint(
                home[case.begun_by], case.begun_by, begins, 1024 if case.begun_by == "anthropic" else 0
            )
        pool = Pool([Target(name, name, endpoint.model) for name, endpoint in endpoints.items()])
        adapter = face.build(endpoints, Router(pool, recovery=Recovery(patience=0)))
        messages: list[Any] = list(case.messages)
        if case.begun_by:
            made = asked(face, adapter, NeutralRequest(messages, case.tools, target="maker"))
            messages.append(made.message)
            messages += [{"role": "tool", "tool_call_id": id_, "content": "found"} for id_, _, _ in made.calls]
        before = len(provider.requests)
        given = asked(face, adapter, NeutralRequest(messages, case.tools, case.settings, target="target"))
        assert given.record["target"] == "target"
        body = provider.requests[before].body if wire else server.requests[-1]
        assert case.right(turns_of(body), body, dialect), f"{dialect.name}: {body}"


def _refused(face: Face, case: Case, dialect: Dialect) -> None:
    """Another target is called, and nothing is sent to the first."""
    journal: list[Attempt] = []
    with (
        ScriptedServer(chat_completion({"content": "no"})) as first,
        ScriptedServer(chat_completion({"content": "yes"})) as second,
    ):
        endpoints = {
            "first": ModelEndpoint(first.url, dialect.name, "m"),
            "second": ModelEndpoint(second.url, "openai-chat", "gpt-4o-audio-preview"),
        }
        pool = Pool([Target(name, name, endpoint.model) for name, endpoint in endpoints.items()])
        adapter = face.build(endpoints, Router(pool, observers=[journal.append]))
        assert asked(face, adapter, NeutralRequest(case.messages, case.tools, case.settings)).text == "yes"
        assert not first.requests
    assert kinds_of(journal) == ["unsupported", "ok"], kinds_of(journal)


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
