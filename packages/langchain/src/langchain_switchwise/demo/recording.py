"""The recorded conversations, and the parts that play them: what the models answer, and what the tools return."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

SEARCHES = ("search_direct_flight", "search_onestop_flight")
"""The tools that the main agent leaves to its sub-agent."""

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Conversation:
    """One recorded conversation.

    Parameters:
        id: names task and trial of the source.
        membership: the customer's, as the recording says: gold, silver, regular or unknown.
        messages: as OpenAI's API has them, without the system prompt.
    """

    id: str
    membership: str
    messages: Sequence[Message]

    @property
    def user_turns(self) -> Iterator[str]:
        """What the customer says, in order."""
        return (message["content"] for message in self.messages if message["role"] == "user")

    @property
    def tool_runs(self) -> Iterator[tuple[str, Mapping[str, Any], str]]:
        """Each call of a tool: its name, its arguments, what it returned."""
        for at, message in enumerate(self.messages):
            for nth, call in enumerate(message.get("tool_calls", ()), 1):
                function = call["function"]
                yield function["name"], json.loads(function["arguments"]), self.messages[at + nth]["content"]


def load() -> tuple[str, list[Conversation]]:
    """The airline's policy, which is the system prompt, and the conversations of the sample."""
    sample = json.loads(files(__package__).joinpath("conversations.json").read_text(encoding="utf-8"))
    return sample["policy"], [Conversation(row["id"], row["membership"], row["messages"]) for row in sample["conversations"]]


def errand(name: str, arguments: Mapping[str, Any]) -> str:
    """The main agent's instruction to its sub-agent."""
    return f"Run {name} with {json.dumps(arguments, sort_keys=True)} and report the flights it finds, as they are."


def scripts(conversations: Sequence[Conversation]) -> list[list[Message]]:
    """All that the models say: the conversations, and for each search the short one between the agent and its sub-agent.

    The recording has one agent. Its searches become the errands of a sub-agent, which runs the recorded search and
    reports what it returned.
    """
    played = [list(conversation.messages) for conversation in conversations]
    for conversation in conversations:
        for name, arguments, result in conversation.tool_runs:
            if name in SEARCHES:
                call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
                played.append(
                    [
                        {"role": "user", "content": errand(name, arguments)},
                        {"role": "assistant", "content": "", "tool_calls": [call]},
                        {"role": "tool", "tool_call_id": "call_1", "content": result},
                        {"role": "assistant", "content": result},
                    ]
                )
    return played


class Results:
    """What the tools return in one conversation: the recorded results, in the recorded order.

    Parameters:
        conversation: the recording.
    """

    def __init__(self, conversation: Conversation) -> None:
        self._left: dict[tuple[str, str], deque[str]] = defaultdict(deque)
        for name, arguments, result in conversation.tool_runs:
            self._left[_key(name, arguments)].append(result)

    def __call__(self, name: str, arguments: Mapping[str, Any]) -> str:
        """The result of this call; a call that was never recorded (a live model may make one) says so."""
        left = self._left[_key(name, arguments)]
        if not left:
            return f"Error: {name} was not called with these arguments in this recording"
        return left.popleft() if len(left) > 1 else left[0]


def _key(name: str, arguments: Mapping[str, Any]) -> tuple[str, str]:
    return name, json.dumps(arguments, sort_keys=True)
