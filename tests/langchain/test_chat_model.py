"""`ChatSwitchwise` decides, then calls the chosen model as if it had been called directly."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from langchain_switchwise import ChatSwitchwise
from switchwise import AllTargetsFailed, Ask, ConfigurationError, Interrupted, Pool, Router, Target, Verdict
from switchwise.catalog import Unpriced
from switchwise.observe.journal import InMemory

from .conftest import CLAUDE, GPT, Duo, claude, gpt, pinned
from .fakes import USAGE, Scripted

DOWN = ConnectionResetError("reset by peer")


class Runs(BaseCallbackHandler):
    """Every model run that LangChain reports."""

    def __init__(self) -> None:
        self.started: list[dict[str, Any]] = []
        self.ended = 0
        self.failed = 0

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        self.started.append(kwargs)

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        self.ended += 1

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self.failed += 1


def record(message: AIMessage) -> dict[str, Any]:
    return message.response_metadata["switchwise"]


async def every_way(llm: ChatSwitchwise, text: str = "hello") -> list[AIMessage]:
    """The answer by each way to call a chat model."""
    answers = [llm.invoke(text), await llm.ainvoke(text)]
    for chunks in (list(llm.stream(text)), [chunk async for chunk in llm.astream(text)]):
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        answers.append(whole)
    answers += [*llm.batch([text]), *await llm.abatch([text])]
    answers += [result.generations[0][0].message for result in (llm.generate([[HumanMessage(text)]]),)]
    answers += [result.generations[0][0].message for result in (await llm.agenerate([[HumanMessage(text)]]),)]
    return answers


class TestOneAnswer:
    async def test_every_way_to_call_gives_the_answer_of_the_chosen_target(self, duo: Duo) -> None:
        for answer in await every_way(duo()):
            assert answer.content == "strong says"
            assert record(answer)["target"] == "strong"
            assert answer.usage_metadata is not None
            assert answer.usage_metadata["total_tokens"] == USAGE["total_tokens"]

    async def test_every_way_to_call_falls_back(self, duo: Duo) -> None:
        for answer in await every_way(duo(strong=DOWN)):
            assert answer.content == "fast says"
            assert record(answer)["attempts"][-1] == {"target": "fast", "result": "accepted"}

    def test_the_record_says_who_answered_why_and_what_was_tried(self, duo: Duo) -> None:
        said = record(duo(strong=DOWN).invoke("hello"))
        assert [attempt["result"] for attempt in said["attempts"]] == ["connection", "accepted"]
        assert said["because"]
        assert said["level"] == "step"
        assert len(said["decision"]) == 16

    def test_equal_answers_differ_in_nothing_but_the_id_of_their_decision(self) -> None:
        llm = ChatSwitchwise({"one": Scripted(script=[AIMessage("yes", id="1", usage_metadata=USAGE)])})
        first, second = llm.invoke("hello"), llm.invoke("hello")
        assert record(first).pop("decision") != record(second).pop("decision")
        assert first == second

    def test_answers_of_a_seeded_router_are_equal_altogether(self) -> None:
        def answer() -> AIMessage:
            models = {"one": Scripted(script=[AIMessage("yes", id="1", usage_metadata=USAGE)])}
            return ChatSwitchwise(models, router=Router(Pool([Target("one")]), rng=Random(7))).invoke("hello")

        assert answer() == answer()

    def test_the_id_outlives_a_checkpoint(self, duo: Duo) -> None:
        """Feedback comes later, from a stored message: what a checkpoint keeps of a message is what equality compares."""
        llm = duo()
        answer = llm.invoke("hello")
        kept = JsonPlusSerializer()
        restored = kept.loads_typed(kept.dumps_typed(answer))
        assert record(restored)["decision"] == record(answer)["decision"]
        llm.router.feedback(record(restored)["decision"], 1.0)

    def test_exactly_one_chunk_carries_the_record_and_it_is_the_last(self, duo: Duo) -> None:
        chunks = list(duo().stream("hello"))
        assert ["switchwise" in chunk.response_metadata for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
        assert chunks[-1].chunk_position == "last"

    def test_a_model_that_does_not_stream_gives_one_whole_message(self) -> None:
        class Whole(Scripted):
            _stream = BaseChatModel._stream

        (only,) = ChatSwitchwise({"one": Whole()}).stream("hello")
        assert record(only)["target"] == "one"

    def test_the_models_own_message_is_left_as_it_was(self) -> None:
        own = AIMessage("mine")

        class Same(Scripted):
            def _next(self, messages: Any, kwargs: Any) -> AIMessage:
                return own

        ChatSwitchwise({"one": Same()}).invoke("hello")
        assert "switchwise" not in own.response_metadata


class TestOneRun:
    """LangChain sees one model run for each call that was made, never one around it."""

    @pytest.mark.parametrize("way", ["invoke", "stream"])
    def test_an_answer_is_one_run_and_its_tokens_count_once(self, duo: Duo, way: str) -> None:
        runs, usage = Runs(), UsageMetadataCallbackHandler()
        list(getattr(duo(), way)("hello", {"callbacks": [runs, usage]}))
        assert (len(runs.started), runs.ended) == (1, 1)

    def test_the_tokens_of_an_answer_are_counted_once(self, real: ChatSwitchwise) -> None:
        usage = UsageMetadataCallbackHandler()
        answer = real.invoke("hello", {"callbacks": [usage]})
        assert usage.usage_metadata[CLAUDE]["total_tokens"] == answer.usage_metadata["total_tokens"]

    def test_a_failed_attempt_is_a_failed_run_beside_the_good_one(self, duo: Duo) -> None:
        runs = Runs()
        duo(strong=DOWN).invoke("hello", {"callbacks": [runs]})
        assert (len(runs.started), runs.ended, runs.failed) == (2, 1, 1)

    def test_each_run_names_its_target_and_attempt(self, duo: Duo) -> None:
        runs = Runs()
        duo(strong=DOWN).invoke("hello", {"callbacks": [runs], "metadata": {"mine": 1}})
        attempts_made = [
            (run["metadata"]["switchwise_target"], run["metadata"]["switchwise_attempt"], run["metadata"]["mine"])
            for run in runs.started
        ]
        assert attempts_made == [("strong", 1, 1), ("fast", 2, 1)]

    def test_a_given_run_id_is_used_for_the_first_attempt_only(self, duo: Duo) -> None:
        runs, wanted = Runs(), uuid.uuid4()
        duo(strong=DOWN).invoke("hello", {"callbacks": [runs], "run_id": wanted})
        assert [run["run_id"] == wanted for run in runs.started] == [True, False]

    def test_the_wrappers_own_callbacks_tags_and_metadata_reach_the_run(self, duo: Duo) -> None:
        runs = Runs()
        duo(callbacks=[runs], tags=["mine"], metadata={"team": "a"}).invoke("hello")
        assert "mine" in runs.started[0]["tags"]
        assert runs.started[0]["metadata"]["team"] == "a"

    def test_who_listens_to_what_is_around_a_call_hears_it_too(self, duo: Duo) -> None:
        own, around = Runs(), Runs()
        llm = duo(callbacks=[own])
        RunnableLambda(lambda text: llm.invoke(text)).invoke("hello", {"callbacks": [around]})
        assert (len(own.started), len(around.started)) == (1, 1)

    async def test_a_chain_shows_one_model_run_in_its_events(self, duo: Duo) -> None:
        chain = ChatPromptTemplate.from_template("{text}") | duo()
        events = [event async for event in chain.astream_events({"text": "hello"}, version="v2")]
        assert sum(event["event"] == "on_chat_model_start" for event in events) == 1

    def test_a_response_cache_is_kept_per_target(self) -> None:
        cache = InMemoryCache()
        models = {name: Scripted(model_name=name, script=[f"{name} says"], cache=cache) for name in ("a", "b")}
        llm = ChatSwitchwise(models)
        said = [llm.invoke("hello", pinned(name)).content for name in ("a", "b", "a")]
        assert said == ["a says", "b says", "a says"]
        assert [len(model.asked) for model in models.values()] == [1, 1]


class TestFailure:
    def test_a_bug_is_not_taken_for_an_outage(self, duo: Duo) -> None:
        llm = duo(strong=KeyError("messages"))
        with pytest.raises(KeyError, match="messages"):
            llm.invoke("hello")
        assert llm.models["fast"].asked == []

    def test_when_all_fail_the_providers_own_errors_come_out(self, duo: Duo) -> None:
        llm = duo(strong=DOWN, fast=TimeoutError("slow"))
        with pytest.raises(AllTargetsFailed) as failed:
            llm.invoke("hello")
        assert {type(error) for error in failed.value.exceptions} >= {ConnectionResetError, TimeoutError}

    def test_a_stream_that_breaks_after_its_first_chunk_is_neither_repeated_nor_replaced(self) -> None:
        strong = Scripted(model_name="strong", script=[DOWN], break_after=1)
        fast = Scripted(model_name="fast")
        chunks = ChatSwitchwise({"strong": strong, "fast": fast}).stream("hello")
        assert next(chunks).content == "never"
        with pytest.raises(Interrupted) as stop:
            next(chunks)
        assert stop.value.__cause__ is DOWN
        assert fast.asked == []

    async def test_the_same_holds_for_an_asynchronous_stream(self) -> None:
        strong = Scripted(model_name="strong", script=[DOWN], break_after=1)
        fast = Scripted(model_name="fast")
        chunks = ChatSwitchwise({"strong": strong, "fast": fast}).astream("hello")
        assert (await anext(chunks)).content == "never"
        with pytest.raises(Interrupted):
            await anext(chunks)
        assert fast.asked == []

    def test_an_abandoned_stream_is_over_for_the_router_too(self, duo: Duo) -> None:
        attempts = InMemory()
        chunks = duo(observers=[attempts]).stream("hello")
        next(chunks)
        chunks.close()
        (only,) = attempts
        assert only.target == "strong"

    async def test_an_abandoned_asynchronous_stream_ends_at_once(self, duo: Duo) -> None:
        runs, attempts = Runs(), InMemory()
        chunks = duo(observers=[attempts]).astream("hello", {"callbacks": [runs]})
        await anext(chunks)
        await chunks.aclose()
        assert (runs.failed, len(attempts)) == (1, 1)

    async def test_a_cancelled_call_is_over_for_the_router_too(self, duo: Duo) -> None:
        attempts = InMemory()
        llm = duo(observers=[attempts])
        started = asyncio.Event()

        async def never(*args: Any, **kwargs: Any) -> Any:
            started.set()
            await asyncio.Event().wait()

        object.__setattr__(llm.models["strong"], "ainvoke", never)
        task = asyncio.create_task(llm.ainvoke("hello"))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [record.target for record in attempts] == ["strong"]
        assert llm.models["fast"].asked == []


class TestVerifier:
    def test_a_rejected_answer_is_never_shown(self, duo: Duo) -> None:
        def short(view: Any, reply: Any) -> Verdict:
            return Verdict("fast" in reply.text, "wrong voice")

        llm = duo(verify=short)
        assert llm.invoke("hello").content == "fast says"
        assert "".join(str(chunk.content) for chunk in llm.stream("hello")) == "fast says"

    def test_questions_to_a_judge_are_marked_and_hidden_too(self, duo: Duo) -> None:
        def judge(view: Any, reply: Any) -> Any:
            verdict = yield Ask.text("Is this right?", to="fast")
            return Verdict(verdict.text == "fast says")

        runs = Runs()
        llm = duo(verify=judge)
        assert llm.invoke("hello", {"callbacks": [runs], "run_id": uuid.uuid4()}).content == "strong says"
        _, judging = runs.started
        assert "nostream" in judging["tags"]
        assert judging["metadata"]["lc_source"] == "switchwise"
        assert [str(message.content) for message in llm.models["fast"].asked[0]] == ["Is this right?"]

    def test_an_answer_that_may_be_rejected_is_hidden_from_graph_streams(self, duo: Duo) -> None:
        runs = Runs()
        duo(verify=lambda view, reply: Verdict("fast" in reply.text)).invoke("hello", {"callbacks": [runs]})
        assert ["nostream" in run["tags"] for run in runs.started] == [True, False]


class TestConstruction:
    def test_targets_are_named_after_their_models(self, provider: Any) -> None:
        assert [target.name for target in ChatSwitchwise([claude(provider), gpt(provider)]).router.pool] == [CLAUDE, GPT]

    def test_targets_know_provider_price_and_abilities(self, real: ChatSwitchwise) -> None:
        strong = real.router.pool["strong"]
        assert (strong.provider, strong.model) == ("anthropic", CLAUDE)
        assert strong.price is not None
        assert strong.can.tools is True

    def test_an_unknown_model_is_accepted_with_a_warning(self) -> None:
        with pytest.warns(Unpriced):
            ChatSwitchwise([Scripted(model_name="private")])

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"models": []}, "models= is empty"),
            ({"models": [Scripted(), Scripted()]}, "give a mapping of names"),
            ({"models": ["nobody:knows"]}, "cannot be built"),
            ({"models": [Scripted().bind(stop=["x"])]}, "not a chat model"),
            ({"models": [Scripted()], "temperature": 0}, "temperature"),
            ({"models": [Scripted()], "cache": True}, "set it on the models"),
            ({"models": [Scripted()], "verify": lambda view, reply: Verdict(True)}, "second model"),
        ],
    )
    def test_what_cannot_work_is_refused_with_the_remedy(self, arguments: dict[str, Any], words: str) -> None:
        with pytest.raises(ConfigurationError, match=words):
            ChatSwitchwise(**arguments)

    def test_a_router_and_models_must_name_the_same_targets(self) -> None:
        router = Router(Pool([Target("opus"), Target("haiku")]))
        with pytest.raises(ConfigurationError, match="names haiku, opus, strong"):
            ChatSwitchwise({"strong": Scripted()}, router=router)
        with pytest.raises(ConfigurationError, match="set them on it"):
            ChatSwitchwise({"opus": Scripted()}, router=router, observers=[InMemory()])

    def test_strings_are_built_with_the_settings_given(self, provider: Any) -> None:
        llm = ChatSwitchwise([f"openai:{GPT}"], base_url=provider.openai_url, api_key="test", temperature=0.5)
        built: Any = llm.models[GPT]
        assert (built.temperature, built.stream_usage) == (0.5, True)
        assert llm.invoke("hello").content

    def test_a_target_that_streams_without_usage_is_said(self, provider: Any) -> None:
        with pytest.warns(UserWarning, match="stream_usage=True"):
            ChatSwitchwise([gpt(provider, stream_usage=None)])

    def test_the_profile_is_what_all_targets_can_do(self, real: ChatSwitchwise) -> None:
        profiles = [model.profile for model in real.models.values()]
        assert real.profile["tool_calling"] is True
        assert real.profile["max_input_tokens"] == max(profile["max_input_tokens"] for profile in profiles)
        assert ChatSwitchwise({"a": Scripted(), "b": real.models["fast"]}).profile is None

    def test_it_does_not_pass_for_any_providers_model(self, real: ChatSwitchwise) -> None:
        assert real._llm_type == "switchwise"
        assert real._get_ls_params()["ls_provider"] == "switchwise"
        assert not hasattr(real, "model")
        assert not hasattr(real, "model_name")


class TestPins:
    def test_a_call_can_name_its_target(self, duo: Duo) -> None:
        llm = duo()
        assert llm.invoke("hello", pinned("fast")).content == "fast says"
        assert llm.with_config(pinned("fast")).invoke("hello").content == "fast says"
        assert llm.invoke("hello", model="fast").content == "fast says"

    def test_an_unknown_pin_is_refused(self, duo: Duo) -> None:
        with pytest.raises(ConfigurationError, match="neither a target nor a role"):
            duo().invoke("hello", pinned("nobody"))

    def test_explain_calls_nobody(self, duo: Duo) -> None:
        llm = duo()
        assert "fast" in str(llm.explain("hello", pinned("fast")))
        assert llm.models["fast"].asked == []


def test_chunks_add_up_to_one_message(real: ChatSwitchwise) -> None:
    whole: AIMessageChunk | None = None
    for chunk in real.stream("hello there"):
        whole = chunk if whole is None else whole + chunk
    assert record(whole)["target"] == "strong"
    assert whole.response_metadata["stop_reason"] == "end_turn"
    assert whole.usage_metadata["output_tokens"] > 0


async def test_streaming_can_be_switched_off(duo: Duo) -> None:
    (only,) = duo(disable_streaming=True).stream("hello")
    (aonly,) = [chunk async for chunk in duo(disable_streaming=True).astream("hello")]
    assert only.content == aonly.content == "strong says"


async def test_a_rate_limiter_of_the_router_counts_every_attempt(duo: Duo) -> None:
    class Counts(BaseRateLimiter):
        def __init__(self) -> None:
            self.acquired = 0

        def acquire(self, *, blocking: bool = True) -> bool:
            self.acquired += 1
            return True

        async def aacquire(self, *, blocking: bool = True) -> bool:
            self.acquired += 1
            return True

    limiter = Counts()
    llm = duo(strong=DOWN, rate_limiter=limiter)
    llm.invoke("hello")
    assert limiter.acquired == 2
    await llm.ainvoke("hello")
    list(llm.stream("hello"))
    assert limiter.acquired == 4, "the target that failed is cooling down"


def test_it_works_in_many_threads_at_once(duo: Duo) -> None:
    llm = duo()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: llm.invoke(f"hello {i}"), range(64)))
    assert {answer.content for answer in answers} == {"strong says"}
    assert len({record(answer)["decision"] for answer in answers}) == 64


def test_importing_it_loads_no_agent_framework() -> None:
    code = "import sys, langchain_switchwise; print([m for m in ('langchain', 'langgraph', 'openai', 'anthropic') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_it_shows_its_router_and_not_every_field(llm: ChatSwitchwise) -> None:
    assert repr(llm) == str(llm) == f"ChatSwitchwise({llm.router!r})"
    assert llm._repr_html_() == llm.router._repr_html_()
