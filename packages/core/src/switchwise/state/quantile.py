"""Online quantiles of durations with slow forgetting, as JSON data for any table.

Durations are counted in classes that grow by 7 %, so a quantile is accurate to 7 %; every new one reduces the weight of earlier ones. The
functions are pure: they return a new value, for a store's `update`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from math import exp, floor, log
from typing import Any

from switchwise.state.codec import is_amount

_GROWTH = log(1.07)
_LEAST = 1e-4  # seconds; the shortest class
_FORGOTTEN = 1e-3  # least weight of a class


def observed(known: Any, seconds: float, shares: Sequence[float], memory: float) -> dict[str, Any]:
    """Return the state after one more duration.

    Parameters:
        known: previous result; None: none.
        seconds: the duration.
        shares: the quantiles, such as 0.5 and 0.95.
        memory: number of durations that count; older ones fade.

    >>> known = None
    >>> for i in range(1_000):
    ...     known = observed(known, 2.0 if i % 10 == 0 else 0.5, [0.5, 0.95], 500)
    >>> [round(quantile, 1) for quantile in known["quantiles"]]
    [0.5, 2.1]
    """
    keep = 1.0 - 1.0 / memory
    counts: dict[str, float] = {}
    if known is not None:
        counts = {at: weight for at, before in known["counts"].items() if (weight := before * keep) >= _FORGOTTEN}
    at = str(floor(log(max(seconds, _LEAST)) / _GROWTH))
    counts[at] = counts.get(at, 0.0) + 1.0
    return {"counts": counts, "total": sum(counts.values()), "quantiles": [_quantile(counts, share) for share in shares]}


def read(value: Any) -> dict[str, Any] | None:
    """Return the value if it is a result of `observed`."""
    match value:
        case {"counts": dict() as counts, "total": total, "quantiles": list() as quantiles} if is_amount(total):
            whole = all(isinstance(at, str) and at.lstrip("-").isdigit() and is_amount(weight) for at, weight in counts.items())
            if whole and counts and quantiles and all(map(is_amount, quantiles)):
                return {"counts": dict(counts), "total": total, "quantiles": list(quantiles)}
    return None


def _quantile(counts: dict[str, float], share: float) -> float:
    """The upper end of the quantile's class."""
    classes = sorted((int(at), weight) for at, weight in counts.items())
    reached = [*accumulate(weight for _, weight in classes)]
    place = bisect_left(reached, share * reached[-1] - 1e-9)
    return exp((classes[place][0] + 1) * _GROWTH)
