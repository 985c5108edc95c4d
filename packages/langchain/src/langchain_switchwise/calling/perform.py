"""Perform a call: pass the request to the chosen native model, through that model's own public methods.

Rules:
1. The native model's run is the only model's run of a call, as if it had been called directly; see `root_run` for the one around it.
2. A request is adapted for each attempt, on copies; the caller's objects are not changed.
3. Only the target's own failures become `TargetError`; bugs, cancellation and graph control flow propagate.
4. A reply that may still be rejected, and questions of verifiers, are tagged `nostream`: LangGraph does not show them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.globals import get_llm_cache
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.prompt_values import ChatPromptValue
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs

from langchain_switchwise.answering.decision_record import unstamped
from langchain_switchwise.answering.tokens_shown import TokensShown, anybody_reads, before
from langchain_switchwise.calling.door import INVOKE, Door, PreparedCall
from langchain_switchwise.calling.errors import NotAffordable
from langchain_switchwise.calling.recording import answering
from langchain_switchwise.models.native import Native
from langchain_switchwise.policies.decision_models import NOSTREAM, aside
from langchain_switchwise.porting.cache_hints import MARK, marked_tools
from langchain_switchwise.porting.history import HistoryAdapter
from langchain_switchwise.porting.schema import MessageCapture
from langchain_switchwise.porting.settings import at_effort
from langchain_switchwise.reading.inputs import Request
from switchwise import BudgetExceeded, Call, Reply, Router, Run, View
from switchwise.adapting.answer_headers import listen
from switchwise.failures import brings, brought_along
from switchwise.observe.decision_record import run_metadata
from switchwise.protocols.ask_text import prompt_of


@dataclass(eq=False, slots=True)
class Performer:
    """Perform the calls of one request.

    Parameters:
        door: the way to call.
        request: the parsed request.
        view: the view of the request.
        natives: the models by target name.
        adapter: adapts the history.
        limiter: rate limiter used before each attempt; None: none.
        seen: somebody may see the runs of its calls, so that they carry the decision.
        hear: `Run.hear`; receives shown chunks of an answer that the caller requested whole.
    """

    door: Door
    request: Request
    view: View
    natives: Mapping[str, Native]
    adapter: HistoryAdapter
    limiter: BaseRateLimiter | None
    seen: bool = True
    hear: Callable[..., bool] | None = None
    _begun: bool = False
    _readers: dict[int, TokensShown] = field(default_factory=dict)

    def begin(self, router: Router) -> Run:
        """Start the run whose calls are to be made.

        Raises:
            NoTarget: nothing may be called; for want of money, an error that LangChain does not retry.
        """
        try:
            run = router.start(self.view)
        except BudgetExceeded as error:
            raise NotAffordable(*error.args) from None
        if self.door.signals is None:
            run.on_broken = "raise"
        else:
            run.signals, run.text_of = self.door.signals, self.door.text_of
        self.hear = run.hear
        return run

    def beneath(self, callbacks: BaseCallbackManager) -> RunnableConfig:
        """Make all further calls children of the run of these callbacks; return their config, without a run id."""
        config: RunnableConfig = {**self.request.config, "callbacks": callbacks}
        config.pop("run_id", None)
        self.request = replace(self.request, config=config)
        return config

    def perform(self, call: Call) -> Iterator[Any]:
        """Make a call, for `drive`: yield items to show, then the reply."""
        if call.ask is not None:
            return self.ask(call)
        prepared = self._prepared(call)
        if self.limiter is not None and call.stored is None:
            self.limiter.acquire(blocking=True)
        items = self._own(prepared) if prepared.settings and brings(prepared.settings) else self.door.open(prepared)
        return map(partial(self._timed, call), items) if id(call) in self._readers and self.door.is_last is None else items

    async def aperform(self, call: Call) -> AsyncIterator[Any]:
        """Make a call, for `adrive`."""
        if call.ask is not None:
            items = self.aask(call)
        else:
            prepared = self._prepared(call)
            if self.limiter is not None and call.stored is None:
                await self.limiter.aacquire(blocking=True)
            items = self._aown(prepared) if prepared.settings and brings(prepared.settings) else self.door.aopen(prepared)
        async with aclosing(cast("Any", items)):
            async for item in items:
                yield self._timed(call, item) if isinstance(item, Reply) else item

    def first_chunk(self, call: Call) -> float | None:
        """Seconds until content was shown of an answer that the caller requested whole; None if none was shown."""
        reader = self._readers.get(id(call))
        return None if reader is None else reader.first

    def _timed(self, call: Call, item: Any) -> Any:
        if not isinstance(item, Reply) or item.first_chunk is not None or (first := self.first_chunk(call)) is None:
            return item
        return replace(item, first_chunk=first)

    def _own(self, prepared: PreparedCall) -> Iterator[Any]:
        """Return whether the caller supplied a key, a timeout or a model name for this call: policies do not learn from its failures for
        other callers.
        """
        with brought_along(prepared.settings):
            yield from self.door.open(prepared)

    async def _aown(self, prepared: PreparedCall) -> AsyncIterator[Any]:
        with brought_along(prepared.settings):
            async with aclosing(cast("Any", self.door.aopen(prepared))) as items:
                async for item in items:
                    yield item

    def ask(self, call: Call) -> Iterator[Any]:
        """Ask a question of a policy or verifier."""
        return INVOKE.open(self._question(call))

    async def aask(self, call: Call) -> AsyncIterator[Any]:
        """As `ask`, asynchronously."""
        async for item in INVOKE.aopen(self._question(call)):
            yield item

    # -- preparing a call for its target

    def adapted(self, call: Call, whole: bool = False) -> tuple[Native, list[BaseMessage], RunnableConfig, dict[str, Any]]:
        """Return the model to call, the messages and settings adapted to it, and the config of this attempt.

        Parameters:
            call: the call.
            whole: the request is complete; False: an agent will add to it.
        """
        request = self.request
        native, config = self.natives[call.target.name], request.config
        metadata, seen = config["metadata"], self.seen or bool(native.model.callbacks)
        if seen:
            metadata = {**metadata, **run_metadata(call)}
        if call.broken is not None:  # shown with each token to readers of a graph
            metadata = {**metadata, call.broken.signal: call.broken.details}
        config = {**config, "metadata": metadata}
        if self._begun:
            config.pop("run_id", None)  # a run's id is unique
        self._begun = True
        if not call.live:
            config["tags"] = [*config["tags"], NOSTREAM]
        elif seen and self.hear is not None and anybody_reads(config.get("callbacks"), native.model.callbacks):
            handler = self._readers[id(call)] = TokensShown(partial(self.hear, call=call))
            config = {**config, "callbacks": before(handler, config.get("callbacks"))}
        given, thread = request.messages, self.view.thread
        if call.note:
            shown = [AIMessage(call.continued)] if call.continued else []
            given, thread = [*given, *shown, HumanMessage(call.note)], (*thread, "with a note")
        native, messages, settings = self.adapter.adapted(thread, native, given, request.settings, request.tools is not None)
        if call.target.effort:
            settings = at_effort(native, call.target.effort, settings)
        cache = native.model.cache
        cached = cache is not False and (cache is not None or get_llm_cache() is not None)
        if not self.adapter.hint_writer.idle:
            messages, settings = self._warm(native, messages, settings, whole, cached)
        if cached:  # by the whole prompt and all settings, so ours must not differ between calls
            messages = unstamped(messages)
        if call.stored is not None:
            native = replace(native, model=answering(native, call.stored))
        return native, messages, config, settings

    def _warm(
        self, native: Native, messages: list[BaseMessage], settings: dict[str, Any], whole: bool, cached: bool
    ) -> tuple[list[BaseMessage], dict[str, Any]]:
        """Return messages and settings with cache hints; `cached`: LangChain keeps the model's answers."""
        hint_writer, request, tools = self.adapter.hint_writer, self.request, self.request.tools
        named = "session" in self.view.named
        settings = hint_writer.settings(native, self.view.thread, named and not cached, settings)
        mark = hint_writer.mark(native, settings)
        if mark is None or (tools is not None and marked_tools(tools.raw)):
            return messages, settings
        parsed = request.schema is not None  # LangChain's parsers with `include_raw` drop settings of a call
        marked = hint_writer.messages(native, self.view.thread, messages, mark, whole=whole, end=parsed)
        if marked is None:
            return messages, settings
        return marked, settings if parsed else {**settings, MARK: mark}

    def _prepared(self, call: Call) -> PreparedCall:
        """Return the target with tools or schema bound, and its prompt, config and settings."""
        native, messages, config, settings = self.adapted(call, whole=True)
        runnable: Any = native.model
        capture, tools, schema = None, self.request.tools, self.request.schema
        if schema is not None:
            capture = MessageCapture()
            config = merge_configs(config, {"callbacks": [capture]})
            runnable = schema.bound_to(native.name if call.stored is None else "", runnable)
        elif tools is not None and call.stored is None:
            runnable = tools.bound_to(native, None if MARK in self.request.settings else settings.get(MARK))
        return PreparedCall(
            runnable,
            ChatPromptValue.model_construct(messages=messages),  # valid already
            config,
            settings,
            capture,
            marked=call.target.can.marks_end is not False,
            alone=len(self.natives) == 1,
            heard=listen(),
            records=schema is None and call.view.recording is not None,
        )

    def _question(self, call: Call) -> PreparedCall:
        native = self.natives[call.target.name]
        effort = call.target.effort
        settings = at_effort(native, effort, {}) if effort else {}
        prompt = ChatPromptValue(messages=[HumanMessage(prompt_of(call))])
        return PreparedCall(native.model, prompt, aside(self.request.config), settings)
