"""Decide, then call the chosen model's own public method: the one way through which every entry point goes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, closing
from typing import Any, cast

from langchain_core.language_models.base import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs

from langchain_switchwise.answering.decision_record import KEY, stamp_of, stamped
from langchain_switchwise.answering.event_stream import FINISH, Event, finished
from langchain_switchwise.calling.construction import Packed, Parts, packed, unpacked
from langchain_switchwise.calling.perform import Request
from langchain_switchwise.models.native import Native, natives
from langchain_switchwise.porting.cache_hints import Warmth
from langchain_switchwise.porting.port import Porter
from langchain_switchwise.reading.inputs import forget_seen, messages_of, settled, take_tools
from langchain_switchwise.reading.view import Views
from switchwise import Call, Outcome, adrive, drive
from switchwise.engine.drive import APerform
from switchwise.prompt_cache.affinity import KeepWarm


class Dispatch:
    """What stands behind a `ChatSwitchwise`, and behind everything that is derived from it.

    Parameters:
        models: the chat models by target name.
        parts: what chooses among them is made of these.
        said: settings that all models were built with, for the traces.
    """

    __slots__ = ("_local", "_natives", "_parts", "_porter", "_views", "limiter", "router", "said")

    def __init__(self, models: Mapping[str, Native], parts: Parts, said: Mapping[str, Any]) -> None:
        self.router = parts.router_for(models)
        self.limiter: BaseRateLimiter | None = None
        self.said = said
        self._natives = models
        self._parts = parts
        self._views = Views()
        self._porter = Porter(Warmth(parts.keep_warm or KeepWarm(), models))
        self._local: RunnableConfig | None = None

    @property
    def natives(self) -> Mapping[str, Native]:
        """The chat models by target name."""
        return self._natives

    def sharing(self, limiter: BaseRateLimiter | None, local: RunnableConfig | None) -> Dispatch:
        """One that shares all with this one but the fields of its chat model.

        Parameters:
            limiter: asked before each attempt; None: only the models' own.
            local: callbacks, tags and metadata of every call; None: none.
        """
        other = object.__new__(Dispatch)
        for name in Dispatch.__slots__:
            setattr(other, name, getattr(self, name))
        other.limiter, other._local = limiter, local
        return other

    def __copy__(self) -> Dispatch:
        """The same: a router is a service, and what it counts holds for every copy of a model."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Dispatch:
        """The same, as above."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """What another process makes one of again: see `parts`."""
        if self._parts.router is not None:
            raise TypeError(
                "cannot pickle a ChatSwitchwise with router=: its memory is shared; make it in the process that uses it"
            )
        models = {name: packed(native.model) for name, native in self._natives.items()}
        return _again, (models, self._parts, dict(self.said), self.limiter, self._local)

    def invoke(
        self, prompt: LanguageModelInput, config: RunnableConfig | None, /, *, stop: list[str] | None = None, **kwargs: Any
    ) -> Any:
        """The answer: a message, or what its parser made of it."""
        request = self.request(prompt, config, stop, kwargs)
        run = self.router.start(request.view)
        shown = list(drive(run, request.invoke))
        return _finished(request, run.outcome, shown)

    async def ainvoke(
        self, prompt: LanguageModelInput, config: RunnableConfig | None, /, *, stop: list[str] | None = None, **kwargs: Any
    ) -> Any:
        """As `invoke`, asynchronously."""
        request = self.request(prompt, config, stop, kwargs)
        run = self.router.start(request.view)
        shown = [item async for item in adrive(run, request.ainvoke)]
        return _finished(request, run.outcome, shown)

    def stream(
        self, prompt: LanguageModelInput, config: RunnableConfig | None, /, *, stop: list[str] | None = None, **kwargs: Any
    ) -> Generator[Any, None, None]:
        """The chunks of the answer; the last one carries the decision."""
        request = self.request(prompt, config, stop, kwargs)
        run = self.router.start(request.view)
        last = Last()
        with closing(cast("Any", drive(run, request.stream))) as chunks:
            for chunk in chunks:
                yield from last.next(chunk)
        yield from last.end(run.outcome)

    async def astream(
        self, prompt: LanguageModelInput, config: RunnableConfig | None, /, *, stop: list[str] | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """As `stream`, asynchronously."""
        request = self.request(prompt, config, stop, kwargs)
        run = self.router.start(request.view)
        last = Last()
        async with _closed(request.astream) as perform, aclosing(cast("Any", adrive(run, perform))) as chunks:
            async for chunk in chunks:
                for item in last.next(chunk):
                    yield item
        for item in last.end(run.outcome):
            yield item

    def generate(
        self, messages: list[BaseMessage], config: RunnableConfig, *, stop: list[str] | None = None, **kwargs: Any
    ) -> LLMResult:
        """The model's own result for one prompt."""
        request = self.request(messages, config, stop, kwargs)
        run = self.router.start(request.view)
        results = list(drive(run, request.generate))
        return _stamped_result(results[-1], run.outcome)

    async def agenerate(
        self, messages: list[BaseMessage], config: RunnableConfig, *, stop: list[str] | None = None, **kwargs: Any
    ) -> LLMResult:
        """As `generate`, asynchronously."""
        request = self.request(messages, config, stop, kwargs)
        run = self.router.start(request.view)
        results = [item async for item in adrive(run, request.agenerate)]
        return _stamped_result(results[-1], run.outcome)

    def events(
        self, prompt: LanguageModelInput, config: RunnableConfig | None, /, *, stop: list[str] | None = None, **kwargs: Any
    ) -> Generator[Event, None, None]:
        """The events of LangChain's v3 protocol; the closing one carries the decision."""
        request = self.request(prompt, config, stop, kwargs)
        run = self.router.start(request.view)
        last: Event | None = None
        with closing(cast("Any", drive(run, request.events))) as events:
            for event in events:
                if event.get("event") == FINISH:
                    last = event
                else:
                    yield event
        yield finished(last, KEY, stamp_of(run.outcome))

    async def aevents(
        self, prompt: LanguageModelInput, config: RunnableConfig | None, /, *, stop: list[str] | None = None, **kwargs: Any
    ) -> AsyncGenerator[Event, None]:
        """As `events`, asynchronously."""
        request = self.request(prompt, config, stop, kwargs)
        run = self.router.start(request.view)
        last: Event | None = None
        async with _closed(request.aevents) as perform, aclosing(cast("Any", adrive(run, perform))) as events:
            async for event in events:
                if event.get("event") == FINISH:
                    last = event
                else:
                    yield event
        yield finished(last, KEY, stamp_of(run.outcome))

    def request(
        self, prompt: LanguageModelInput, config: RunnableConfig | None, stop: list[str] | None, kwargs: dict[str, Any]
    ) -> Request:
        """The caller's input, read once: what the policies see of it, and what each attempt needs.

        Parameters:
            prompt: a string, messages, or a prompt value.
            config: LangChain's; what is around it (a graph, a chain) counts too.
            stop: stop sequences.
            kwargs: settings of the call; this may be changed.
        """
        return self._request(messages_of(prompt), settled(config), stop, kwargs)

    def inside(self, prompt: Sequence[BaseMessage], config: RunnableConfig, kwargs: dict[str, Any]) -> Request:
        """As `request`, for what stands inside an agent; the config is what `surrounding` gives, or more."""
        return self._request(messages_of(prompt), config, None, kwargs)

    def _request(
        self, messages: list[BaseMessage], config: RunnableConfig, stop: list[str] | None, kwargs: dict[str, Any]
    ) -> Request:
        if self._local is not None:
            config = merge_configs(self._local, config)
        pin = ""
        if kwargs:
            pin = kwargs.pop("model", None) or ""
            take_tools(kwargs)
        view = self._views.view(config, messages, kwargs, pin)
        tools = schema = None
        if kwargs:
            forget_seen(kwargs)
            tools, schema = kwargs.pop("tools", None), kwargs.pop("switchwise_schema", None)
        if stop is not None:
            kwargs["stop"] = stop
        return Request(self._natives, self._porter, messages, config, tools, schema, kwargs, view, view.thread, self.limiter)


class Last:
    """Holds back the chunk that says it is the last one, until the decision can be written on it.

    Chunks before it go on at once. Merging chunks joins their strings, so exactly one may carry the decision.
    """

    __slots__ = ("_chunk", "_id")

    def __init__(self) -> None:
        self._chunk: AIMessage | None = None
        self._id: str | None = None

    def next(self, chunk: Any) -> list[Any]:
        """What may be shown now that `chunk` has come."""
        held = [self._chunk] if self._chunk is not None else []
        self._chunk = None
        if isinstance(chunk, AIMessage):
            self._id = chunk.id
            if not isinstance(chunk, AIMessageChunk) or chunk.chunk_position == "last":
                self._chunk = chunk
                return held
        return [*held, chunk]

    def end(self, outcome: Outcome) -> list[Any]:
        """What is left to show when the run is finished."""
        if self._chunk is not None:
            return [stamped(self._chunk, outcome)]
        if self._id is None:  # a parsed answer: there is no message to write on
            return []
        return [stamped(AIMessageChunk(content="", id=self._id), outcome)]


def _again(
    models: Mapping[str, Packed],
    parts: Parts,
    said: dict[str, Any],
    limiter: BaseRateLimiter | None,
    local: RunnableConfig | None,
) -> Dispatch:
    found = natives({name: unpacked(model) for name, model in models.items()}, {})
    return Dispatch(found, parts, said).sharing(limiter, local)


@asynccontextmanager
async def _closed(perform: APerform) -> AsyncGenerator[APerform, None]:
    """`perform`, whose calls are over when the caller goes away: an abandoned stream ends then, not when it is collected."""
    begun: list[Any] = []

    def noted(call: Call) -> AsyncIterator[Any]:
        begun.append(items := perform(call))
        return items

    try:
        yield noted
    finally:
        for items in begun:
            await items.aclose()


def _finished(request: Request, outcome: Outcome, shown: list[Any]) -> Any:
    if request.schema is None:
        return stamped(outcome.reply.raw, outcome)
    answer = shown[-1]
    if request.schema.include_raw and isinstance(answer, dict) and isinstance(answer.get("raw"), AIMessage):
        return {**answer, "raw": stamped(answer["raw"], outcome)}
    return answer


def _stamped_result(result: LLMResult, outcome: Outcome) -> LLMResult:
    first, *others = result.generations[0]
    assert isinstance(first, ChatGeneration), "it was read as a message before"
    first = first.model_copy(update={"message": stamped(cast("AIMessage", first.message), outcome)})
    return result.model_copy(update={"generations": [[first, *others]]})
