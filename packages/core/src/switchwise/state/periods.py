"""Calendar periods: the day, week or month of a time, in a time zone.

Days have 23 to 25 hours where clocks change, months 28 to 31 days; weeks begin on Monday (ISO 8601).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Literal

from switchwise.nouns.errors import ConfigurationError

Every = Literal["day", "week", "month"]
_EVERY: Final = ("day", "week", "month")
LONGEST: Final = {"day": 25 * 3_600.0, "week": 169 * 3_600.0, "month": 745 * 3_600.0}
"""Greatest length in seconds."""
_MOST: Final = 400  # periods of one override


@dataclass(frozen=True, slots=True)
class Period:
    """One period.

    Parameters:
        name: unique among the periods of its calendar, such as `2026-11@Europe/Berlin`.
        start, end: seconds since the epoch; `end` is exclusive.
    """

    name: str
    start: float
    end: float

    def elapsed(self, now: float) -> float:
        """The passed share of the period, from 0 to 1."""
        return min(1.0, max(0.0, (now - self.start) / (self.end - self.start)))


class Calendar:
    """The periods of one length in one time zone.

    Parameters:
        every: `day`, `week` or `month`.
        zone: name of a time zone in the IANA database, such as `Europe/Berlin`.

    Raises:
        ConfigurationError: the period or zone is unknown.

    >>> Calendar("month", "Europe/Berlin").at(1_764_543_600).name  # 2025-11-30, 23:00 UTC: midnight in Berlin
    '2025-12@Europe/Berlin'
    """

    def __init__(self, every: Every, zone: str = "UTC") -> None:
        if every not in _EVERY:
            raise ConfigurationError(f"period={every!r}: give one of {', '.join(_EVERY)}")
        self.every, self.zone = every, zone
        self._zone: tzinfo = _zone(zone)
        self._last = Period("", 0.0, 0.0)

    def at(self, now: float) -> Period:
        """The period of `now`, in seconds since the epoch."""
        last = self._last
        if last.start <= now < last.end:
            return last
        day = datetime.fromtimestamp(now, self._zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        if self.every == "day":
            start, end, name = day, day + timedelta(days=1), f"{day:%Y-%m-%d}"
        elif self.every == "week":
            start = day - timedelta(days=day.weekday())
            year, week, _ = start.isocalendar()
            end, name = start + timedelta(days=7), f"{year}-W{week:02}"
        else:
            start = day.replace(day=1)
            end, name = (start + timedelta(days=32)).replace(day=1), f"{start:%Y-%m}"
        self._last = period = Period(f"{name}@{self.zone}", start.timestamp(), end.timestamp())
        return period

    def names(self, first: float, last: float) -> list[tuple[str]]:
        """The ends of keys, one for each period from that of `first` to that of `last`.

        Raises:
            ConfigurationError: there are more than 400.

        >>> Calendar("day").names(0.0, 86_400.0)
        [('1970-01-01@UTC',), ('1970-01-02@UTC',)]
        """
        period = self.at(first)
        found = [(period.name,)]
        while period.end <= last:
            if len(found) == _MOST:
                remedy = "give the view its time (now=time.time()) and an earlier end"
                raise ConfigurationError(f"until={last!r}: it is more than {_MOST} periods after {found[0][0]}; {remedy}")
            period = self.at(period.end)
            found.append((period.name,))
        return found


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        remedy = "give a name of the IANA database, such as 'Europe/Berlin' (on Windows: pip install tzdata)"
        raise ConfigurationError(f"zone={name!r}: no such time zone; {remedy}") from None
