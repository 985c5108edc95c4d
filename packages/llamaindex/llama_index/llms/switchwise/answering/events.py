"""What the router did, as LlamaIndex instrumentation events: a decision before each attempt, an outcome after it.

They name targets, reasons and counts, and never a word of a prompt or an answer. They are made only if somebody listens.
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
        decision: the id by which the journal and feedback call this step.
        method: the method of the LLM that the caller used.
        attempt: number of the attempt within the step, from 1.
        target, model: whom it goes to.
        policy, level, because: what settled that.
        ruled_out: targets that may not be called now.
        session, agent, task, step: who is calling.
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
        ok: it gave a complete answer.
        failure: how it failed; empty: it did not, or it was broken off: the caller went away, or our own code raised.
        input_tokens, output_tokens, cache_read_tokens: None: the provider did not say.
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
    """Whether an event handler is registered that would see our events. Asked at every call, so it looks and does not walk."""
    for handlers in (_ROOT.event_handlers, _DISPATCHER.event_handlers):
        for handler in handlers:
            if type(handler) not in _DEAF:
                return True
    return False


class RouteEvents(Observer):
    """Sends the events of one step.

    Parameters:
        method: the method of the LLM that the caller used.
    """

    def __init__(self, method: str) -> None:
        self._method = method

    def started(self, call: Call) -> None:
        """Send the decision behind `call`."""
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
        """Send what became of a call."""
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
