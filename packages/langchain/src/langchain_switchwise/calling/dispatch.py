"""Decide, then call the chosen model's own public method; used by every entry point."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, closing
from dataclasses import replace
from typing import Any, cast

from langchain_core.language_models.base import LanguageModelInput
from langchain_core.messages import BaseMessage
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs

from langchain_switchwise.answering.tokens_shown import anybody_reads
from langchain_switchwise.calling.construction import Packed, Parts, packed, unpacked
from langchain_switchwise.calling.door import Door
from langchain_switchwise.calling.perform import Performer
from langchain_switchwise.calling.recording import RequestRecording
from langchain_switchwise.calling.root_run import aroot_run, root_run
from langchain_switchwise.models.native import Native, natives
from langchain_switchwise.porting.cache_hints import HintWriter
from langchain_switchwise.porting.history import HistoryAdapter
from langchain_switchwise.porting.schema import AnswerSchema
from langchain_switchwise.reading.inputs import Request, parsed, settled
from langchain_switchwise.reading.view import Views
from switchwise import Call, View, adrive, drive
from switchwise.adapting.models import by_key
from switchwise.engine.drive import APerform
from switchwise.prompt_cache.cache_hints import CacheHints


class Dispatch:
    """The models and router of a `ChatSwitchwise` and of everything derived from it.

    Parameters:
        models: the chat models by target name.
        parts: the arguments of which the router is built.
        shared_settings: common settings of the models, for traces.
    """

    __slots__ = ("_adapter", "_local", "_natives", "_parts", "_unstreamed", "_views", "limiter", "router", "shared_settings")

    def __init__(self, models: Mapping[str, Native], parts: Parts, shared_settings: Mapping[str, Any]) -> None:
        self.router = parts.router_for(models)
        self.limiter: BaseRateLimiter | None = None
        self.shared_settings = shared_settings
        self._natives = models
        self._parts = parts
        self._views = Views()
        self._adapter = HistoryAdapter(HintWriter(parts.cache_hints or CacheHints(), models))
        self._local: RunnableConfig | None = None
        self._unstreamed: bool | str = False

    @property
    def natives(self) -> Mapping[str, Native]:
        """The chat models by target name."""
        return self._natives

    def sharing(self, limiter: BaseRateLimiter | None, local: RunnableConfig | None, unstreamed: bool | str) -> Dispatch:
        """Return a copy that shares everything except the fields of its chat model.

        Parameters:
            limiter: rate limiter used before each attempt; None: only the models' own.
            local: callbacks, tags and metadata of every call; None: none.
            unstreamed: True: no call is streamed; `tool_calling`: none with tools. As LangChain's `disable_streaming`.
        """
        other = object.__new__(Dispatch)
        for name in Dispatch.__slots__:
            setattr(other, name, getattr(self, name))
        other.limiter, other._local, other._unstreamed = limiter, local, unstreamed
        return other

    def __copy__(self) -> Dispatch:
        """Return itself: a router is a service shared by all copies of a model."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Dispatch:
        """Return itself, as `__copy__`."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the parts, from which another process builds it."""
        if self._parts.router is not None:
            raise TypeError(
                "cannot pickle a ChatSwitchwise with router=: its memory is shared; make it in the process that uses it"
            )
        models = {name: packed(native.model) for name, native in self._natives.items()}
        keys = by_key(models, {name: native.key_of for name, native in self._natives.items()})
        return _again, (keys, self._parts, dict(self.shared_settings), self.limiter, self._local, self._unstreamed)

    def call(self, door: Door, request: Request) -> Any:
        """Return the whole answer, in the door's form."""
        performer = self.performer(door, request)
        run = performer.begin(self.router)
        with root_run(performer, run) as config:
            shown = list(drive(run, performer.perform, context=config))
        return door.finish(run.outcome, shown[-1] if shown else None)

    async def acall(self, door: Door, request: Request) -> Any:
        """As `call`, asynchronously."""
        performer = self.performer(door, request)
        run = performer.begin(self.router)
        async with aroot_run(performer, run) as config:
            shown = [item async for item in adrive(run, performer.aperform, context=config)]
        return door.finish(run.outcome, shown[-1] if shown else None)

    def stream(self, door: Door, request: Request) -> Generator[Any, None, None]:
        """Yield the answer; its last item waits until the decision record is known."""
        performer = self.performer(door, request)
        run = performer.begin(self.router)
        closing_item = Closing(door)
        with (
            root_run(performer, run) as config,
            closing(cast("Any", drive(run, performer.perform, context=config))) as items,
        ):
            for item in items:
                yield from closing_item.take(item)
        yield from door.finish(run.outcome, closing_item.last)

    async def astream(self, door: Door, request: Request) -> AsyncGenerator[Any, None]:
        """As `stream`, asynchronously."""
        performer = self.performer(door, request)
        run = performer.begin(self.router)
        closing_item = Closing(door)
        async with (
            aroot_run(performer, run) as config,
            _closed(performer.aperform) as perform,
            aclosing(cast("Any", adrive(run, perform, context=config))) as items,
        ):
            async for item in items:
                for shown in closing_item.take(item):
                    yield shown
        for shown in door.finish(run.outcome, closing_item.last):
            yield shown

    def request(
        self,
        prompt: LanguageModelInput,
        config: RunnableConfig | None,
        given: Mapping[str, Any],
        stop: list[str] | None = None,
        schema: AnswerSchema | None = None,
    ) -> Request:
        """Parse the arguments of a call.

        Parameters:
            prompt: a string, messages, or a prompt value.
            config: LangChain's config, merged with that of the enclosing graph or chain.
            given: keyword arguments of the call.
            stop: stop sequences.
            schema: schema of the answer.
        """
        around = settled(config)
        if self._local is not None:
            around = merge_configs(self._local, around)
        if self._unstreamed and schema is None and (self._unstreamed is True or given.get("tools")):
            given = {**given, "stream": False}
        return parsed(prompt, around, given, stop, schema)

    def inside(self, prompt: Sequence[BaseMessage], config: RunnableConfig, given: Mapping[str, Any]) -> Request:
        """As `request`, inside an agent; the config is an extension of `surrounding`."""
        return parsed(prompt, config if self._local is None else merge_configs(self._local, config), given)

    def view(self, request: Request) -> View:
        """The view of the request."""
        return self._views.view(request)

    def performer(self, door: Door, request: Request) -> Performer:
        """Return the performer of a request's calls."""
        callbacks = request.config.get("callbacks")
        streamed = door.is_last is not None or (callbacks is not None and anybody_reads(callbacks))
        view = self._views.view(request, streamed)
        if self.router.cache is not None:
            view = replace(view, recording=RequestRecording(request, self._natives, self.router.pool))
        return Performer(door, request, view, self._natives, self._adapter, self.limiter)


class Closing:
    """Hold back the last item of a stream; earlier ones pass at once."""

    __slots__ = ("_held", "_is_last", "last")

    def __init__(self, door: Door) -> None:
        assert door.is_last is not None, "a door that streams"
        self._is_last, self._held = door.is_last, False
        self.last: Any = None

    def take(self, item: Any) -> list[Any]:
        """Return the items to show after `item`."""
        held = [self.last] if self._held else []
        self.last, self._held = item, self._is_last(item)
        return held if self._held else [*held, item]


def _again(
    models: Mapping[str, Sequence[Packed]],
    parts: Parts,
    shared_settings: dict[str, Any],
    limiter: BaseRateLimiter | None,
    local: RunnableConfig | None,
    unstreamed: bool | str,
) -> Dispatch:
    found = natives({name: [*map(unpacked, keys)] for name, keys in models.items()}, {})
    return Dispatch(found, parts, shared_settings).sharing(limiter, local, unstreamed)


@asynccontextmanager
async def _closed(perform: APerform) -> AsyncGenerator[APerform, None]:
    """Wrap `perform` so that an abandoned stream ends at once, not when it is garbage collected."""
    begun: list[Any] = []

    def noted(call: Call) -> AsyncIterator[Any]:
        begun.append(items := perform(call))
        return items

    try:
        yield noted
    finally:
        for items in begun:
            await items.aclose()
