"""The System One interface: typed questions about a state, answered with probabilities.

An answer is scripted as for OpenAI's Decisions (`openai.decisions`): a label, a level or a probability for all questions, or a JSON object with
one of these for each question by its id. A mapping of labels to probabilities is taken as it is, whatever it adds up to; null leaves the
question out. Answers do not depend on the ids, the order or the number of the questions.

Source: the openapi.json of typesafe-sdk 0.7.5. `assets` are refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..nouns.errors import Reject
from ..nouns.prompt import Prompt, openai_prompt
from ..nouns.types import Request, Turn
from ..serving.disturbed import Event
from ..serving.faults import Fault
from ..serving.wire import Reply, dumps

FIELDS = frozenset(["model", "state", "questions"])
CRITERIA: Mapping[str, tuple[type, int, int]] = {
    # type of question: what its criteria are, and how many there may be
    "noul": (dict, 0, 2),
    "choice": (dict, 2, 255),
    "score": (list, 2, 10),
}
SURE = 0.9


class SystemOne:
    """POST /v1/systemone."""

    provider = "typesafe"
    api = "systemone"

    def check(self, body: Mapping[str, Any]) -> None:
        """Raise `Reject` for what the specification does not allow."""
        for key in body:
            if key not in FIELDS:
                raise _invalid(f"Extra inputs are not permitted: {key}", key)
        for key in ("model", "state", "questions"):
            if body.get(key) is None:
                raise _invalid("Field required", key)
        if not isinstance(body["state"], str | dict | list):
            raise _invalid("Input should be a string, an object or an array", "state")
        questions = body["questions"]
        if not isinstance(questions, dict) or not questions:
            raise _invalid("Input should be an object with at least one question", "questions")
        for name, question in questions.items():
            _check_question(question, f"questions.{name}")

    def prompt(self, body: Mapping[str, Any]) -> Prompt:
        """The state, then the questions."""
        parsed = [{"role": "user", "content": _text(body["state"])}, {"role": "user", "content": dumps(body["questions"])}]
        return openai_prompt({"model": body.get("model"), "messages": parsed})

    def overflow(self, prompt: int, max_tokens: int, window: int) -> Reject:  # noqa: ARG002  (there is no such limit)
        """A 422: the state and the longest question are too long."""
        return _invalid(f"state and questions have {prompt} tokens, more than the {window} that the model takes", "state")

    def read(self, body: Mapping[str, Any]) -> Request:
        """The neutral request; its body holds the questions."""
        return Request(self.provider, self.api, body["model"], (Turn("user", _text(body["state"])),), body=body)

    def whole(self, reply: Reply) -> dict[str, Any]:
        """The answers by id."""
        questions, parsed = reply.request.body["questions"], _parsed(reply.answer.text)
        found = {
            name: _answered(question, parsed.get(name) if isinstance(parsed, dict) else parsed)
            for name, question in questions.items()
        }
        model = reply.request.model
        return {
            "model": model.replace("-latest", "-1.14.0"),
            "answers": {name: answer for name, answer in found.items() if answer is not None},
            "usage": {"input_tokens": reply.usage.input_tokens, "output_tokens": len(questions)},
        }

    def stream(self, reply: Reply) -> Iterator[Event]:
        """Never called: the API does not stream."""
        raise NotImplementedError(reply.request.api)

    def failures(self, _: Reply, /) -> Mapping[Fault, tuple[Event, ...]]:
        """None: the API does not stream."""
        return {}


def _check_question(question: Any, where: str) -> None:
    kind: Any = question.get("type") if isinstance(question, dict) else None
    if kind not in CRITERIA:
        raise _invalid(f"Input should be a question of the type {', '.join(CRITERIA)}", where)
    for key in question:
        if key not in ("type", "instructions", "criteria"):
            raise _invalid(f"Extra inputs are not permitted: {key}", where)
    row: tuple[Any, int, int] = CRITERIA[kind]
    shape, least, most = row
    criteria: Any = question.get("criteria")
    if criteria is None and kind == "noul":
        return
    if not isinstance(criteria, shape) or not least <= len(criteria) <= most:
        raise _invalid(f"criteria: give {least} to {most}", where)
    if kind == "noul" and not {"true", "false"}.issuperset(criteria):
        raise _invalid("criteria: the sides are true and false", where)


def _invalid(message: str, where: str) -> Reject:
    return Reject(422, message, "value_error", where)


def _text(state: Any) -> str:
    return state if isinstance(state, str) else dumps(state)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _answered(question: Mapping[str, Any], parsed: Any) -> dict[str, Any] | None:
    kind, number = question["type"], isinstance(parsed, int | float) and not isinstance(parsed, bool)
    if parsed is None:
        return None
    if kind == "noul":
        return {"type": "noul", "noul": float(parsed) if number else 0.5}
    if kind == "choice":
        labels = list(question["criteria"])
        if isinstance(parsed, dict):
            odds = {str(label): float(likely) for label, likely in parsed.items()}
        else:
            chosen = parsed if parsed in labels else labels[0]
            odds = {label: SURE if label == chosen else (1 - SURE) / (len(labels) - 1) for label in labels}
        return {
            "type": "choice",
            "choice": max(odds, key=odds.__getitem__),
            "confidence": _confidence(odds),
            "probabilities": odds,
        }
    last = len(question["criteria"]) - 1
    score = min(max(float(parsed), 0.0), float(last)) if number else last / 2
    odds = {str(at): max(0.0, 1 - abs(at - score)) for at in range(last + 1)}
    legend = {str(at): level for at, level in enumerate(question["criteria"])}
    return {"type": "score", "score": score, "confidence": _confidence(odds), "legend": legend, "probabilities": odds}


def _confidence(odds: Mapping[str, float]) -> float:
    """Distance of the most likely answer from a uniform one, by TypeSafe's formula."""
    even = 1 / len(odds)
    return max(0.0, (max(odds.values()) - even) / (1 - even)) if len(odds) > 1 else 1.0
