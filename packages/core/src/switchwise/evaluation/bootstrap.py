"""Standard errors of ratios, by resampling whole sessions: calls of one session are alike."""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import stdev
from typing import NamedTuple


class RatioEstimate(NamedTuple):
    """A number and its standard error."""

    value: float
    error: float


def ratio(top: Sequence[float], bottom: Sequence[float], samples: int = 400, seed: int = 0) -> RatioEstimate:
    """The ratio of two sums over sessions.

    Parameters:
        top, bottom: one number for each session, in the same order.
        samples: resamples; 0: no standard error (nan).
        seed: the same seed draws the same sessions.

    >>> ratio([1.0, 1.0, 1.0], [2.0, 2.0, 2.0])
    RatioEstimate(value=0.5, error=0.0)

    Source: Efron, "Bootstrap methods: another look at the jackknife" (1979).
    """
    value = sum(top) / sum(bottom) if sum(bottom) else float("nan")
    if samples < 2 or len(top) < 2:
        return RatioEstimate(value, float("nan"))
    rng = random.Random(seed)
    n = len(top)
    drawn = [rng.choices(range(n), k=n) for _ in range(samples)]
    sums = [(sum(map(top.__getitem__, draw)), sum(map(bottom.__getitem__, draw))) for draw in drawn]
    ratios = [above / below for above, below in sums if below]
    if len(ratios) < 2:
        return RatioEstimate(value, float("nan"))
    return RatioEstimate(value, stdev(ratios))
