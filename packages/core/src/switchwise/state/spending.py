"""What a scope has spent, as a store keeps it: plain data, and the functions on it."""

from __future__ import annotations

from typing import Any, Final

from switchwise.state.codec import is_amount

Amount = tuple[float, int]
"""USD and tokens."""
NOTHING: Final[Amount] = (0.0, 0)
Account = dict[str, Any]
"""`spent`: rows of (piece of the window, USD, tokens). `open`: what calls under way may still spend, reservation -> [piece, USD, tokens]."""


def total(account: Account | None, oldest: int) -> Amount:
    """USD and tokens spent from the piece `oldest` on, open calls included."""
    usd, tokens = 0.0, 0
    if account is not None:
        for piece, dollars, used in account["spent"]:
            if piece >= oldest:
                usd, tokens = usd + dollars, tokens + used
        for _, dollars, used in account["open"].values():
            usd, tokens = usd + dollars, tokens + used
    return usd, tokens


def added(spent: list[Any], piece: int, amount: Amount) -> list[Any]:
    """The rows of a spending with `amount` in its piece."""
    rows = [row for row in spent if row[0] != piece]
    usd, tokens = next(((row[1], row[2]) for row in spent if row[0] == piece), NOTHING)
    return [*rows, [piece, usd + amount[0], tokens + amount[1]]]


def read_spending(value: Any) -> list[Any] | None:
    """Rows of a spending, checked; None: it is something else."""
    if not isinstance(value, list):
        return None
    for row in value:
        match row:
            case [int(), usd, tokens] if not isinstance(row[0], bool) and is_amount(usd) and is_amount(tokens):
                pass
            case _:
                return None
    return value
