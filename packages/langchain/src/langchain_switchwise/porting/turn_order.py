"""Fix the order of turns: the steps of `switchwise.dialects.turn_order`, applied to messages."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_switchwise.models.messages import media_of
from langchain_switchwise.models.native import Native
from switchwise.dialects import turn_order
from switchwise.dialects.turn_order import Act, Place, TurnEdit

_ROLES: dict[type[BaseMessage], str] = {
    HumanMessage: turn_order.USER,
    AIMessage: turn_order.ASSISTANT,
    ToolMessage: turn_order.TOOL,
    SystemMessage: turn_order.SYSTEM,
}


class Turns:
    """Order the messages of a conversation, one after the other.

    Parameters:
        native: the target.
        place: present place in the conversation.
        shown: media of the last tool results.

    `messages` is the result.
    """

    __slots__ = ("_native", "_system_anywhere", "messages", "place", "shown")

    def __init__(self, native: Native, place: Place = turn_order.START, shown: tuple[str | dict[str, Any], ...] = ()) -> None:
        profile: Any = native.model.profile or {}
        self._native = native
        self._system_anywhere = native.dialect.turns.system_in_place and bool(profile.get("mid_conversation_system_messages"))
        self.place = place
        self.shown = shown
        self.messages: list[BaseMessage] = []

    def add(self, message: BaseMessage) -> None:
        """Add the next message."""
        role = role_of(message)
        if self._system_anywhere and not self.place.leading:
            if role == turn_order.SYSTEM and not message.content:
                return
            if self.place.last == turn_order.SYSTEM and role not in (turn_order.SYSTEM, turn_order.ASSISTANT):
                self._say_systems()
        shown: list[dict[str, Any]] = []
        if isinstance(message, ToolMessage) and not self._native.dialect.media_in_results:
            shown = [block for block in message.content if isinstance(block, dict) and media_of([block])]
        steps, self.place = turn_order.step(
            self._native.dialect, self.place, role, bool(shown), system_anywhere=self._system_anywhere
        )
        if steps is turn_order.AS_IT_IS:
            self.messages.append(message)
        else:
            self._take(steps, message)
        if shown and isinstance(message, ToolMessage):
            name = turn_order.shown_from(message.name or message.tool_call_id)
            self.shown = (*self.shown, {"type": "text", "text": name}, *shown)
            self.messages[-1] = message.model_copy(update={"content": str(message.text) or turn_order.SHOWN})

    def end(self, foreign: bool) -> list[BaseMessage]:
        """Finish the prompt for one call.

        Parameters:
            foreign: the conversation ends with another model's answer without tool calls.
        """
        if not (foreign or self.place.leading or self.place.shows):
            return []
        steps = turn_order.ending(self._native.dialect, self.place, foreign)
        after = Turns(self._native, self.place, self.shown)
        after._take(steps, None)
        return after.messages

    def _take(self, steps: tuple[TurnEdit, ...], message: BaseMessage | None) -> None:
        for act, text in steps:
            if act is Act.SHOW:
                self.messages.append(HumanMessage(list(self.shown)))
                self.shown = ()
            elif act is Act.SAY_USER:
                self.messages.append(HumanMessage(text))
            elif act is Act.SAY_ANSWER:
                self.messages.append(AIMessage(text))
            elif message is None:
                raise AssertionError(f"{act} needs a message")
            elif act is Act.AS_USER:
                if text := str(message.text).strip():
                    self.messages.append(HumanMessage(turn_order.as_system(text)))
            elif act is Act.JOIN and self.messages:
                self.messages[-1] = SystemMessage([*_blocks(self.messages[-1]), *_blocks(message)])
            else:
                self.messages.append(message)

    def _say_systems(self) -> None:
        """Let the user say the system messages at the end."""
        at = len(self.messages)
        while at and isinstance(self.messages[at - 1], SystemMessage):
            at -= 1
        self.messages[at:] = [HumanMessage(turn_order.as_system(str(message.text))) for message in self.messages[at:]]


def role_of(message: BaseMessage) -> str:
    """The role of a message; `user` for LangChain's older classes without a role."""
    found = _ROLES.get(type(message))
    return found or next((role for kind, role in _ROLES.items() if isinstance(message, kind)), turn_order.USER)


def _blocks(message: BaseMessage) -> list[str | dict[str, Any]]:
    content = message.content
    if not isinstance(content, str):
        return content
    return [{"type": "text", "text": content}] if content.strip() else []
