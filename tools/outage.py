"""Outages in simulated time: how many callers wait for a dead target, when it is used again, how much traffic a few failures move.

    python tools/outage.py

Two targets behind the router, calls at a steady rate, a clock of its own: the real engine and `Healthy` as they stand.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass

from switchwise import FailureKind, Pool, Reply, Router, Run, Target, TargetError, View
from switchwise.policies import Healthy
from switchwise.testing import Clock

LATENCY = 1.0  # seconds of a good reply
Fate = Callable[[float], tuple[float, FailureKind | None]]


@dataclass(frozen=True, slots=True)
class Traffic:
    """What became of the calls.

    Parameters:
        first: how many calls the first target got, and how many of these failed.
        steps: how many steps there were.
        moved: share of the steps that the second target answered.
        waited: how many calls the first target left hanging.
        used: when the first target was called, in seconds since the beginning.
    """

    first: int
    failed: int
    steps: int
    moved: float
    waited: int
    used: tuple[float, ...]


def simulate(fate: Fate, rate: float, seconds: float, healthy: Healthy | None = None) -> Traffic:
    """Steps at `rate` a second for `seconds`; `fate` says how long a call to the first target takes and how it fails."""
    clock = Clock()
    start = clock()
    router = Router(
        Pool([Target("first", "a"), Target("second", "b")]), healthy or Healthy(), clock=clock, rng=random.Random(1)
    )
    events: list[tuple[float, int, Run | None, FailureKind | None]] = [
        (start + step / rate, step, None, None) for step in range(int(rate * seconds))
    ]
    steps, order = len(events), len(events)
    moved = waited = failed = 0
    used = []
    heapq.heapify(events)
    while events:
        at, _, run, kind = heapq.heappop(events)
        clock.advance(at - clock())
        if run is None:
            run = router.start(View())
        elif kind is None:
            assert run.call is not None
            moved += run.call.target.name == "second"
            run.ended(Reply("yes"))
        else:
            failed += 1
            waited += kind is FailureKind.TIMEOUT
            run.failed(TargetError(kind))
        if run.call is not None:
            took, kind = LATENCY, None
            if run.call.target.name == "first":
                used.append(at - start)
                took, kind = fate(at - start)
            order += 1
            heapq.heappush(events, (at + took, order, run, kind))
    return Traffic(len(used), failed, steps, moved / steps, waited, tuple(used))


def outage(timeout: float, rate: float = 10.0, begins: float = 60.0, lasts: float = 120.0) -> tuple[int, float]:
    """The first target hangs until `timeout` for `lasts` seconds: how many calls waited for it, and seconds from the end to its next good call."""

    def fate(now: float) -> tuple[float, FailureKind | None]:
        return (timeout, FailureKind.TIMEOUT) if begins <= now < begins + lasts else (LATENCY, None)

    traffic = simulate(fate, rate, begins + lasts + 300.0)
    return traffic.waited, next(at for at in traffic.used if at >= begins + lasts) - begins - lasts


def few_failures(rate: float, share: float = 0.01, calls: int = 20_000, seed: int = 7) -> float:
    """A target of which a small share of the calls fail: the share of the steps that another one answers."""
    draws = random.Random(seed)

    def fate(now: float) -> tuple[float, FailureKind | None]:  # noqa: ARG001
        return LATENCY, FailureKind.SERVER_ERROR if draws.random() < share else None

    return simulate(fate, rate, calls / rate).moved


def main() -> None:
    """Print all of it."""
    for timeout in (10.0, 30.0):
        waited, again = outage(timeout)
        print(
            f"two minutes of outage at 10 steps/s, time-out {timeout:.0f} s: {waited} of 1,200 waited; used again {again:.0f} s after it ended"
        )
    for rate in (1.0, 10.0, 50.0):
        print(f"1 % of the calls fail at {rate:.0f} steps/s: {few_failures(rate):.1%} of the traffic moved")


if __name__ == "__main__":
    main()
