"""A number with its 95 % interval."""

from __future__ import annotations

from typing import Any, NamedTuple


class Interval(NamedTuple):
    """A value and its 95 % interval, by resampling.

    Parameters:
        value: on all data; None: undefined.
        low, high: ends of the interval; None: not resampled, or undefined in most resamples.
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, samples: Any) -> Interval:
        """From a value on all data (first) and on resamples (the rest); NaN is undefined."""
        import numpy as np

        value, rest = float(samples[0]), samples[1:][~np.isnan(samples[1:])]
        if np.isnan(value):
            return cls(None)
        if 2 * len(rest) < len(samples):
            return cls(value)
        low, high = np.percentile(rest, [2.5, 97.5])
        return cls(value, float(low), float(high))

    def as_dict(self) -> dict[str, float | None]:
        """In JSON types, rounded to six digits."""
        return {name: None if part is None else round(part, 6) for name, part in self._asdict().items()}

    def __str__(self) -> str:
        if self.value is None:
            return "-"
        if self.low is None or self.high is None:
            return f"{self.value:.4g}"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"
