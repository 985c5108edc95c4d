"""Requests of `Clients` as a response cache sees them, and the replay of stored answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from switchwise.clients.sdk import Client
from switchwise.nouns.errors import FailureKind, TargetError
from switchwise.nouns.exchange.recording import Stored
from switchwise.nouns.exchange.reply import Reply
from switchwise.nouns.target import Pool
from switchwise.nouns.usage import Usage
from switchwise.protocols.prompt import Prompt
from switchwise.response_cache.canonical import canonical


class PromptRecording:
    """One request; see `Recording`.

    Parameters:
        prompt: the request.
        clients: clients by target name.
        pool: the targets.
    """

    def __init__(self, prompt: Prompt, clients: Mapping[str, Client], pool: Pool) -> None:
        self._prompt, self._clients, self._pool = prompt, clients, pool

    @property
    def tools(self) -> Sequence[str]:
        """Names of the tools; for one without a name (a provider's own), its type."""
        extra = [tool for own in self._prompt.extra.values() for tool in own.get("tools") or ()]
        return [_name(tool) for tool in (*self._prompt.tools, *extra)]

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of the request, including those of one provider."""
        extra = {name: value for own in self._prompt.extra.values() for name, value in own.items()}
        return {"temperature": self._prompt.temperature, **extra}

    def parts(self, target: str) -> tuple[str, str] | None:
        """As `Recording.parts`."""
        request = self._request
        if request is None:
            return None
        client, whom = self._clients[target], self._pool[target]
        host = client.account.partition("#")[0]
        own = canonical(type(client).__name__, client.served_by, host, client.asked(whom), client.settings)
        return None if own is None else (own + request[0], request[1])

    @cached_property
    def _request(self) -> tuple[str, str] | None:
        prompt = self._prompt
        last = len(prompt.messages) - 1
        words = prompt.messages[last].get("content") if last >= 0 and prompt.messages[last].get("role") == "user" else None
        spoken = isinstance(words, str)
        messages = [
            {**message, "content": None} if i == last and spoken else message for i, message in enumerate(prompt.messages)
        ]
        settings = {name: getattr(prompt, name) for name in _SETTINGS}
        rest = canonical(messages, list(prompt.tools), {**settings, "stop": list(prompt.stop)}, prompt.extra)
        return None if rest is None else (rest, words if isinstance(words, str) else "")

    def keep(self, reply: Reply) -> str | None:
        """As `Recording.keep`."""
        return canonical(reply.raw, None if reply.pieces is None else list(reply.pieces))


def _name(tool: Any) -> str:
    function = tool.get("function") or tool if isinstance(tool, Mapping) else {}
    return str(function.get("name") or function.get("type") or "?")


_SETTINGS = ("choice", "parallel_tool_calls", "schema", "max_tokens", "temperature", "top_p")


def given_again(stored: Stored, client: Client, streamed: bool) -> Iterator[str | Reply]:
    """Yield the stored answer: its pieces, if the caller streams, then the reply, without cost.

    Raises:
        TargetError: the stored answer cannot be read.
    """
    try:
        raw, pieces = json.loads(stored.answer)
        reply = replace(client.reply_of(raw), usage=Usage(0, 0))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise TargetError(FailureKind.UNSUPPORTED, "the stored answer cannot be read") from error
    if streamed:
        yield from pieces if pieces is not None else [reply.text] if reply.text else []
    yield reply
