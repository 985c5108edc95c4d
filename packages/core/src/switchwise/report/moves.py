"""Prices and models that changed since a journal was written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from switchwise.nouns.target import Price
from switchwise.observe.journal.record import Record
from switchwise.report.advice import Recommendation

Listed = Callable[[str, str], Price | None]
"""Provider and model -> the list price of today; None: unknown."""
_MOVED = 0.01  # of a price: less is rounding
_SIDES = (("input", "input"), ("output", "output"), ("cache_read", "cache reads"))


def moves(records: Sequence[Record], listed: Listed | None) -> tuple[Recommendation, ...]:
    """Return the changes in the catalogue or at providers.

    Parameters:
        records: of a journal.
        listed: the catalogue; None: prices are not compared.
    """
    pool = newest_pool(records) if listed is not None else {}
    used = {record.target for record in records}
    found = [move for name, entry in pool.items() if listed and name in used and (move := _price_of(name, entry, listed))]
    return (*found, *_served(records))


def newest_pool(records: Sequence[Record]) -> Mapping[str, Mapping[str, Any]]:
    """Name -> provider, model and price of the targets that the last record knows, strongest first."""
    latest = max((record for record in records if record.pool), key=lambda record: record.time, default=None)
    return (latest.pool or {}) if latest else {}


def _price_of(name: str, entry: Mapping[str, Any], listed: Listed) -> Recommendation | None:
    rates, now = entry.get("price"), listed(entry.get("provider", ""), entry.get("model", ""))
    if rates is None:
        return None
    if now is None:
        return Recommendation(
            "models",
            f"The catalogue does not list {entry.get('model') or name}",
            f"{name} is counted at the price that its pool gives it: ${rates['input']:g} in, ${rates['output']:g} out per million tokens.",
            "Check that it is right: a retired model is often served at another price.",
        )
    changed = [
        (word, rates.get(side), getattr(now, side)) for side, word in _SIDES if _differs(rates.get(side), getattr(now, side))
    ]
    if not changed:
        return None
    prices = ", ".join(f"{word} ${new:g} (counted: ${old:g})" for word, old, new in changed)
    return Recommendation(
        "prices",
        f"The price of {name} has moved",
        f"{entry.get('model')}: the catalogue lists {prices} per million tokens.",
        "Rebuild the pool from the catalogue, or keep your own price if it is negotiated.",
    )


def _differs(counted: float | None, listed: float | None) -> bool:
    return counted is not None and listed is not None and abs(counted - listed) > _MOVED * max(counted, listed)


def _served(records: Sequence[Record]) -> list[Recommendation]:
    """Models whose provider serves another snapshot at the end of the journal than at its beginning."""
    served: dict[tuple[str, str], list[str]] = {}
    for record in sorted(records, key=lambda record: record.time):
        if record.served_by and record.model:
            names = served.setdefault((record.target, record.model), [])
            if record.served_by not in names:
                names.append(record.served_by)
    return [
        Recommendation(
            "models",
            f"{target} was served by more than one model",
            f"{model} was answered by {', then '.join(names)}. What was learnt of the first need not hold for the last.",
            "Name the dated model in the target to decide yourself when it changes.",
        )
        for (target, model), names in served.items()
        if len(names) > 1
    ]
