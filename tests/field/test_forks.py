"""A process that is forked while threads route goes on: FIELD D9."""

from __future__ import annotations

import os
import select
import threading
import warnings
from typing import Any

import pytest

from switchwise import Pool, Price, Router, Scope, Target, View, drive
from switchwise.clients import Clients, OpenAIClient
from switchwise.policies import Budget, Cheapest, Healthy, Stick
from switchwise.state.forking import lock, rlock
from switchwise.testing import Script
from switchwise_loopback import Answer, LoopbackProvider

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
POOL = Pool([Target("a", "openai", "a", Price(1, 4)), Target("b", "openai", "b", Price(1, 2))])
PATIENCE = 30.0


def in_a_child(work: Any) -> str:
    """What `work` gives in a forked child; the child is ended if it does not come back."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that there are threads is what is tried
        child = os.fork()
    if child == 0:
        try:
            os.write(writing, str(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    ready, _, _ = select.select([reading], [], [], PATIENCE)
    if not ready:
        os.kill(child, 9)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read() if ready else "it hangs"


def step(router: Router) -> str:
    run = router.start(View(Scope(session="s"), tokens=100))
    list(drive(run, Script(otherwise="yes").perform))
    return run.outcome.decision


def test_d9_a_lock_that_another_thread_holds_is_open_in_the_child() -> None:
    held, entered, done = [lock(), rlock()], threading.Event(), threading.Event()

    def hold() -> None:
        with held[0], held[1]:
            entered.set()
            done.wait(PATIENCE)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(PATIENCE)
    assert in_a_child(lambda: [each.acquire(timeout=1) for each in held]) == "[True, True]"
    done.set()
    thread.join()


def test_d9_no_child_hangs_and_all_draw_differently() -> None:
    router = Router(POOL, Healthy(), Budget(usd=1e9, per="session"), Stick(), Cheapest())
    over = threading.Event()

    def route() -> None:
        while not over.is_set():
            step(router)

    threads = [threading.Thread(target=route) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        found = [in_a_child(lambda: step(router)) for _ in range(8)]
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert "it hangs" not in found
    assert len({*found, step(router)}) == 9


def test_d9_a_child_has_connections_of_its_own() -> None:
    with LoopbackProvider(lambda _: Answer("yes")) as provider:
        clients = Clients({"a": OpenAIClient(model="gpt-4.1", base_url=provider.openai_url, api_key="k")})
        hello: list[Any] = [{"role": "user", "content": "hi"}]
        assert clients.complete(hello).text == "yes"
        assert in_a_child(lambda: clients.complete(hello).text) == "yes"
        assert clients.complete(hello).text == "yes"
