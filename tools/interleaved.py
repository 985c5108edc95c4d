"""Times of several calls beside each other, as little disturbed by the neighbours on a shared machine as can be."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

REPEAT = 20  # calls in a block: short blocks, of which the least disturbed one counts


def minima(calls: Sequence[Callable[[], object]], blocks: int) -> list[float]:
    """CPU microseconds of one call, for each of `calls`: the least of its blocks.

    The calls take turns, block by block, and so all of them meet the quiet moments: a neighbour may stay for seconds.

    Parameters:
        calls: what to time; none of them may wait for anything.
        blocks: how many blocks each gets, after one to warm up.
    """
    least = [float("inf")] * len(calls)
    for number in range(blocks + 1):
        for i, call in enumerate(calls):
            start = time.thread_time()  # nothing here waits, so this is what a call takes when nobody else is on the machine
            for _ in range(REPEAT):
                call()
            if number:
                least[i] = min(least[i], (time.thread_time() - start) / REPEAT * 1e6)
    return least
