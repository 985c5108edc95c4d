"""Time that `Clients.complete` adds to the bare SDK's call, with an HTTP transport that answers at once.

python tools/bench_clients.py [--rounds 500]
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from typing import Any

import anthropic
import openai
from interleaved import minima, verdict

from switchwise.clients import AnthropicClient, Clients, OpenAIClient

BAR = 400
"""Microseconds of CPU that may be added."""
USAGE = {"input_tokens": 10, "output_tokens": 1}
CHAT = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-6-luna",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11},
}
MESSAGE = {
    "id": "m",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-5-5",
    "content": [{"type": "text", "text": "yes"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": USAGE,
}


def http_of(sdk: Any) -> Any:
    """The copy of httpx that an SDK uses."""
    import sys

    module = next(base.__module__ for base in sdk.DefaultHttpxClient.__mro__ if base.__module__.startswith("httpx"))
    return sys.modules[module.partition(".")[0]]


def at_once(sdk: Any, answer: dict[str, Any]) -> Any:
    """The HTTP client of an SDK, answering without a socket."""
    http = http_of(sdk)
    return http.Client(transport=http.MockTransport(lambda _: http.Response(200, json=answer)))


def sides() -> list[tuple[str, Callable[[], object], Callable[[], object]]]:
    """For each SDK the bare call, and the same through `Clients` with two targets and the default chain."""
    gpt = openai.OpenAI(api_key="none", base_url="http://x/v1", http_client=at_once(openai, CHAT), max_retries=0)
    claude = anthropic.Anthropic(api_key="none", base_url="http://x", http_client=at_once(anthropic, MESSAGE), max_retries=0)
    messages: Any = [
        {"role": "assistant" if i % 2 else "user", "content": f"Line {i} about the deployment of the service."}
        for i in range(9)
    ]
    gpts = Clients({name: OpenAIClient(gpt, model=name) for name in ("gpt-6-sol", "gpt-6-luna")})
    claudes = Clients({name: AnthropicClient(claude, model=name) for name in ("claude-opus-5-5", "claude-haiku-5-5")})
    return [
        (
            "openai",
            lambda: gpt.chat.completions.create(model="gpt-6-luna", messages=messages),
            lambda: gpts.complete(messages, session="s"),
        ),
        (
            "anthropic",
            lambda: claude.messages.create(model="claude-haiku-5-5", messages=messages, max_tokens=100),
            lambda: claudes.complete(messages, session="s"),
        ),
    ]


def main() -> None:
    """Print each figure and its verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=500)
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore")
    print("\nClients (CPU, least of interleaved rounds)")
    for name, bare, routed in sides():
        native, ours = minima([bare, routed], rounds)
        verdict(f"Clients.complete, {name} SDK, 9 messages, added to {native:.0f} us", ours - native, BAR)


if __name__ == "__main__":
    main()
