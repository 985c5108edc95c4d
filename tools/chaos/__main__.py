"""Chaos: agent steps over four targets, with every fault that the loopback provider knows drawn at random.

    python tools/chaos [--steps 5000] [--seed 0] [--hedge] [--all sqlite|redis]      (`make chaos`)

Each step goes through one door, picked at random: `ChatSwitchwise` (invoke, ainvoke, stream, astream, batch), an agent with the middleware,
LlamaIndex (chat, achat, stream_chat, astream_chat), `Clients` (complete, acomplete, stream, astream); half of the steps ask for a tool
call. Up to three of the four targets fail, each in its own way; at least one is healthy. What must hold, and is printed:

lost      steps that ended by an error, though a target was healthy; a stream that broke off after words were shown is not lost but
          interrupted, and counts apart (half of the steps show answers as they come; the others judge them first, so that a refusal is asked again)
empty     steps that came to an end without the answer
doubled   steps whose answer was shown twice
attempts  requests per step at the providers, at most
billed    by the providers, at most what the budget charged, and that at most its limit
memory    resident, in the second half of a run of 2,000 steps or more: 5 % more at most

--all: with everything on, over a shared store (see everything.py); a third of the steps then repeat an earlier one, so that the response cache
answers. Exits with 1 where one of these does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import random
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from doors import DOORS, Door
from everything import Everything
from world import Models, Step, World

from switchwise import Interrupted, View
from switchwise_loopback import Fault

QUESTIONS = 40
"""Conversations: what is remembered of each fills up in the first half, and what grows after that is a leak."""
DOLLARS = 0.01
"""Of the budget, for each step."""
AGAIN = 0.3
"""Share of the steps that repeat an earlier one, where everything is on."""
MOST_ATTEMPTS = 8
"""Requests per step: each of four targets at most twice."""
SLOW = frozenset({Fault.STALL, Fault.STALL_MID_STREAM, Fault.PINGS, Fault.PINGS_MID_STREAM})
FAULTS = [fault for fault in Fault if fault not in {Fault.BAD_REQUEST, Fault.CONTEXT_OVERFLOW}]
"""All but those that are the request's own fault: no other target would serve it."""
LIVE_FAULTS = [fault for fault in FAULTS if fault not in {Fault.REFUSAL, Fault.CONTENT_FILTER}]
"""Where nobody judges, a refusal is an answer."""


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description="agent steps with random faults")
    parser.add_argument("--steps", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hedge", action="store_true", help="call a second target where the first says nothing for 10 ms")
    parser.add_argument("--all", choices=["sqlite", "redis"], help="everything on, over a shared store")
    parser.add_argument("--seconds", type=float, default=900.0, help="stop after that long")
    options = parser.parse_args()
    return run(options.steps, options.seed, options.seconds, options.hedge, options.all)


def run(steps: int, seed: int, seconds: float, hedge: bool = False, store: str | None = None) -> int:
    """Ask so many steps, and print what became of them; 1: something must not be."""
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as name:
        warnings.simplefilter("ignore")
        logging.disable(logging.ERROR)  # every circuit that opens
        everything = None if store is None else Everything(store, Path(name), DOLLARS * (steps + 500))
        try:
            with World(hedge or everything is not None, everything) as world:
                return _run(world, steps, seed, seconds)
        finally:
            if everything is not None:
                everything.close()


def _run(world: World, steps: int, seed: int, seconds: float) -> int:
    rng, results = random.Random(seed), Counter[str]()
    by_fault: dict[str, Counter[str]] = defaultdict(Counter)
    quiet: list[float] = []
    added: list[float] = []
    most = done = 0
    memory: list[float] = []
    asked: list[tuple[Door, Step]] = []
    end = time.monotonic() + seconds
    loop = asyncio.new_event_loop()
    for number in range(steps):
        if time.monotonic() > end:
            break
        door = rng.choice(DOORS)
        step = Step(number % QUESTIONS, rng.random() < 0.5, live=rng.random() < 0.5)
        if world.everything is not None and asked and rng.random() < AGAIN:
            door, earlier = rng.choice(asked[-20:])
            step = Step(earlier.number, earlier.tool, live=earlier.live)
        asked = [*asked[-20:], (door, step)]
        failing = rng.sample(Models.ALL, k=rng.choice([0, 1, 1, 2, 3]))
        faults = {model: rng.choice(LIVE_FAULTS if step.live else FAULTS) for model in failing}
        for model, fault in faults.items():
            world.fail(model, fault)
        world.begin(step)
        began = time.perf_counter()
        verdict, detail = "ok", ""
        try:
            answers = loop.run_until_complete(door.ask(world, step)) if door.asynchronous else door.ask(world, step)
            verdict = step.judge(answers)
            detail = repr(answers)
        except Interrupted as error:
            verdict, detail = ("interrupted" if step.shown else "lost"), repr(error)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  (whatever a user would see)
            verdict, detail = "lost", repr(error)
        took = time.perf_counter() - began
        requests = world.end()
        if world.everything is not None:
            world.solved(step.live, float(verdict == "ok"))
        most, done = max(most, requests), done + 1
        results[verdict] += 1
        if not any(fault in SLOW for fault in faults.values()):
            (added if faults else quiet).append(took)
        names = " + ".join(sorted(fault.value for fault in faults.values())) or "none"
        if verdict in ("lost", "empty", "doubled"):
            by_fault[verdict][names] += 1
            print(f"step {number}, {door.name}, {'tool call' if step.tool else 'text'}, {faults}: {verdict}: {detail:.400}")
        if (number + 1) % max(1, steps // 10) == 0:
            gc.collect()
            memory.append(_resident())
    loop.close()
    grown = memory[-1] / memory[len(memory) // 2 - 1] - 1 if len(memory) > 1 else 0.0
    quiet.sort()
    added.sort()
    middle = quiet[len(quiet) // 2] if quiet else 0.0
    print(
        f"{done} steps: {results['lost']} lost, {results['empty']} empty, {results['doubled']} doubled, "
        f"{results['interrupted']} interrupted after words were shown; at most {most} requests a step"
    )
    if added:
        print(
            f"time added by faults: median {_ms(added, 0.5, middle)}, p99 {_ms(added, 0.99, middle)} (a step without: {middle * 1e3:.0f} ms)"
        )
    print(f"resident memory: {', '.join(f'{each:.0f}' for each in memory)} MB; {grown:+.1%} in the second half")
    if world.everything is None:
        charged, limit = sum(budget.spent(View())[0] for budget in world.budgets), float("inf")
    else:
        world.everything.store.flush()
        charged, limit = world.everything.budgets[0].spent(View())[0], world.everything.usd
        print(f"response cache: {world.hits} answers")
    print(f"budget: ${world.billed:.4f} billed by the servers, ${charged:.4f} charged of ${limit:,.2f}")
    bad = results["lost"] + results["empty"] + results["doubled"] + (most > MOST_ATTEMPTS)
    bad += not world.billed <= charged <= limit
    bad += steps >= 2_000 and grown > 0.05
    return 1 if bad else 0


def _resident() -> float:
    """Resident memory of this process, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def _ms(times: list[float], share: float, base: float) -> str:
    return f"{(times[min(len(times) - 1, int(share * len(times)))] - base) * 1e3:.0f} ms"


if __name__ == "__main__":
    sys.exit(main())
