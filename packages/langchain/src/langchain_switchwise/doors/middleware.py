"""Route inside an agent, so that the agent's other middleware sees the chosen native model.

`ChatSwitchwise` alone routes an agent too. With this middleware, code that checks the model's class or profile works as with a
native model: Anthropic's prompt caching, the provider's own structured output, unsupported content.

Rules:
1. It acts only if the request's model is a `ChatSwitchwise`; other models pass through.
2. Put it outside (in the list: before) middleware for one provider.
3. Held preferences of the session are also kept in the graph's state, so that a thread resumed in another process keeps them;
   they are written only when they change.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from inspect import signature
from typing import Any, NamedTuple, TypeVar, cast

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain.agents.middleware.types import ExtendedModelResponse
from langchain_core.messages import AIMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.types import Command

from langchain_switchwise.answering.decision_record import answer
from langchain_switchwise.answering.makers import maker_of
from langchain_switchwise.answering.replies import complete, reply_of
from langchain_switchwise.calling.dispatch import Dispatch
from langchain_switchwise.calling.door import INVOKE
from langchain_switchwise.calling.errors import TRANSLATED
from langchain_switchwise.calling.perform import Performer
from langchain_switchwise.calling.root_run import aroot_run, root_run
from langchain_switchwise.doors.chat_model import ChatSwitchwise
from langchain_switchwise.doors.graph_state import Held, MiddlewareState, both
from langchain_switchwise.doors.node import follow
from langchain_switchwise.porting.tools import Tools
from langchain_switchwise.reading.inputs import Request, surrounding
from switchwise import Call, ConfigurationError, Level, Outcome, Reply, Router, adrive, drive
from switchwise.adapting.models import named
from switchwise.engine.policy import Remembers, name_of
from switchwise.policies.hold import hold
from switchwise.state.in_process import Memory

_log = logging.getLogger("switchwise.state")
F = TypeVar("F", bound=Callable[..., Any])
Handler = Callable[[ModelRequest[Any]], ModelResponse[Any]]
AHandler = Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
Answer = ModelResponse[Any] | ExtendedModelResponse[Any]
ROUTING: ContextVar[Router | None] = ContextVar("switchwise_routing", default=None)
"""The router that chose the native model of the current call; None: none."""


class Hook:
    """A method with a cached signature: LangSmith's wrapper reads it at every call, and computing it takes 2 % of an agent's
    step.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        whole = signature(function)
        self._signature = whole.replace(parameters=[*whole.parameters.values()][1:])

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Return the function on the class, the bound method on an instance."""
        if instance is None:
            return self._function
        bound: Any = partial(self._function, instance)
        bound.__signature__ = self._signature
        return bound


def hook(function: F) -> F:
    """Wrap a method in a `Hook`."""
    return cast("F", Hook(function))


class SwitchwiseMiddleware(AgentMiddleware[MiddlewareState, Any, Any]):
    """Route the calls of a `create_agent` agent whose model is a `ChatSwitchwise`.

    Parameters:
        threads: most threads remembered as restored from their state.

    Raises:
        ConfigurationError: `threads` is not a number (the model is passed to `create_agent`).

    >>> from langchain.agents import create_agent
    >>> from langchain_core.language_models import FakeListChatModel
    >>> import warnings; warnings.simplefilter("ignore")  # a fake has no price
    >>> llm = ChatSwitchwise({"strong": FakeListChatModel(responses=["Sunny."])})
    >>> agent = create_agent(llm, [], middleware=[SwitchwiseMiddleware()])
    >>> agent.invoke({"messages": [("user", "How is the weather?")]})["messages"][-1].content
    'Sunny.'
    """

    state_schema = MiddlewareState

    def __init__(self, threads: int = 10_000) -> None:
        super().__init__()
        if not isinstance(threads, int):
            raise ConfigurationError(
                f"SwitchwiseMiddleware: threads= is {named(threads)}: a number; the model is given to create_agent"
            )
        self.threads = threads
        self._restored: Memory[tuple[str, ...], bool] = Memory(threads)

    def __getstate__(self) -> dict[str, Any]:
        """Return all but the state of threads: a copy starts empty and restores them again."""
        return {name: value for name, value in vars(self).items() if name != "_restored"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the result of `__getstate__`."""
        vars(self).update(state, _restored=Memory(state["threads"]))

    @hook
    def wrap_model_call(self, request: ModelRequest[Any], handler: Handler) -> Answer:
        """Choose a target and let the inner chain call it; fall back to another if it fails."""
        if not isinstance(request.model, ChatSwitchwise):
            return handler(request)
        dispatch, step = request.model.dispatch, self._step(request, request.model.dispatch)
        run = step.performer.begin(dispatch.router)

        def perform(call: Call) -> Iterator[Any]:
            if call.ask is not None:
                return step.performer.ask(call)
            chosen, config = step.chosen(call)
            with TRANSLATED, Within(config, dispatch.router):
                response = handler(chosen)
                reply = _reply(dispatch, response, call, step.performer.first_chunk(call))
            return iter((reply,))

        with root_run(step.performer, run) as around:
            for _ in drive(run, perform, context=around):
                pass
        return _answer(dispatch, request, run.outcome)

    @hook
    async def awrap_model_call(self, request: ModelRequest[Any], handler: AHandler) -> Answer:
        """As `wrap_model_call`, asynchronously."""
        if not isinstance(request.model, ChatSwitchwise):
            return await handler(request)
        dispatch, step = request.model.dispatch, self._step(request, request.model.dispatch)
        run = step.performer.begin(dispatch.router)

        async def perform(call: Call) -> AsyncIterator[Any]:
            if call.ask is not None:
                async with aclosing(cast("Any", step.performer.aask(call))) as items:
                    async for item in items:
                        yield item
                return
            chosen, config = step.chosen(call)
            with TRANSLATED, Within(config, dispatch.router):
                response = await handler(chosen)
                reply = _reply(dispatch, response, call, step.performer.first_chunk(call))
            yield reply

        async with aroot_run(step.performer, run) as around:
            async for _ in adrive(run, perform, context=around):
                pass
        return _answer(dispatch, request, run.outcome)

    def _step(self, request: ModelRequest[Any], dispatch: Dispatch) -> _Step:
        """The view of the request, after restoring held preferences of its thread."""
        messages = [request.system_message, *request.messages] if request.system_message else request.messages
        given: dict[str, Any] = {**request.model_settings, **follow(request.state)}
        if request.tools:
            given["tools"] = Tools(cast("Any", request.tools), request.tool_choice)
        parsed = dispatch.inside(messages, _around(request.state), given)
        if request.response_format is not None:  # the agent itself binds it
            parsed = replace(parsed, formatted=True)
        step = _Step(request, parsed, dispatch.performer(INVOKE, parsed))
        thread = step.performer.view.scope.key(Level.SESSION)
        if self._restored.get(thread) is None:
            self._restored.put(thread, True)
            if held := request.state.get("switchwise_held"):
                _restore(dispatch, held)
        return step


class _Step(NamedTuple):
    """One model call of an agent."""

    request: ModelRequest[Any]
    parsed: Request
    performer: Performer

    def chosen(self, call: Call) -> tuple[ModelRequest[Any], RunnableConfig]:
        """The request adapted to the chosen native model, and the config around it."""
        request, parsed = self.request, self.parsed
        native, messages, config, settings = self.performer.adapted(call)
        system = messages[0] if messages and isinstance(messages[0], SystemMessage) else None
        changes: dict[str, Any] = {"model": native.model, "model_settings": settings}
        if messages is not parsed.messages or system is not request.system_message:
            changes["messages"] = messages[1:] if system else messages
            changes["system_message"] = system
        if (tools := parsed.tools) is not None:
            if tools.choice is not None:
                changes["tool_choice"] = tools.choice_for(native)
            if (raw := tools.raw_for(native)) is not tools.raw:
                changes["tools"] = raw
        return _overridden(request, changes), config


def _around(state: Mapping[str, Any]) -> RunnableConfig:
    """The config around the call, with the current item of the agent's todo list as the task."""
    config = surrounding()
    todos = state.get("todos")
    doing = next((todo["content"] for todo in todos if todo.get("status") == "in_progress"), None) if todos else None
    return config if doing is None else {**config, "metadata": {"switchwise_task": doing, **config["metadata"]}}


def _overridden(request: ModelRequest[Any], changes: dict[str, Any]) -> ModelRequest[Any]:
    """Same as `request.override(**changes)`, without its checks of nine deprecated fields: over 1 % of an agent's step."""
    chosen = object.__new__(type(request))
    vars(chosen).update(vars(request), **changes)
    return chosen


class Within:
    """Context manager that makes a config available to the inner chain, which gets none, and the router that chose its model."""

    __slots__ = ("_config", "_router", "_routing", "_token")

    def __init__(self, config: RunnableConfig, router: Router) -> None:
        self._config, self._router = config, router

    def __enter__(self) -> None:
        """Set both."""
        self._token = var_child_runnable_config.set(self._config)
        self._routing = ROUTING.set(self._router)

    def __exit__(self, *_: object) -> None:
        """Restore what was set before."""
        ROUTING.reset(self._routing)
        var_child_runnable_config.reset(self._token)


def _reply(dispatch: Dispatch, response: ModelResponse[Any], call: Call, first_chunk: float | None) -> Reply:
    """The reply, checked to be complete, with its maker: an inner middleware may have called another model than the chosen one."""
    message = next((message for message in response.result if isinstance(message, AIMessage)), None)
    if message is None:
        raise TypeError("an agent's model call must give an AIMessage")
    end = complete(message, marked=call.target.can.marks_end is not False, alone=len(call.shortlist.pool.targets) == 1)
    reply, natives = reply_of(message, end, first_chunk, response), dispatch.natives
    called = natives.get(call.target.name)
    maker = None if called is None else maker_of(message, called, natives.values(), dispatch.router.pool)
    return reply if maker is None else replace(reply, maker=maker)


def _answer(dispatch: Dispatch, request: ModelRequest[Any], outcome: Outcome) -> Answer:
    response: ModelResponse[Any] = outcome.reply.raw
    result = [answer(outcome, message) if isinstance(message, AIMessage) else message for message in response.result]
    response = (
        ModelResponse(result, response.structured_response)
        if type(response) is ModelResponse
        else replace(response, result=result)
    )
    held = _held(dispatch, outcome)
    if not held:
        return response
    known = cast("Held", request.state.get("switchwise_held") or {})
    new = {name: [entry] for name, entry in held.items() if entry not in known.get(name, [])}
    if not new:
        return response
    return ExtendedModelResponse(model_response=response, command=Command(update={"switchwise_held": both(known, new)}))


def _held(dispatch: Dispatch, outcome: Outcome) -> dict[str, list[Any]]:
    """Preferences held after this decision, by policy name as in `Router.dump`."""
    if not outcome.attempt.call.shortlist.memo:
        return {}
    found = {}
    for name, policy in _holding(dispatch).items():
        if (entry := policy.learned(outcome.attempt)) is not None:
            key, held = entry
            found[name] = [list(key), held]
    return found


def _holding(dispatch: Dispatch) -> dict[str, hold]:
    """The `hold` policies whose only state is the held names."""
    policies = enumerate(dispatch.router.policies)
    return {
        f"{i}:{name_of(policy)}": policy
        for i, policy in policies
        if isinstance(policy, hold) and not isinstance(policy.policy, Remembers)
    }


def _restore(dispatch: Dispatch, held: Any) -> None:
    """Restore held preferences from a thread's state. Entries that do not fit this router are skipped and logged."""
    holding = _holding(dispatch)
    for name, entries in held.items() if isinstance(held, Mapping) else [("", held)]:
        try:
            if name not in holding:
                raise ConfigurationError(
                    f"this router has no such policy among {', '.join(holding) or 'its policies that hold'}"
                )
            holding[name].load({"held": entries})
        except ConfigurationError as error:
            _log.warning("what the thread's state holds for %r is left out: %s", name, error)


__all__ = ["MiddlewareState", "SwitchwiseMiddleware"]
