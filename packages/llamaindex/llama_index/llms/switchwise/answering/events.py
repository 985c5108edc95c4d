"""LlamaIndex instrumentation events of the router: a decision before each attempt, an outcome after it.

They have targets, reasons and counts, and never text of a prompt or an answer. They are created only if a handler is registered.
"""

from __future__ import annotations

from typing import Any

from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.dispatcher import Dispatcher
from llama_index_instrumentation.event_handlers import NullEventHandler

from llama_index.llms.switchwise.answering.structured_usage import UsageHandler
from switchwise import Attempt, Call
from switchwise.observe.decision_record import reason_of
from switchwise.observe.observer import Observer

_ROOT: Dispatcher = get_dispatcher()
_DISPATCHER: Dispatcher = get_dispatcher(__name__)
_DEAF = (NullEventHandler, UsageHandler)


class RouteDecisionEvent(BaseEvent):
    """A target is about to be called.

    Parameters:
        decision: id of this step in the journal and in feedback.
        method: the method of the LLM that the caller used.
        attempt: number of the attempt within the step, from 1.
        target, model: target of the call.
        policy, level, because: the deciding preference.
        ruled_out: targets that may not be called now.
        session, agent, task, step: scope of the call.
    """

    decision: str
    method: str
    attempt: int
    target: str
    model: str
    policy: str
    level: str
    because: str
    ruled_out: list[str]
    session: str
    agent: str
    task: str
    step: int

    @classmethod
    def class_name(cls) -> str:
        return "RouteDecisionEvent"


class RouteOutcomeEvent(BaseEvent):
    """A target was called.

    Parameters:
        decision, method, attempt, target: as in the decision.
        ok: whether it gave a complete answer.
        failure: kind of failure; empty: it did not fail, or was abandoned by the caller or ended by an exception of our own code.
        input_tokens, output_tokens, cache_read_tokens: None if unknown.
    """

    decision: str
    method: str
    attempt: int
    target: str
    ok: bool
    failure: str
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None

    @classmethod
    def class_name(cls) -> str:
        return "RouteOutcomeEvent"


def anybody_listens() -> bool:
    """Return whether an event handler would receive our events. A shallow check, because it runs at every call."""
    for handlers in (_ROOT.event_handlers, _DISPATCHER.event_handlers):
        for handler in handlers:
            if type(handler) not in _DEAF:
                return True
    return False


class RouteEvents(Observer):
    """Send the events of one step.

    Parameters:
        method: the method of the LLM that the caller used.
    """

    def __init__(self, method: str) -> None:
        self._method = method

    def started(self, call: Call) -> None:
        """Send the decision of `call`."""
        scope = call.view.scope
        left = set(call.shortlist.names)
        _DISPATCHER.event(
            RouteDecisionEvent(
                **reason_of(call),
                method=self._method,
                attempt=len(call.view.attempts) + 1,
                model=call.target.model,
                ruled_out=[target.name for target in call.shortlist.pool if target.name not in left],
                session=scope.session,
                agent=scope.agent,
                task=scope.task,
                step=scope.step,
            )
        )

    def settled(self, attempt: Attempt) -> None:
        """Send the outcome of a call."""
        call, reply = attempt.call, attempt.reply
        usage: Any = reply.usage if reply is not None else None
        _DISPATCHER.event(
            RouteOutcomeEvent(
                decision=call.view.decision,
                method=self._method,
                attempt=len(call.view.attempts) + 1,
                target=call.target.name,
                ok=reply is not None,
                failure=attempt.kind.value if attempt.kind is not None else "",
                input_tokens=usage and usage.input_tokens,
                output_tokens=usage and usage.output_tokens,
                cache_read_tokens=usage and usage.cache_read_tokens,
            )
        )
