"""What each way to call a model costs in CPU per call, many at once: the bare SDK, `Clients`, LangChain bare, with fallbacks, routed, and LiteLLM's Router.

    python tools/throughput.py [--calls 128] [--at-once 64] [--rounds 15]

The HTTP transport lets the others go on and then answers, so what is measured is the work of the libraries: with sockets and 64 calls at once, most of the time goes to the
kernel and to httpcore, which looks at every connection for every request, and that varies by more than all routers cost. Rounds are interleaved and the least of each way
counts, so a busy machine disturbs all alike. LiteLLM is measured where it can be imported: `pip install --target FOLDER litellm`, then `PYTHONPATH=FOLDER`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench_clients import CHAT, http_of

MESSAGES = [{"role": "user", "content": "Say something short, please."}]
Way = tuple[str, str, Callable[[], Any], Callable[[], Any]]
"""Name, what it is measured against, one synchronous call, one asynchronous call."""


def ways() -> list[Way]:
    """What can be measured here."""
    import openai
    from langchain_openai import ChatOpenAI

    from langchain_switchwise import ChatSwitchwise
    from switchwise.clients import Clients, OpenAIClient

    http = http_of(openai)

    def answer(_: Any) -> Any:
        time.sleep(0)
        return http.Response(200, json=CHAT)

    async def aanswer(_: Any) -> Any:
        await asyncio.sleep(0)
        return http.Response(200, json=CHAT)

    client, aclient = http.Client(transport=http.MockTransport(answer)), http.AsyncClient(transport=http.MockTransport(aanswer))
    options: dict[str, Any] = {"base_url": "http://x/v1", "api_key": "x", "max_retries": 0}
    sync, asynchronous = openai.OpenAI(**options, http_client=client), openai.AsyncOpenAI(**options, http_client=aclient)
    models = ("gpt-4o", "gpt-4o-mini")
    clients = Clients({name: OpenAIClient(sync, asynchronous, model=name) for name in models})
    chat = [ChatOpenAI(model=name, **options, http_client=client, http_async_client=aclient) for name in models]
    fallbacks, routed = chat[0].with_fallbacks([chat[1]]), ChatSwitchwise(chat)
    found: list[Way] = [
        (
            "openai SDK",
            "openai SDK",
            lambda: sync.chat.completions.create(model="gpt-4o", messages=MESSAGES),  # type: ignore[arg-type]
            lambda: asynchronous.chat.completions.create(model="gpt-4o", messages=MESSAGES),  # type: ignore[arg-type]
        ),
        ("switchwise Clients", "openai SDK", lambda: clients.complete(MESSAGES), lambda: clients.acomplete(MESSAGES)),
        ("ChatOpenAI", "ChatOpenAI", lambda: chat[0].invoke(MESSAGES), lambda: chat[0].ainvoke(MESSAGES)),
        ("with_fallbacks", "ChatOpenAI", lambda: fallbacks.invoke(MESSAGES), lambda: fallbacks.ainvoke(MESSAGES)),
        ("ChatSwitchwise", "ChatOpenAI", lambda: routed.invoke(MESSAGES), lambda: routed.ainvoke(MESSAGES)),
    ]
    try:
        import litellm  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return found
    litellm.suppress_debug_info = True
    litellm.client_session, litellm.aclient_session = client, aclient
    listed = [
        {"model_name": "gpt", "litellm_params": {"model": f"openai/{name}", "api_base": "http://x/v1", "api_key": "x"}}
        for name in models
    ]
    router = litellm.Router(model_list=listed, num_retries=0)
    found.append(
        (
            "LiteLLM Router",
            "openai SDK",
            lambda: router.completion("gpt", MESSAGES),
            lambda: router.acompletion("gpt", MESSAGES),
        )
    )
    return found


def threads(call: Callable[[], Any], calls: int, at_once: int) -> tuple[float, float]:
    """CPU and wall seconds per call, from threads."""
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(lambda _: call(), range(at_once)))
        begun, cpu = time.perf_counter(), time.process_time()
        list(pool.map(lambda _: call(), range(calls)))
        return (time.process_time() - cpu) / calls, (time.perf_counter() - begun) / calls


async def tasks(call: Callable[[], Any], calls: int, at_once: int) -> tuple[float, float]:
    """CPU and wall seconds per call, from tasks of one event loop."""
    await asyncio.gather(*[call() for _ in range(at_once)])
    begun, cpu = time.perf_counter(), time.process_time()
    for _ in range(calls // at_once):
        await asyncio.gather(*[call() for _ in range(at_once)])
    made = calls // at_once * at_once
    return (time.process_time() - cpu) / made, (time.perf_counter() - begun) / made


def table(title: str, each: list[Way], best: dict[str, tuple[float, float]]) -> None:
    """Print what was measured one way."""
    print(f"\n{title:22}{'ms CPU':>9}{'added':>9}{'ratio':>8}{'calls/s':>10}")
    for name, base, _, _ in each:
        cpu, wall = best[name]
        plain = best[base][0]
        print(f"{name:22}{cpu * 1e3:9.2f}{(cpu - plain) * 1e3:9.2f}{cpu / plain:8.2f}{1 / wall:10.0f}")


def main() -> None:
    """Measure, and print two tables."""
    say = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    say.add_argument("--calls", type=int, default=128)
    say.add_argument("--at-once", type=int, default=64)
    say.add_argument("--rounds", type=int, default=15)
    asked = say.parse_args()
    warnings.simplefilter("ignore")
    os.environ.update(LANGCHAIN_TRACING_V2="false", LITELLM_LOCAL_MODEL_COST_MAP="True")
    each, loop = ways(), asyncio.new_event_loop()
    for way in each:
        way[2]()  # what a first call imports and builds
    gc.collect()
    gc.freeze()  # what one library has imported does not burden the collections of the others

    def by_threads(way: Way) -> tuple[float, float]:
        return threads(way[2], asked.calls, asked.at_once)

    def by_tasks(way: Way) -> tuple[float, float]:
        return loop.run_until_complete(tasks(way[3], asked.calls, asked.at_once))

    for title, measure in (("threads", by_threads), ("one event loop", by_tasks)):
        best: dict[str, tuple[float, float]] = {}
        for _ in range(asked.rounds):
            for way in each:
                best[way[0]] = min(measure(way), best.get(way[0], (9e9, 9e9)))
        table(f"{asked.at_once} {title}", each, best)


if __name__ == "__main__":
    main()
