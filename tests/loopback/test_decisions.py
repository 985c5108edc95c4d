"""OpenAI's Decisions API: typed questions in, probabilities out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from switchwise_loopback import Answer, Fault, LoopbackProvider

from .conftest import post

CHOICE = {
    "type": "choice",
    "name": "route",
    "instructions": "How hard?",
    "choices": [{"value": "easy"}, {"value": "hard", "description": "Several steps."}],
}
SCORE = {"type": "score", "name": "effort", "instructions": "How long?", "levels": [{"label": "an hour"}, {"label": "a day"}]}
PREDICATE = {"type": "predicate", "instructions": "Is it urgent?"}
GOOD: dict[str, Any] = {"model": "gpt-6-luna", "input": "Prove it.", "questions": [CHOICE, SCORE, PREDICATE]}


def ask(provider: LoopbackProvider, **changes: Any) -> Any:
    body = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    return post(provider, "/v1/decisions", body)


def test_each_question_is_answered_in_order_with_probabilities(provider: LoopbackProvider) -> None:
    response = ask(provider)
    choice, score, predicate = response.json()["answers"]
    assert (choice["type"], choice["name"], choice["choice"]) == ("choice", "route", "easy")
    assert sum(odds["probability"] for odds in choice["probabilities"]) == pytest.approx(1)
    assert (score["score"], [odds["label"] for odds in score["probabilities"]]) == (0.5, ["an hour", "a day"])
    assert (predicate["name"], predicate["probability"]) == (None, 0.5)
    usage = response.json()["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_answers_are_scripted_for_all_questions_or_by_name(serve: Callable[..., LoopbackProvider]) -> None:
    provider = serve([Answer("hard"), Answer('{"route": "hard", "effort": 0.2}'), Answer(stop_reason="refusal")])
    assert ask(provider, questions=[CHOICE]).json()["answers"][0]["choice"] == "hard"
    choice, score = ask(provider, questions=[CHOICE, SCORE]).json()["answers"]
    assert (choice["choice"], score["score"]) == ("hard", 0.2)
    assert [answer["type"] for answer in ask(provider).json()["answers"]] == ["refusal"] * 3


def test_null_leaves_a_question_out_and_probabilities_are_taken_as_they_are(serve: Callable[..., LoopbackProvider]) -> None:
    provider = serve([Answer('{"route": {"easy": 0.2, "hard": 0.3}, "effort": null}')])
    (choice,) = ask(provider, questions=[CHOICE, SCORE]).json()["answers"]
    assert choice["choice"] == "hard"
    assert [(odds["value"], odds["probability"]) for odds in choice["probabilities"]] == [("easy", 0.2), ("hard", 0.3)]


def test_faults_strike_here_too(provider: LoopbackProvider) -> None:
    provider.inject(Fault.RATE_LIMIT)
    assert ask(provider).status_code == 429


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stream": True}, "Unknown parameter: 'stream'"),
        ({"input": None}, "Missing required parameter: 'input'"),
        ({"questions": []}, "empty array"),
        ({"questions": [PREDICATE] * 401}, "maximum length 400"),
        ({"questions": [{**CHOICE, "choices": [{"value": "easy"}]}]}, "at least 2 unique choices"),
        ({"questions": [{**CHOICE, "criteria": {}}]}, "Unknown parameter: 'questions[0].criteria'"),
        ({"questions": [{**CHOICE, "instructions": None}]}, "Missing required parameter: 'questions[0].instructions'"),
        (
            {"questions": [{**SCORE, "levels": [{"description": "x"}]}]},
            "Missing required parameter: 'questions[0].levels[0].label'",
        ),
        ({"questions": [{**PREDICATE, "type": "noul"}]}, "Invalid value: 'noul'"),
        ({"input": [{"role": "tool", "content": "x"}]}, "Invalid value: 'tool'"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "Invalid value: 'input_file'"),
        ({"input": [{"type": "reasoning"}]}, "Invalid value: 'reasoning'"),
    ],
)
def test_what_the_specification_does_not_allow_is_refused(provider: LoopbackProvider, changes: Any, words: str) -> None:
    response = ask(provider, **changes)
    assert response.status_code == 400
    assert words in response.json()["error"]["message"]


def test_any_input_of_the_specification_is_understood(serve: Callable[..., LoopbackProvider]) -> None:
    seen: list[str] = []

    def note(request: Any) -> Answer:
        seen.extend(f"{turn.role}: {turn.text}" for turn in request.messages)
        return Answer()

    conversation = [
        {"role": "user", "content": "Prove it."},
        {"role": "user", "content": [{"type": "input_text", "text": "Look."}, {"type": "input_image", "image_url": "data:"}]},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "seen"},
    ]
    assert ask(serve(note), input=conversation).status_code == 200
    assert seen == ["user: Prove it.", "user: Look.\n[input_image]", "tool: ", "tool: seen"]
