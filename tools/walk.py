"""One message followed from the caller to the provider and back: every call of a function of ours, in order.

    python tools/walk.py                 # how many calls each entry point makes; fails above a bar, or if docs/design/walk.md shows others
    python tools/walk.py --write         # and docs/design/walk.md

The message is short, the pool has four targets with the default chain, and one call went before it, so that nothing is built for the
first time. Comprehensions and generator expressions are not counted: newer Pythons have no calls for them.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from switchwise_loopback import LoopbackProvider

ROOT = Path(__file__).parent.parent
OURS = ("/packages/core/src/", "/packages/langchain/src/")
PAGE = ROOT / "docs" / "design" / "walk.md"
MODELS = {"opus": "claude-opus-5-5", "sol": "gpt-6.1-sol", "luna": "gpt-6-luna", "haiku": "claude-haiku-5-5"}
WIRE = "-> the provider"


class Step(NamedTuple):
    """A call of one of our functions.

    Parameters:
        depth: how many of our functions are around it.
        file: below the package's `src`.
        function: its qualified name; `WIRE` where the request goes out.
    """

    depth: int
    file: str
    function: str


def walk(call: Callable[[], object]) -> list[Step]:
    """The calls of our own functions that `call` makes in this thread."""
    steps: list[Step] = []
    around: list[FrameType] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        name, file = frame.f_code.co_qualname, frame.f_code.co_filename
        if event not in ("call", "return"):
            return
        if event == "call" and name == "HTTPTransport.handle_request":
            steps.append(Step(len(around), "", WIRE))
        if not any(part in file for part in OURS) or name.endswith(">"):
            return
        if event == "call":
            steps.append(Step(len(around), file.partition("/src/")[2], name))
            around.append(frame)
        elif around and around[-1] is frame:
            around.pop()

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return steps


def chat_model(provider: LoopbackProvider) -> Callable[[], object]:
    """`ChatSwitchwise.invoke` over real chat models."""
    from langchain_anthropic import ChatAnthropic
    from langchain_core.language_models import BaseChatModel
    from langchain_openai import ChatOpenAI

    from langchain_switchwise import ChatSwitchwise

    def native(model: str) -> BaseChatModel:
        if model.startswith("claude"):
            return ChatAnthropic(model=model, base_url=provider.anthropic_url, api_key="none")
        return ChatOpenAI(model=model, base_url=provider.openai_url, api_key="none", stream_usage=True)

    llm = ChatSwitchwise({name: native(model) for name, model in MODELS.items()})
    return lambda: llm.invoke("Hello")


def clients(provider: LoopbackProvider) -> Callable[[], object]:
    """`Clients.complete` over the SDKs."""
    from switchwise.clients import AnthropicClient, Client, Clients, OpenAIClient

    def client(model: str) -> Client:
        if model.startswith("claude"):
            return AnthropicClient(model=model, base_url=provider.anthropic_url, api_key="none")
        return OpenAIClient(model=model, base_url=provider.openai_url, api_key="none")

    made = Clients({name: client(model) for name, model in MODELS.items()})
    return lambda: made.complete([{"role": "user", "content": "Hello"}])


BARS = {"ChatSwitchwise.invoke": (chat_model, 95), "Clients.complete": (clients, 120)}
"""By entry point: what makes a call, and how many calls of our own functions it may make."""


def walks() -> dict[str, list[Step]]:
    """The walk of each entry point, the second time that it is called."""
    found = {}
    with LoopbackProvider() as provider, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, (make, _) in BARS.items():
            call = make(provider)
            call()
            found[name] = walk(call)
    return found


def calls(steps: list[Step]) -> int:
    """How many calls of our own functions there are."""
    return sum(step.function != WIRE for step in steps)


def page(found: dict[str, list[Step]]) -> str:
    """The walks as a page of the documentation."""
    lines = [
        "# One message, from the caller to the provider and back",
        "",
        "Drawn by `python tools/walk.py --write`: each call of one of our own functions, indented by who calls it, with its bar beside the count. What",
        "comes after the answer is what the router learns of prompt caches, health and lengths of answers.",
    ]
    for name, steps in found.items():
        lines += ["", f"## `{name}`: {calls(steps)} calls (at most {BARS[name][1]})", "", "```"]
        lines += [f"{'  ' * step.depth}{step.file + ':' if step.file else ''}{step.function}" for step in steps]
        lines.append("```")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Print the counts, and write the page if asked to; 1 if a count is above its bar, or the page shows other calls."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    found = walks() if (arguments := parser.parse_args()) else {}
    for name, steps in found.items():
        sent = next((i for i, step in enumerate(steps) if step.function == WIRE), len(steps))
        bar = BARS[name][1]
        print(f"{name}: {calls(steps)} calls, {calls(steps[sent:])} of them after the answer; bar {bar}", end=" ")
        print("ok" if calls(steps) <= bar else "OVER THE BAR")
    if arguments.write:
        PAGE.write_text(page(found), encoding="utf-8")
    if stale := page(found) != PAGE.read_text(encoding="utf-8"):
        print(f"{PAGE.relative_to(ROOT)} shows other calls: run python tools/walk.py --write")
    return int(stale or any(calls(steps) > BARS[name][1] for name, steps in found.items()))


if __name__ == "__main__":
    sys.exit(main())
