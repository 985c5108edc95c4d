"""What a person decides at an interrupt (approve, edit, reject) as an outcome of the call that proposed it.

`SwitchwiseReview` is LangChain's `HumanInTheLoopMiddleware`, and reports each review to the router: approved 1, edited 0.5, rejected 0, as feedback
of kind `review`. An answer that a person gives in place of a tool (`respond`) says nothing of the model.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from langchain.agents.middleware import AgentState, HumanInTheLoopMiddleware
from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.runtime import Runtime
from langgraph.types import Command

from langchain_switchwise.doors.chat_model import ChatSwitchwise
from switchwise import ConfigurationError
from switchwise.observe.decision_record import decision_of

APPROVED, EDITED, REJECTED = 1.0, 0.5, 0.0
Result = ToolMessage | Command[Any]
_WRAPS_TOOLS = "wrap_tool_call" in vars(HumanInTheLoopMiddleware)  # older versions of LangChain ask after the model alone


class SwitchwiseReview(HumanInTheLoopMiddleware):
    """Interrupts before tools run, as `HumanInTheLoopMiddleware` does, and reports what the person decides to the router.

    Put it where that one stands; for deep agents in `middleware=` in place of `interrupt_on=`. Of several calls in one message the worst decision counts;
    with `interrupt_mode="per_call"` the first.

    Parameters:
        llm: the model of the agent, whose router hears it.
        interrupt_on: tool name -> what may be decided, as for `HumanInTheLoopMiddleware`.
        options: the others of `HumanInTheLoopMiddleware`.

    Raises:
        ConfigurationError: `llm` is something else.
    """

    def __init__(self, llm: ChatSwitchwise, interrupt_on: Mapping[str, Any], **options: Any) -> None:
        if not isinstance(llm, ChatSwitchwise):
            raise ConfigurationError(f"SwitchwiseReview({llm!r:.80}): give the agent's ChatSwitchwise, then interrupt_on")
        super().__init__(dict(interrupt_on), **options)
        self._router = llm.router

    def after_model(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Ask about the calls of the last message, and report what was decided."""
        last = _last(state["messages"])
        before = [] if last is None else [dict(call) for call in last.tool_calls]
        update = super().after_model(state, runtime)  # the asynchronous hook calls this one
        if update and (messages := update.get("messages")):
            notes = [value for key, value in update.items() if key != "messages"]  # edits that are carried out later
            edited = any(notes) or [dict(call) for call in messages[0].tool_calls] != before
            self._report(messages[0], self._reward(before, messages[1:], edited=edited))
        return update

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Result]) -> Result:
        """Where it asks call by call: as `after_model`."""
        if not _WRAPS_TOOLS:
            return handler(request)
        ran: list[ToolCallRequest] = []

        def run(given: ToolCallRequest) -> Result:
            ran.append(given)
            return handler(given)

        result = super().wrap_tool_call(request, run)
        self._reviewed(request, ran, result)
        return result

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Result]]
    ) -> Result:
        """As `wrap_tool_call`, asynchronously."""
        if not _WRAPS_TOOLS:
            return await handler(request)
        ran: list[ToolCallRequest] = []

        async def run(given: ToolCallRequest) -> Result:
            ran.append(given)
            return await handler(given)

        result = await super().awrap_tool_call(request, run)
        self._reviewed(request, ran, result)
        return result

    def _reviewed(self, request: ToolCallRequest, ran: Sequence[ToolCallRequest], result: Result) -> None:
        config: Any = self.interrupt_on.get(request.tool_call["name"])
        if self.interrupt_mode != "per_call" or config is None:
            return
        if (when := config.get("when")) is not None and not when(request):
            return
        answers = [] if ran else [result]
        changed = bool(ran) and ran[0].tool_call != request.tool_call
        self._report(_last(request.state["messages"]), self._reward([dict(request.tool_call)], answers, edited=changed))

    def _reward(self, calls: Sequence[Mapping[str, Any]], answers: Sequence[Any], *, edited: bool) -> float | None:
        """How good the calls were, from what stands in place of their results; None: nothing was said of them."""
        if any(isinstance(answer, ToolMessage) and answer.status == "error" for answer in answers):
            return REJECTED
        if edited:
            return EDITED
        answered = {getattr(answer, "tool_call_id", None) for answer in answers}
        left = [call for call in calls if call["name"] in self.interrupt_on and call["id"] not in answered]
        return APPROVED if left else None

    def _report(self, message: AIMessage | None, reward: float | None) -> None:
        if reward is not None and (decision := decision_of(message)):
            self._router.feedback(decision, reward, "review")


def _last(messages: Sequence[Any]) -> AIMessage | None:
    return next((message for message in reversed(messages) if isinstance(message, AIMessage)), None)


__all__ = ["SwitchwiseReview"]
