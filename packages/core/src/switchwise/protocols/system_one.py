"""Converts questions to a request of the System One interface (`POST /v1/systemone`), and parses its answers.

The API of TypeSafe's Jev and of many servers: Databricks, Fireworks, OpenRouter, LiteLLM's proxy, `llama-server`.

Source: the openapi.json of typesafe-sdk 0.7.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchwise.nouns.errors import FailureKind, TargetError
from switchwise.nouns.exchange.ask import Ask, Kind, Question
from switchwise.nouns.exchange.reply import Answer, Reply
from switchwise.nouns.usage import usage_of
from switchwise.protocols.ask_text import json_about
from switchwise.protocols.odds import levels, odds


def request(ask: Ask, model: str) -> dict[str, Any]:
    """Return the body of a request.

    Raises:
        TargetError: the interface has no such question: free text or an embedding.

    >>> body = request(Ask({"route": Question.choice("How hard?", {"easy": "one step", "hard": ""})}, about="2 + 2", to="jev"), "jev-1.14.0")
    >>> body["state"], body["questions"]["route"]["criteria"]
    ('2 + 2', {'easy': 'one step', 'hard': None})
    """
    questions = {name: _question(question) for name, question in ask.questions.items()}
    return {"model": model, "state": json_about(ask), "questions": questions}


def reply(ask: Ask, body: Mapping[str, Any]) -> Reply:
    """Parse the body of a response; missing or invalid answers are unknown."""
    given = body.get("answers")
    found = given if isinstance(given, Mapping) else {}
    answers = {name: _answer(question, found.get(name)) for name, question in ask.questions.items()}
    return Reply(usage=usage_of(body.get("usage")), raw=body, model=str(body.get("model") or ""), answers=answers)


def _question(question: Question) -> dict[str, Any]:
    made: dict[str, Any] = {"instructions": question.instructions if question.detail is None else question.detail}
    if question.is_yes_no:
        sides = {("true" if option.label else "false"): option.description for option in question.options if option.description}
        return {"type": "noul", **made, **({"criteria": sides} if sides else {})}
    if question.kind is Kind.LABELS:
        criteria = {str(option.label): option.description or None for option in question.options}
        return {"type": "choice", **made, "criteria": criteria}
    if question.kind is Kind.SCORE:
        described = [f"{o.label}: {o.description}" if o.description else str(o.label) for o in question.options]
        return {"type": "score", **made, "criteria": described}
    raise TargetError(FailureKind.UNSUPPORTED, f"a decision model answers no question of the kind {question.kind.value!r}")


def _answer(question: Question, given: Any) -> Answer:
    if not isinstance(given, Mapping):
        return Answer(because="it left the question out")
    if question.is_yes_no:
        return odds(question, {True: given.get("noul")})
    rows = given.get("probabilities")
    found = rows if isinstance(rows, Mapping) else {}
    return levels(question, given.get("score"), found) if question.kind is Kind.SCORE else odds(question, found)
