"""Measures of routers on recorded outcomes: which there are, in which order, and how one is written."""

from __future__ import annotations

from switchwise.evaluation.measures.interval import Interval

COLUMNS = (
    "solved",
    "cost",
    "dollars_per_solved",
    "apgr",
    "cpt50",
    "cpt80",
    "aiq",
    "log_aiq",
    "saving_98",
    "saving_98_deployable",
    "brier",
)
SHARES = frozenset(["saving_95", "saving_98", "saving_100", "saving_98_deployable", "quality_98_deployable"])


def cell(name: str, found: Interval | None, signed: bool = False) -> str:
    """A measure and its interval, in the unit in which it is read."""
    if found is None or found.value is None:
        return ""
    sign = "+" if signed else ""

    def number(value: float) -> str:
        if name in SHARES:
            text = f"{value * 100:{sign}.1f}%"
        else:
            text = f"{value:{sign}.3g}" if name in ("cost", "dollars_per_solved") else f"{value:{sign}.4f}"
        return text if text.strip("-0.%") else text.replace("-", sign)

    if name.startswith("cpt"):
        return f"{found.value:.1f}"
    if found.low is None or found.high is None:
        return number(found.value)
    return f"{number(found.value)} [{number(found.low)},{number(found.high)}]"
