"""OpenAI's Decisions API: typed questions about an input, answered with probabilities.

An answer is scripted as text: what is chosen, the level of a score, or a probability, for all questions (`Answer("hard")`); or a JSON
object with one of these for each question by name (`Answer('{"route": "hard", "urgent": 0.8}')`), where a mapping of labels to probabilities is
taken as it is and null leaves the question out. `Answer(stop_reason="refusal")` declines all of them. Where the text fits no question, the first choice, the middle level and even odds are answered.

Source: the types of openai 3.54, made from OpenAI's specification. What the API says when it refuses was never recorded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..nouns.errors import Reject, invalid
from ..nouns.prompt import Prompt, openai_prompt
from ..nouns.types import Request, Turn
from ..serving.disturbed import Event
from ..serving.faults import Fault
from ..serving.wire import Reply, dumps
from .tools import known, needed, not_empty, one_of, typed

PARAMETERS = frozenset("input model prompt_cache_key prompt_cache_options questions safety_identifier".split())
QUESTIONS: Mapping[str, frozenset[str]] = {
    # type: its own fields besides type, name and instructions
    "predicate": frozenset(),
    "choice": frozenset(["choices"]),
    "score": frozenset(["levels"]),
}
ITEMS = ("message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output")
PARTS: Mapping[str, tuple[str, ...]] = {
    "user": ("input_text", "input_image", "input_json"),
    "developer": ("input_text",),
    "system": ("input_text",),
    "assistant": ("output_text", "refusal"),
}
MOST_QUESTIONS, MOST_CHOICES = 400, 255
SURE = 0.9


class Decisions:
    """POST /v1/decisions."""

    provider = "openai"
    api = "decisions"

    def check(self, body: Mapping[str, Any]) -> None:
        """Raise `Reject` for what the specification does not allow."""
        for key in body:
            if key not in PARAMETERS:
                raise invalid(f"Unknown parameter: '{key}'.", key, "unknown_parameter")
        for key in ("model", "input", "questions"):
            if body.get(key) is None:
                raise invalid(f"Missing required parameter: '{key}'.", key, "missing_required_parameter")
        _check_input(body["input"])
        not_empty(body["questions"], "questions")
        _at_most(body["questions"], MOST_QUESTIONS, "questions")
        for at, question in enumerate(body["questions"]):
            _check_question(question, f"questions[{at}]")

    def prompt(self, body: Mapping[str, Any]) -> Prompt:
        """The input, then the questions."""
        asked = {"role": "user", "content": dumps(body["questions"])}
        given = body["input"] if isinstance(body["input"], list) else [{"role": "user", "content": body["input"]}]
        return openai_prompt({"model": body.get("model"), "messages": [*given, asked]})

    def overflow(self, prompt: int, max_tokens: int, window: int) -> Reject:  # noqa: ARG002  (there is no such limit)
        """`context_length_exceeded`."""
        found = f"This model's maximum context length is {window} tokens. However, your input resulted in {prompt} tokens."
        return invalid(found, "input", "context_length_exceeded")

    def read(self, body: Mapping[str, Any]) -> Request:
        """The neutral request; its schema holds the questions."""
        given = body["input"]
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        turns = tuple([Turn(item.get("role", "tool"), _text(item.get("content", item.get("output", "")))) for item in items])
        return Request(self.provider, self.api, body["model"], turns, body=body)

    def whole(self, reply: Reply) -> dict[str, Any]:
        """The answers, in the order of the questions."""
        questions, usage = reply.request.body["questions"], reply.usage
        found = _parsed(reply.answer.text)
        refused = reply.answer.stop in ("refusal", "content_filter")
        spent = {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
            "output_tokens": len(questions),
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.input_tokens + len(questions),
        }
        left_out = [name for name, value in found.items() if value is None] if isinstance(found, Mapping) else []
        asked = [question for question in questions if question.get("name") not in left_out]
        answers = [_refused(question) if refused else _answered(question, found) for question in asked]
        return {"model": reply.request.model, "answers": answers, "usage": spent}

    def stream(self, reply: Reply) -> Iterator[Event]:
        """Never called: the API does not stream."""
        raise NotImplementedError(reply.request.api)

    def failures(self, _: Reply, /) -> Mapping[Fault, tuple[Event, ...]]:
        """None: the API does not stream."""
        return {}


def _check_input(given: Any) -> None:
    if isinstance(given, str):
        return
    not_empty(given, "input")
    for at, item in enumerate(given):
        where = f"input[{at}]"
        typed(item, dict, where)
        one_of(item.get("type", "message"), ITEMS, f"{where}.type")
        if item.get("type", "message") != "message":
            continue
        needed(item, ["role", "content"], where)
        one_of(item["role"], PARTS, f"{where}.role")
        if isinstance(item["content"], str):
            continue
        typed(item["content"], list, f"{where}.content")
        for number, part in enumerate(item["content"]):
            typed(part, dict, f"{where}.content[{number}]")
            one_of(part.get("type"), PARTS[item["role"]], f"{where}.content[{number}].type")


def _check_question(question: Any, where: str) -> None:
    typed(question, dict, where)
    needed(question, ["type", "instructions"], where)
    one_of(question["type"], QUESTIONS, f"{where}.type")
    known(question, {"type", "name", "instructions"} | QUESTIONS[question["type"]], where)
    for key, part, fields in (("choices", "value", ("value", "description")), ("levels", "label", ("label", "description"))):
        if key not in QUESTIONS[question["type"]]:
            continue
        needed(question, [key], where)
        not_empty(question[key], f"{where}.{key}")
        _at_most(question[key], MOST_CHOICES, f"{where}.{key}")
        for at, option in enumerate(question[key]):
            typed(option, dict, f"{where}.{key}[{at}]")
            known(option, fields, f"{where}.{key}[{at}]")
            needed(option, [part], f"{where}.{key}[{at}]")
    if question["type"] == "choice":
        values = [(type(option["value"]), option["value"]) for option in question["choices"]]
        if len(values) < 2 or len(set(values)) < len(values):
            raise invalid(
                f"Invalid '{where}.choices': expected at least 2 unique choices.", f"{where}.choices", "invalid_value"
            )


def _at_most(values: Sequence[Any], most: int, where: str) -> None:
    if len(values) > most:
        raise invalid(f"Invalid '{where}': array too long, maximum length {most}.", where, "array_above_max_length")


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join([str(part.get("text", f"[{part.get('type')}]")) for part in content])


def _parsed(text: str) -> Mapping[str, Any] | str | float:
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, dict | int | float | str) else text


def _refused(question: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "refusal", "name": question.get("name")}


def _answered(question: Mapping[str, Any], found: Mapping[str, Any] | str | float) -> dict[str, Any]:
    value = found.get(str(question.get("name"))) if isinstance(found, Mapping) else found
    made: dict[str, Any] = {"type": question["type"], "name": question.get("name")}
    if question["type"] == "predicate":
        return {**made, "probability": float(value) if isinstance(value, int | float) else 0.5}
    if question["type"] == "choice":
        options = [option["value"] for option in question["choices"]]
        if isinstance(value, Mapping):
            odds = [{"value": option, "probability": float(value.get(str(option), 0.0))} for option in options]
            best = max(odds, key=lambda each: each["probability"])
            return {**made, "choice": best["value"], "probabilities": odds, "confidence": best["probability"]}
        chosen = value if value in options else options[0]
        rest = (1 - SURE) / (len(options) - 1)
        odds = [{"value": option, "probability": SURE if option == chosen else rest} for option in options]
        return {**made, "choice": chosen, "probabilities": odds, "confidence": SURE}
    labels = [level["label"] for level in question["levels"]]
    score = float(value) if isinstance(value, int | float) else (len(labels) - 1) / 2
    odds = [{"value": at, "label": label, "probability": max(0.0, 1 - abs(at - score))} for at, label in enumerate(labels)]
    return {**made, "score": score, "probabilities": odds, "confidence": SURE}
