"""Chaos: agent steps over four targets, with every fault that the loopback provider knows drawn at random.

    python tools/chaos [--steps 5000] [--seed 0] [--hedge]      (`make chaos`)

Each step goes through one door, picked at random: `ChatSwitchwise` (invoke, ainvoke, stream, astream, batch), an agent with the middleware,
LlamaIndex (chat, achat, stream_chat, astream_chat), `Clients` (complete, acomplete, stream, astream); half of the steps ask for a tool
call. Up to three of the four targets fail, each in its own way; at least one is healthy. What must hold, and is printed:

lost      steps that ended by an error, though a target was healthy; a stream that broke off after words were shown is not lost but
          interrupted, and counts apart (half of the steps show answers as they come; the others judge them first, so that a refusal is asked again)
empty     steps that came to an end without the answer
doubled   steps whose answer was shown twice
attempts  requests per step at the providers, at most

Exits with 1 if a step was lost, empty or doubled.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import random
import resource
import sys
import time
import warnings
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from doors import DOORS, Models, Step, World

from switchwise import Interrupted, View
from switchwise_loopback import Fault

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
    parser.add_argument("--seconds", type=float, default=900.0, help="stop after that long")
    options = parser.parse_args()
    return run(options.steps, options.seed, options.seconds, options.hedge)


def run(steps: int, seed: int, seconds: float, hedge: bool = False) -> int:
    """Ask so many steps, and print what became of them; 1: something must not be."""
    with warnings.catch_warnings(), World(hedge) as world:
        warnings.simplefilter("ignore")
        logging.disable(logging.ERROR)  # every circuit that opens
        return _run(world, steps, seed, seconds)


def _run(world: World, steps: int, seed: int, seconds: float) -> int:
    rng, results = random.Random(seed), Counter[str]()
    by_fault: dict[str, Counter[str]] = defaultdict(Counter)
    quiet: list[float] = []
    added: list[float] = []
    most = done = 0
    memory = 0
    end = time.monotonic() + seconds
    loop = asyncio.new_event_loop()
    for number in range(steps):
        if time.monotonic() > end:
            break
        door = rng.choice(DOORS)
        step = Step(number, rng.random() < 0.5, live=rng.random() < 0.5)
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
        except Exception as error:  # noqa: BLE001  (whatever a user would see)
            verdict, detail = "lost", repr(error)
        took = time.perf_counter() - began
        requests = world.end()
        most, done = max(most, requests), done + 1
        results[verdict] += 1
        if not any(fault in SLOW for fault in faults.values()):
            (added if faults else quiet).append(took)
        names = " + ".join(sorted(fault.value for fault in faults.values())) or "none"
        if verdict in ("lost", "empty", "doubled"):
            by_fault[verdict][names] += 1
            print(f"step {number}, {door.name}, {'tool call' if step.tool else 'text'}, {faults}: {verdict}: {detail:.400}")
        if number == steps // 5:
            gc.collect()
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    loop.close()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
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
    print(f"resident memory grew by {grown:.0f} MiB in the last four fifths")
    charged = sum(budget.spent(View())[0] for budget in world.budgets)
    print(f"budget: ${charged:.4f} charged, ${world.billed:.4f} billed by the servers")
    bad = results["lost"] + results["empty"] + results["doubled"] + (most > MOST_ATTEMPTS)
    return 1 if bad else 0


def _ms(times: list[float], share: float, base: float) -> str:
    return f"{(times[min(len(times) - 1, int(share * len(times)))] - base) * 1e3:.0f} ms"


if __name__ == "__main__":
    sys.exit(main())
