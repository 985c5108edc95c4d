"""The System One interface: typed questions in, probabilities out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from switchwise_loopback import Answer, Fault, LoopbackProvider

from .conftest import post

CHOICE = {"type": "choice", "instructions": "How hard?", "criteria": {"easy": None, "hard": "Several steps.", "other": None}}
SCORE = {"type": "score", "instructions": "How long?", "criteria": ["an hour", "a day", "a week"]}
NOUL = {"type": "noul", "instructions": {"ask": "Is it urgent?"}, "criteria": {"true": "today"}}
GOOD: dict[str, Any] = {
    "model": "jev-latest",
    "state": {"message": "Prove it."},
    "questions": {"route": CHOICE, "größe": SCORE, "now": NOUL},
}


def ask(provider: LoopbackProvider, **changes: Any) -> Any:
    body = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    return post(provider, "/v1/systemone", body)


def test_each_question_is_answered_under_its_id(serve: Callable[..., LoopbackProvider]) -> None:
    response = ask(serve([Answer('{"route": "hard", "größe": 1.25, "now": 0.8}')]))
    body = response.json()
    assert list(body["answers"]) == ["route", "größe", "now"]
    route, size, now = body["answers"].values()
    assert (route["choice"], sum(route["probabilities"].values())) == ("hard", pytest.approx(1))
    assert route["confidence"] == pytest.approx((0.9 - 1 / 3) / (1 - 1 / 3))
    assert size["score"] == pytest.approx(sum(int(at) * odds for at, odds in size["probabilities"].items()))
    assert size["legend"] == {"0": "an hour", "1": "a day", "2": "a week"}
    assert now == {"type": "noul", "noul": 0.8}
    assert body["model"] == "jev-1.14.0"
    assert set(body["usage"]) == {"input_tokens", "output_tokens"}
    assert response.headers["x-typesafe-request-id"]


def test_an_answer_does_not_depend_on_the_other_questions(serve: Callable[..., LoopbackProvider]) -> None:
    provider = serve(lambda request: Answer("hard"))
    alone = ask(provider, questions={"x": CHOICE}).json()["answers"]["x"]
    among = ask(provider, questions={"b": SCORE, "y": CHOICE}).json()["answers"]["y"]
    assert alone == among


def test_a_yes_or_no_needs_no_criteria(serve: Callable[..., LoopbackProvider]) -> None:
    bare = {"type": "noul", "instructions": "Is it urgent?"}
    assert ask(serve([Answer("0.9")]), questions={"now": bare}).json()["answers"] == {"now": {"type": "noul", "noul": 0.9}}


def test_a_distribution_of_any_shape_and_a_missing_answer_can_be_scripted(serve: Callable[..., LoopbackProvider]) -> None:
    provider = serve([Answer('{"route": {"easy": 0.2, "hard": 0.4}, "now": null}')])
    answers = ask(provider, questions={"route": CHOICE, "now": NOUL}).json()["answers"]
    assert answers["route"]["probabilities"] == {"easy": 0.2, "hard": 0.4}
    assert "now" not in answers


@pytest.mark.parametrize(
    "changes",
    [
        {"state": None},
        {"state": 7},
        {"questions": {}},
        {"questions": [CHOICE]},
        {"assets": {}},
        {"stream": True},
        {"questions": {"x": {"type": "box"}}},
        {"questions": {"x": {**CHOICE, "criteria": {"only": None}}}},
        {"questions": {"x": {**SCORE, "criteria": ["level"] * 11}}},
        {"questions": {"x": {**NOUL, "criteria": {"maybe": "?"}}}},
        {"questions": {"x": {**NOUL, "temperature": 1}}},
    ],
)
def test_a_bad_request_is_a_422_that_says_where(provider: LoopbackProvider, changes: Any) -> None:
    response = ask(provider, **changes)
    assert response.status_code == 422
    (detail,) = response.json()["detail"]
    assert detail["loc"][0] == "body"
    assert detail["msg"]


@pytest.mark.parametrize(("fault", "status"), [(Fault.RATE_LIMIT, 429), (Fault.OVERLOADED, 529), (Fault.SERVER_ERROR, 500)])
def test_faults_strike_here_too(provider: LoopbackProvider, fault: Fault, status: int) -> None:
    provider.inject(fault, retry_after=1.5)
    response = ask(provider)
    assert response.status_code == status
    assert response.json()["detail"]["message"]
    if fault is Fault.RATE_LIMIT:
        assert response.headers["retry-after-ms"] == "1500"
