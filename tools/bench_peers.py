"""One peer's decisions over the benchmark's conversations; `bench.py` runs it where that peer is installed."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from conversations import SIZES, Turn, conversation


def switchyard() -> Callable[[Any], object]:
    """NeMo Switchyard's stage router (PyPI `nemo-switchyard`), driven as its documentation shows."""
    from switchyard.libsy import Step
    from switchyard.libsy.algorithms import stage_router

    algorithm = stage_router(picker="efficient_first", confidence_threshold=0.5)
    models = {"efficient": ["fast"], "capable": ["strong"], "any": ["strong", "fast"]}
    loop = asyncio.new_event_loop()

    async def decide(request: dict[str, Any]) -> list[str]:
        async for step in algorithm.run_stream(request, models):
            if isinstance(step, Step.Done):
                return step.outcome.selected_model_ids
        raise AssertionError("it asked for a model call")

    return lambda request: loop.run_until_complete(decide(request))


def litellm() -> Callable[[Any], object]:
    """LiteLLM's Router: the choice among two deployments, without the call."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch its prices from the network
    from litellm import Router

    deployments = [
        {"model_name": "auto", "litellm_params": {"model": f"openai/{name}", "api_key": "none"}}
        for name in ("gpt-4o", "gpt-4o-mini")
    ]
    router = Router(model_list=deployments)
    return lambda request: router.get_available_deployment(model="auto", messages=request["messages"])


def langchain_router() -> Callable[[Any], object]:
    """langchain-router's middleware around an empty handler."""
    from langchain_core.language_models import FakeListChatModel
    from langchain_router import RouterMiddleware

    middleware = RouterMiddleware(fast=FakeListChatModel(responses=["x"]))
    return lambda request: middleware.wrap_model_call(request, lambda chosen: chosen)


def plain(turns: list[Turn]) -> dict[str, Any]:
    """OpenAI's messages."""
    rows: list[dict[str, Any]] = []
    for number, turn in enumerate(turns):
        if turn.role == "tool":
            rows.append({"role": "tool", "tool_call_id": f"c{number - 1}", "content": turn.text})
        elif turn.calls:
            call = {"id": f"c{number}", "type": "function", "function": {"name": turn.calls[0], "arguments": "{}"}}
            rows.append({"role": "assistant", "content": None, "tool_calls": [call]})
        else:
            rows.append({"role": turn.role, "content": turn.text})
    return {"messages": rows}


def blocks(turns: list[Turn]) -> dict[str, Any]:
    """Switchyard's messages: content in blocks."""
    rows: list[dict[str, Any]] = []
    for number, turn in enumerate(turns):
        text = {"type": "text", "text": turn.text}
        if turn.role == "tool":
            content: dict[str, Any] = {"type": "tool_result", "tool_call_id": f"c{number - 1}", "content": [text]}
        elif turn.calls:
            content = {"type": "tool_call", "id": f"c{number}", "name": turn.calls[0], "arguments": {}}
        else:
            content = text
        rows.append({"role": turn.role, "content": [content]})
    return {"model": "auto", "messages": rows}


def langchain(turns: list[Turn]) -> Any:
    """A model request of LangChain's middleware, as far as the peer reads it."""
    from langchain_core.messages import convert_to_messages

    request = SimpleNamespace(messages=convert_to_messages(plain(turns)["messages"]))
    request.override = lambda **changes: SimpleNamespace(**{**vars(request), **changes})
    return request


PEERS: dict[str, tuple[Callable[[], Callable[[Any], object]], Callable[[list[Turn]], Any]]] = {
    "switchyard": (switchyard, blocks),
    "litellm": (litellm, plain),
    "langchain-router": (langchain_router, langchain),
}


def main(name: str) -> None:
    """Print the peer's medians."""
    build, shape = PEERS[name]
    decide = build()
    figures = []
    for size in SIZES:
        request = shape(conversation(size))
        decide(request)
        taken = []
        for _ in range(300 if size < 1000 else 20):
            begin = time.perf_counter()
            decide(request)
            taken.append((time.perf_counter() - begin) * 1e6)
        figures.append(f"{size:,}: {statistics.median(taken):,.1f}")
    print(f"{name:>18}  {'   '.join(figures)}")


if __name__ == "__main__":
    main(sys.argv[1])
