"""What follows from a failure: FIELD A7, A9, A10."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai
import pytest
from langchain_core.exceptions import ContextOverflowError
from langchain_openai import ChatOpenAI

from langchain_switchwise import ChatSwitchwise
from switchwise import AllTargetsFailed, Capabilities, FailureKind, Pool, Router, Scope, Target, TargetError, View, drive
from switchwise.engine.recovery import Recovery
from switchwise.failures import classify
from switchwise.testing import Clock, Fails, Script
from switchwise_loopback import Answer, Fault, LoopbackProvider, Request
from switchwise_loopback.nouns.errors import Reject

from .conftest import opened

OWN_WORDS = [
    "property 'reasoning_content' is unsupported",
    "extra_field: Extra inputs are not permitted",
    "Provider returned error",
    "Unrecognized request argument supplied: parallel_tool_calls",
    "Invalid schema for function 'weather': In context=(), 'additionalProperties' is required to be supplied and to be false",
    "Unknown name \"strict\" at 'tools[0]': Cannot find field.",
    "unexpected value; permitted: 'text', 'image'",
]


def refusing(status: int, message: str, code: str | None = None) -> Callable[[Request], Answer]:
    def respond(request: Request) -> Answer:
        raise Reject(status, message, "invalid_request_error", None, code)

    return respond


@pytest.mark.parametrize("message", OWN_WORDS)
def test_a7_what_may_be_this_provider_s_own_refusal_is_asked_of_another_one(
    adapter: str, message: str, first: LoopbackProvider, second: LoopbackProvider
) -> None:
    first._responder = refusing(400, message)
    door = opened(
        adapter, {"a": (first.openai_url, "key"), "same": (first.openai_url, "key 2"), "b": (second.openai_url, "key")}
    )
    assert door.ask("hello") == "from the second"
    assert (len(first.requests), len(second.requests)) == (1, 1)


def test_a7_another_provider_is_asked_once_and_the_first_one_s_error_is_raised(
    adapter: str, first: LoopbackProvider, second: LoopbackProvider
) -> None:
    first._responder, second._responder = refusing(400, "Unknown field: foo"), refusing(422, "Extra field: foo")
    with LoopbackProvider(lambda request: Answer("from the third")) as third:
        door = opened(
            adapter, {name: (server.openai_url, "key") for name, server in zip("abc", (first, second, third), strict=True)}
        )
        with pytest.raises(openai.BadRequestError, match="Unknown field") as caught:
            door.ask("hello")
        assert len(third.requests) == 0
    assert "target 'b' failed: not_accepted" in caught.value.__notes__[1]


def test_a7_a_second_opinion_can_be_switched_off() -> None:
    pool = Pool([Target("a", "x"), Target("b", "y")])
    script = Script(a=Fails(FailureKind.NOT_ACCEPTED), b="yes")
    router = Router(pool, recovery=Recovery(second_opinion=False))
    with pytest.raises(TargetError):
        list(drive(router.start(View()), script.perform))
    assert script.called == ["a"]


@pytest.mark.parametrize("fault", [Fault.BAD_REQUEST])
def test_a7_what_no_provider_takes_is_asked_of_nobody_else(
    adapter: str, fault: Fault, first: LoopbackProvider, second: LoopbackProvider
) -> None:
    first.inject(fault)
    door = opened(adapter, {"a": (first.openai_url, "key"), "b": (second.openai_url, "key")})
    with pytest.raises(openai.BadRequestError):
        door.ask("hello")
    assert len(second.requests) == 0


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (404, "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.", None),
        (400, "Previous response with id 'resp_1' not found.", "previous_response_not_found"),
        (400, "Item 'rs_1' of type 'reasoning' was provided without its required following item.", None),
        (400, "The encrypted content for item rs_1 could not be verified.", "invalid_encrypted_content"),
    ],
)
def test_a7_ids_that_came_out_of_the_history_blame_only_their_maker(
    adapter: str, status: int, message: str, code: str | None, first: LoopbackProvider, second: LoopbackProvider
) -> None:
    first._responder = refusing(status, message, code)
    door = opened(adapter, {"a": (first.openai_url, "key"), "b": (second.openai_url, "key")})
    assert [door.ask("hello"), door.ask("again")] == ["from the second"] * 2


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": {"message": "prompt token count of 140000 exceeds the limit of 128000", "code": "model_max_prompt_tokens_exceeded"}}, FailureKind.CONTEXT_OVERFLOW),
        (400, "prompt token count of 140000 exceeds the limit of 128000", FailureKind.CONTEXT_OVERFLOW),
        (400, {"error": {"message": "`max_tokens` must be less than or equal to `8192`"}}, FailureKind.UNSUPPORTED),
        (400, {"error": {"message": "Range of max_tokens should be [1, 8192]"}}, FailureKind.UNSUPPORTED),
        (400, {"error": {"message": "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"}}, FailureKind.UNSUPPORTED),
        (422, {"detail": [{"type": "extra_forbidden", "msg": "Extra inputs are not permitted"}]}, FailureKind.NOT_ACCEPTED),
        (400, {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": "ERROR", "provider_name": "X"}}}, FailureKind.NOT_ACCEPTED),
    ],
)  # fmt: skip
def test_a7_limits_and_overflows_in_other_words(status: int, body: Any, kind: FailureKind) -> None:
    assert classify(status, body)[0] is kind


LIMITED = Pool([Target("a", "x"), Target("b", "y")])


def test_a9_when_all_are_limited_the_soonest_back_is_waited_for() -> None:
    clock = Clock()
    script = Script(
        a=[Fails(FailureKind.RATE_LIMIT, retry_after=9.0), "a again"],
        b=[Fails(FailureKind.RATE_LIMIT, retry_after=4.0), "b again"],
        clock=clock,
    )
    start = clock()
    assert "".join(drive(Router.default(LIMITED, clock=clock).start(View()), script.perform, sleep=clock.advance)) == "b again"
    assert clock() - start == 4.0


@pytest.mark.parametrize(("deadline", "answers"), [(50.0, True), (3.0, False)])
def test_a9_a_deadline_says_how_long_may_be_waited(deadline: float, answers: bool) -> None:
    clock = Clock()
    script = Script(a=[Fails(FailureKind.RATE_LIMIT, retry_after=45.0), "well"], clock=clock)
    view = View(Scope(deadline=clock() + deadline))
    run = Router(Pool([Target("a")]), clock=clock).start(view)
    if answers:
        assert "".join(drive(run, script.perform, sleep=clock.advance)) == "well"
    else:
        with pytest.raises(AllTargetsFailed):
            list(drive(run, script.perform, sleep=clock.advance))


def test_a9_patience_is_stated_and_a_wait_is_said(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    script = Script(a=[Fails(FailureKind.RATE_LIMIT, retry_after=45.0), "well"], clock=clock)
    pool = Pool([Target("a")])
    with pytest.raises(AllTargetsFailed):
        list(drive(Router(pool, clock=clock).start(View()), script.perform, sleep=clock.advance))
    script = Script(a=[Fails(FailureKind.RATE_LIMIT, retry_after=45.0), "well"], clock=clock)
    router = Router(pool, recovery=Recovery(patience=60), clock=clock)
    with caplog.at_level("INFO", "switchwise.engine"):
        assert "".join(drive(router.start(View()), script.perform, sleep=clock.advance)) == "well"
    assert "waiting 45.0 s for a" in caplog.text


def test_a10_any_overflow_makes_the_group_one(adapter: str, first: LoopbackProvider, second: LoopbackProvider) -> None:
    first.inject(Fault.CONTEXT_OVERFLOW, times=None)
    second.inject(Fault.OVERLOADED, times=None)
    router = Router(
        Pool(
            [
                Target("small", "openai", can=Capabilities(window=1_000)),
                Target("large", "openai", can=Capabilities(window=9_000)),
            ]
        ),
        recovery=Recovery(pause=0.01),
    )
    door = opened(adapter, {"small": (first.openai_url, "key"), "large": (second.openai_url, "key")}, router)
    with pytest.raises(AllTargetsFailed) as caught:
        door.ask("hello")
    assert isinstance(caught.value, openai.BadRequestError)
    assert getattr(caught.value, "code", None) == "context_length_exceeded"
    if adapter == "langchain":
        assert isinstance(caught.value, ContextOverflowError)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a10_an_overflow_in_words_that_langchain_does_not_know_is_one_too(streamed: bool) -> None:
    """Integrations recognise few wordings, and none of an SDK whose errors print differently: an agent would not compact."""

    def refuse(request: Request) -> Answer:
        raise Reject(
            400, "The input (150008 tokens) is longer than the model's context length; input is too long", "BadRequestError"
        )

    with LoopbackProvider(refuse) as provider:
        chat = ChatSwitchwise([ChatOpenAI(model="gpt-4.1-mini", base_url=provider.openai_url, api_key="key", max_retries=0)])
        with pytest.raises(ContextOverflowError) as caught:
            list(chat.stream("hello")) if streamed else chat.invoke("hello")
    assert isinstance(caught.value, openai.BadRequestError)
    assert caught.value.status_code == 400
