"""Converts questions to a request of OpenAI's Decisions API (`POST /v1/decisions`), and parses its answers.

Source: the types of openai 3.57, generated from OpenAI's specification; in beta.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchwise.nouns.errors import FailureKind, TargetError
from switchwise.nouns.exchange.ask import Ask, Kind, Question
from switchwise.nouns.exchange.reply import Answer, Label, Reply
from switchwise.nouns.usage import usage_of
from switchwise.protocols.ask_text import about_of, json_about
from switchwise.protocols.odds import levels, odds


def request(ask: Ask, model: str) -> dict[str, Any]:
    """Return the body of a request. A list of messages is judged as it is, any other value as text or JSON.

    Raises:
        TargetError: the API has no such question: free text or an embedding.

    >>> body = request(Ask({"hard": Question.yes_no("Is it hard?")}, about="2 + 2", to="luna"), "gpt-6-luna")
    >>> body["input"], body["questions"]
    ('2 + 2', [{'type': 'predicate', 'name': 'hard', 'instructions': 'Is it hard?'}])
    """
    about = ask.about
    messages = isinstance(about, list) and all(
        isinstance(item, Mapping) and ("role" in item or "type" in item) for item in about
    )
    return {
        "model": model,
        "input": json_about(ask) if messages else about_of(ask),
        "questions": [_question(name, question) for name, question in ask.questions.items()],
    }


def reply(ask: Ask, body: Mapping[str, Any]) -> Reply:
    """Parse the body of a response; declined, missing or invalid answers are unknown."""
    given = body.get("answers")
    found = given if isinstance(given, list) else []
    by_name = {str(answer.get("name")): answer for answer in found if isinstance(answer, Mapping)}
    answers = {name: _answer(question, by_name.get(name)) for name, question in ask.questions.items()}
    return Reply(usage=usage_of(body.get("usage")), raw=body, model=str(body.get("model") or ""), answers=answers)


def _question(name: str, question: Question) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "instructions": question.instructions if question.detail is None else question.detail}
    if question.is_yes_no:
        described = [f"{'Yes' if o.label else 'No'}: {o.description}" for o in question.options if o.description]
        if described and question.detail is None:
            made["instructions"] = "\n".join([question.instructions, *described])
        return {"type": "predicate", **made}
    options = [(option.label, option.description) for option in question.options]
    if question.kind is Kind.LABELS:
        return {"type": "choice", **made, "choices": [_described("value", *option) for option in options]}
    if question.kind is Kind.SCORE:
        return {"type": "score", **made, "levels": [_described("label", *option) for option in options]}
    raise TargetError(FailureKind.UNSUPPORTED, f"a decision model answers no question of the kind {question.kind.value!r}")


def _described(word: str, label: Label, description: str) -> dict[str, Any]:
    return {word: label, "description": description} if description else {word: label}


def _answer(question: Question, given: Mapping[str, Any] | None) -> Answer:
    if given is None:
        return Answer(because="it left the question out")
    if given.get("type") == "refusal":
        return Answer(because="it declined")
    if question.is_yes_no:
        return odds(question, {True: given.get("probability")})
    rows = given.get("probabilities")
    valid = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    found = {row["value"]: row.get("probability") for row in valid if isinstance(row.get("value"), str | int | float)}
    return levels(question, given.get("score"), found) if question.kind is Kind.SCORE else odds(question, found)
