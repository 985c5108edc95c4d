"""Times of several calls side by side, as little disturbed by other load as possible."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence


def minima(calls: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """CPU microseconds of one call, for each of `calls`: the least of its rounds.

    The calls take turns, one by one, so that all of them meet the quiet moments: other load may last for seconds, and it also empties the
    processor's caches.

    Parameters:
        calls: what to time; none of them may wait for anything.
        rounds: how often each is called, after a tenth of that to warm up.
    """
    least = [float("inf")] * len(calls)
    for number in range(-rounds // 10, rounds):
        for i, call in enumerate(calls):
            start = time.thread_time()  # nothing here waits, so this is what a call takes when nobody else is on the machine
            call()
            took = (time.thread_time() - start) * 1e6
            if number >= 0 and took < least[i]:
                least[i] = took
    return least


def verdict(name: str, value: float, bar: float, unit: str = "us", digits: int = 0) -> bool:
    """Print a measured value beside its bar, and whether it holds."""
    holds = value <= bar
    print(f"  {name:<64} {value:>8.{digits}f} {unit:<3} bar {bar:>6.{digits}f} {unit:<3} {'ok' if holds else 'OVER THE BAR'}")
    return holds
