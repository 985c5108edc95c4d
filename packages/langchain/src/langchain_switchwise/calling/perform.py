"""Makes a call: hands the request to the chosen native model, through that model's own public methods.

Rules:
1. Runs are never nested: the native model's run is the only one, as if it had been called directly.
2. A request is adapted for each attempt, on copies; what the caller gave stays as it was.
3. Only the target's own failures become `TargetError`; bugs, cancellation and graph control flow go on untouched.
4. A reply that may yet be rejected, and whatever a verifier asks, is tagged `nostream`: LangGraph then shows none of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, closing
from time import perf_counter
from traceback import walk_tb
from types import TracebackType
from typing import Any, cast

from langchain_core.globals import get_llm_cache
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import merge_configs

from langchain_switchwise.answering.decision_record import unstamped
from langchain_switchwise.answering.replies import Opening, complete, merged, reply_of
from langchain_switchwise.calling import direct
from langchain_switchwise.models.native import Native
from langchain_switchwise.policies.by_decision import Enquiry
from langchain_switchwise.porting.cache_hints import MARK, marked_tools
from langchain_switchwise.porting.port import Porter, as_prompt
from langchain_switchwise.porting.schema import Schema, Witness
from langchain_switchwise.porting.tools import Tools
from switchwise import Call, View
from switchwise.failures import IncompleteStream, target_error

NOSTREAM = "nostream"
"""LangGraph's tag for model runs whose tokens are nobody's to see."""
_HANDLES = frozenset(["handle_event", "ahandle_event", "_ahandle_event_for_handler"])
_CACHES = frozenset(["_generate_with_cache", "_agenerate_with_cache", "stream", "astream"])
_OWN = frozenset(["lookup", "alookup", "update", "aupdate", "acquire", "aacquire"])
"""How LangChain calls what is the caller's own: handlers; methods of caches and rate limiters, and where it calls them."""
_NO_CHUNKS = "No generation chunks were returned"
"""LangChain's ValueError for a stream without any content."""


class Request:
    """One request of the caller's, ready to be put to any target.

    Parameters:
        natives: the models by target name.
        porter: adapts the history.
        messages: the prompt.
        config: what `ensure_config` gives.
        tools: what to bind; None: nothing.
        schema: what the answer must follow; None: nothing.
        kwargs: all other settings of the call.
        view: the request as the policies see it.
        thread: the key of its thread.
        limiter: asked before each attempt.
    """

    __slots__ = (
        "config",
        "kwargs",
        "limiter",
        "messages",
        "natives",
        "porter",
        "schema",
        "thread",
        "tools",
        "view",
    )

    def __init__(
        self,
        natives: Mapping[str, Native],
        porter: Porter,
        messages: list[BaseMessage],
        config: RunnableConfig,
        tools: Tools | None,
        schema: Schema | None,
        kwargs: dict[str, Any],
        view: View,
        thread: tuple[str, ...],
        limiter: BaseRateLimiter | None,
    ) -> None:
        self.natives, self.porter, self.messages, self.config = natives, porter, messages, config
        self.tools, self.schema, self.kwargs = tools, schema, kwargs
        self.view, self.thread, self.limiter = view, thread, limiter

    # -- one method for each way to call; each yields what it gives, last the complete reply

    def invoke(self, call: Call) -> Iterator[Any]:
        """The whole answer at once; where a schema is asked for, the parsed answer comes before the reply."""
        if isinstance(call, Enquiry):
            return iter((call.put(self.messages, _aside(self.config)),))
        runnable, messages, config, kwargs, witness = self.prepared(call)
        if self.limiter is not None:
            self.limiter.acquire(blocking=True)
        with TRANSLATED:
            answer = direct.invoke(runnable, messages, config, kwargs)
            message = _whole(answer, witness)
        return iter((reply_of(message),) if witness is None else (answer, reply_of(message)))

    async def ainvoke(self, call: Call) -> AsyncIterator[Any]:
        """As `invoke`, asynchronously."""
        if isinstance(call, Enquiry):
            yield await call.aput(self.messages, _aside(self.config))
            return
        runnable, messages, config, kwargs, witness = self.prepared(call)
        if self.limiter is not None:
            await self.limiter.aacquire(blocking=True)
        with TRANSLATED:
            answer = await direct.ainvoke(runnable, messages, config, kwargs)
            message = _whole(answer, witness)
        if witness is not None:
            yield answer
        yield reply_of(message)

    def stream(self, call: Call) -> Iterator[Any]:
        """The chunks as they come, then the reply."""
        if call.ask is not None:
            yield from self.invoke(call)
            return
        runnable, messages, config, kwargs, witness = self.prepared(call)
        if self.limiter is not None:
            self.limiter.acquire(blocking=True)
        parts: list[Any] = []
        opening = Opening()
        started, first = perf_counter(), None
        with TRANSLATED:
            with closing(cast("Any", runnable.stream(as_prompt(messages), config, **kwargs))) as chunks:
                for chunk in chunks:
                    if first is None:
                        first = perf_counter() - started
                    parts.append(chunk)
                    for item in opening.let(chunk):
                        yield item
            message = _whole(merged(parts) if witness is None else None, witness)
        for item in opening.rest():
            yield item
        yield reply_of(message, first)

    async def astream(self, call: Call) -> AsyncIterator[Any]:
        """As `stream`, asynchronously."""
        if call.ask is not None:
            async with aclosing(cast("Any", self.ainvoke(call))) as items:
                async for item in items:
                    yield item
            return
        runnable, messages, config, kwargs, witness = self.prepared(call)
        if self.limiter is not None:
            await self.limiter.aacquire(blocking=True)
        parts: list[Any] = []
        opening = Opening()
        started, first = perf_counter(), None
        with TRANSLATED:
            async with aclosing(cast("Any", runnable.astream(as_prompt(messages), config, **kwargs))) as chunks:
                async for chunk in chunks:
                    if first is None:
                        first = perf_counter() - started
                    parts.append(chunk)
                    for item in opening.let(chunk):
                        yield item
            message = _whole(merged(parts) if witness is None else None, witness)
        for item in opening.rest():
            yield item
        yield reply_of(message, first)

    def generate(self, call: Call) -> Iterator[Any]:
        """The model's own `LLMResult`, then the reply."""
        if call.ask is not None:
            yield from self.invoke(call)
            return
        runnable, messages, config, kwargs, _ = self.prepared(call)
        if self.limiter is not None:
            self.limiter.acquire(blocking=True)
        with TRANSLATED:
            result = direct.generate(runnable, messages, config, kwargs)
            message = _whole(_message(result), None)
        yield result
        yield reply_of(message)

    async def agenerate(self, call: Call) -> AsyncIterator[Any]:
        """As `generate`, asynchronously."""
        if call.ask is not None:
            async with aclosing(cast("Any", self.ainvoke(call))) as items:
                async for item in items:
                    yield item
            return
        runnable, messages, config, kwargs, _ = self.prepared(call)
        if self.limiter is not None:
            await self.limiter.aacquire(blocking=True)
        with TRANSLATED:
            result = await direct.agenerate(runnable, messages, config, kwargs)
            message = _whole(_message(result), None)
        yield result
        yield reply_of(message)

    def events(self, call: Call) -> Iterator[Any]:
        """The events of LangChain's v3 protocol, then the reply."""
        if call.ask is not None:
            yield from self.invoke(call)
            return
        runnable, messages, config, kwargs, _ = self.prepared(call)
        if self.limiter is not None:
            self.limiter.acquire(blocking=True)
        opening = Opening()
        with TRANSLATED:
            stream: Any = runnable.stream_events(as_prompt(messages), config, version="v3", **kwargs)
            for event in stream:
                yield from opening.let(event)
            message = _whole(stream.output, None)
        yield from opening.rest()
        yield reply_of(message)

    async def aevents(self, call: Call) -> AsyncIterator[Any]:
        """As `events`, asynchronously."""
        if call.ask is not None:
            async with aclosing(cast("Any", self.ainvoke(call))) as items:
                async for item in items:
                    yield item
            return
        runnable, messages, config, kwargs, _ = self.prepared(call)
        if self.limiter is not None:
            await self.limiter.aacquire(blocking=True)
        opening = Opening()
        with TRANSLATED:
            begun: Any = runnable.astream_events(as_prompt(messages), config, version="v3", **kwargs)
            async with await begun as stream:
                async for event in stream:
                    for item in opening.let(event):
                        yield item
                message = _whole(await stream, None)
        for item in opening.rest():
            yield item
        yield reply_of(message)

    # -- what a call needs, for its target

    def adapted(self, call: Call, whole: bool = False) -> tuple[Native, list[BaseMessage], RunnableConfig, dict[str, Any]]:
        """The model to call, the messages and the settings adapted to it, and the config of this attempt.

        Parameters:
            call: who is asked.
            whole: the request goes out as it is now; else an agent's own machinery will add to it.
        """
        native, config = self.natives[call.target.name], self.config
        attempt = len(call.view.attempts) + 1
        config = {**config, "metadata": {**config["metadata"], "switchwise_target": native.name, "switchwise_attempt": attempt}}
        if attempt > 1:
            config.pop("run_id", None)  # a run's id is unique
        if not call.live:
            config["tags"] = [*config["tags"], NOSTREAM]
        native, messages, kwargs = self.porter.ported(self.thread, native, self.messages, self.kwargs, self.tools is not None)
        if not self.porter.warmth.idle:
            messages, kwargs = self._warm(native, messages, kwargs, whole)
        if _keeps_answers(native.model):
            messages = unstamped(messages)
        return native, messages, config, kwargs

    def _warm(
        self, native: Native, messages: list[BaseMessage], kwargs: dict[str, Any], whole: bool
    ) -> tuple[list[BaseMessage], dict[str, Any]]:
        """Messages and settings with what keeps the target's cache warm."""
        warmth = self.porter.warmth
        named = "session" in self.view.named
        kwargs = warmth.settings(native, self.thread, named and not _keeps_answers(native.model), kwargs)
        mark = warmth.mark(native, kwargs)
        if mark is None or (self.tools is not None and marked_tools(self.tools.raw)):
            return messages, kwargs
        parsed = self.schema is not None  # settings of a call do not get through LangChain's parsers with `include_raw`
        marked = warmth.messages(native, self.thread, messages, mark, whole=whole, end=parsed)
        if marked is None:
            return messages, kwargs
        return marked, kwargs if parsed else {**kwargs, MARK: mark}

    def prepared(
        self, call: Call
    ) -> tuple[Runnable[LanguageModelInput, Any], list[BaseMessage], RunnableConfig, dict[str, Any], Witness | None]:
        """The target with tools or schema bound, its prompt, config and settings, and the witness, where one is needed."""
        if call.ask is not None:
            return self.natives[call.target.name].model, [HumanMessage(call.ask)], _aside(self.config), {}, None
        native, messages, config, kwargs = self.adapted(call, whole=True)
        if self.schema is not None:
            witness = Witness()
            config = merge_configs(config, {"callbacks": [witness]})
            return self.schema.bound_to(native.name, native.model), messages, config, kwargs, witness
        if self.tools is not None:
            mark = None if MARK in self.kwargs else kwargs.get(MARK)
            return self.tools.bound_to(native, mark), messages, config, kwargs, None
        return native.model, messages, config, kwargs, None


class Translated:
    """Raises the target's failure that an error within reports, from that error; lets through what is none, bugs above all.

    One object without state serves all calls: it is entered at every call, where a generator would cost a microsecond.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        """Nothing is needed."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Look at the error, if there is one."""
        if not isinstance(error, Exception) or (trace is not None and _of_the_callers_own(trace)):
            return
        if type(error) is ValueError and str(error) == _NO_CHUNKS:
            error = IncompleteStream(_NO_CHUNKS)
        failure = target_error(error)
        if failure is not None and failure is not error:
            raise failure


TRANSLATED = Translated()


def _keeps_answers(model: BaseChatModel) -> bool:
    """Whether LangChain keeps a model's answers: by the whole prompt and all settings, in which nothing of ours may then differ."""
    return model.cache is not False and (get_llm_cache() is not None or model.cache is not None)


def _of_the_callers_own(trace: TracebackType) -> bool:
    """Whether an error comes from a callback handler, a response cache or a rate limiter: no target has failed then."""
    caller = ""
    for frame, _ in walk_tb(trace):
        name = frame.f_code.co_name
        if name in _HANDLES and frame.f_globals.get("__name__") == "langchain_core.callbacks.manager":
            return True
        if caller in _CACHES and name in _OWN:
            return True
        caller = name
    return False


def _aside(config: RunnableConfig) -> RunnableConfig:
    """The config of a question of our own: traced and counted like any call, but shown to nobody."""
    aside: RunnableConfig = {
        **config,
        "tags": [*config["tags"], NOSTREAM],
        "metadata": {**config["metadata"], "lc_source": "switchwise"},
    }
    aside.pop("run_id", None)
    return aside


def _whole(answer: Any, witness: Witness | None) -> AIMessage:
    message = answer if witness is None else witness.message
    if not isinstance(message, AIMessage):
        raise TypeError(f"a chat model must give an AIMessage, not {type(message).__name__}")
    complete(message)
    return message


def _message(result: LLMResult) -> AIMessage | None:
    generation = result.generations[0][0]
    return generation.message if isinstance(generation, ChatGeneration) and isinstance(generation.message, AIMessage) else None
