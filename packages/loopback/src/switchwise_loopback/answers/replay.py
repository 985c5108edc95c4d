"""Re-enact recorded conversations over either protocol.

Rules:
1. A request is matched by what its user turns and tool results say, and by how many answers stand in it: ids, system
   prompts and whitespace do not count, JSON is compared as JSON.
2. If several recordings match, the one whose answers so far agree with the history is taken, then the one whose system
   prompt agrees, then the first.
3. A request that no recording continues is refused (400, `loopback_replay_miss`), or goes to `otherwise`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..nouns.errors import Reject
from ..nouns.types import Answer, Request, Turn
from ..openai.chat import turns

_Key = tuple[int, tuple[str, ...]]
_Texts = tuple[str, ...]


class Replay:
    """An `answer` for `LoopbackProvider` that replays recorded conversations.

    Parameters:
        conversations: lists of OpenAI-style messages (role, content, tool_calls, tool_call_id).
        otherwise: answers requests that no recording continues; None refuses them.

    >>> recorded = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    >>> Replay([recorded])(Request("openai", "chat", "any", (Turn("user", "hi"),))).text
    'hello'
    """

    def __init__(
        self, conversations: Iterable[Sequence[Mapping[str, Any]]], *, otherwise: Callable[[Request], Answer] | None = None
    ) -> None:
        self.conversations: tuple[tuple[Turn, ...], ...] = tuple(turns(messages) for messages in conversations)
        self._otherwise = otherwise
        self._book: dict[_Key, list[tuple[_Texts, str, Answer]]] = {}
        self._results: dict[tuple[str, str], list[str]] = {}
        for conversation in self.conversations:
            self._learn(conversation)

    def __call__(self, request: Request) -> Answer:
        """The recorded answer. Raises `Reject` (status 400) if there is none."""
        history = list(request.messages)
        while history and history[-1].role == "assistant":
            history.pop()  # a prefilled answer
        matches = self._book.get(_key(history))
        if matches:
            texts, system = _texts(history), _system(history)
            matches = [match for match in matches if match[0] == texts] or matches
            matches = [match for match in matches if match[1] == system] or matches
            return matches[0][2]
        if self._otherwise is not None:
            return self._otherwise(request)
        last = history[-1] if history else Turn("user")
        text = last.text or "; ".join(result.text for result in last.results)
        text = f"loopback: no recording continues this history of {len(history)} turns, which ends with {text[:80]!r}"
        raise Reject(400, text, code="loopback_replay_miss")

    def results(self, name: str, arguments: Mapping[str, Any] | str) -> tuple[str, ...]:
        """What the tool returned in the recordings when it was called so, in order: for tools that re-enact theirs."""
        return tuple(self._results.get((name, _same(arguments)), ()))

    def _learn(self, conversation: tuple[Turn, ...]) -> None:
        for at, turn in enumerate(conversation):
            if turn.role != "assistant":
                continue
            before = conversation[:at]
            answer = Answer(turn.text, tuple(replace(call, id=None) for call in turn.tool_calls))
            self._book.setdefault(_key(before), []).append((_texts(before), _system(before), answer))
            after = conversation[at + 1] if at + 1 < len(conversation) else Turn("tool")
            returned = {result.id: result.text for result in after.results}
            for call in turn.tool_calls:
                if call.id in returned:
                    self._results.setdefault((call.name, _same(call.arguments)), []).append(returned[call.id])


def _key(history: Iterable[Turn]) -> _Key:
    heard: list[str] = []
    answers = 0
    for turn in history:
        answers += turn.role == "assistant"
        if turn.role == "user":
            heard.append(_same(turn.text))
        heard.extend(_same(result.text) for result in turn.results)
    return answers, tuple(heard)


def _texts(history: Iterable[Turn]) -> _Texts:
    return tuple(
        "|".join([_same(turn.text), *(f"{call.name}({_same(call.arguments)})" for call in turn.tool_calls)])
        for turn in history
        if turn.role == "assistant"
    )


def _system(history: Iterable[Turn]) -> str:
    return "\n".join(_same(turn.text) for turn in history if turn.role == "system")


def _same(value: Mapping[str, Any] | str) -> str:
    """One spelling for texts that mean the same."""
    if isinstance(value, str):
        if not value.lstrip().startswith(("{", "[")):
            return " ".join(value.split())
        try:
            parsed = json.loads(value)
        except ValueError:
            return " ".join(value.split())
    else:
        parsed = value
    return json.dumps(parsed, ensure_ascii=False, sort_keys=True)
