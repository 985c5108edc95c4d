"""KeepsSpending of scopes and reservations of their open calls, as plain data in a table of a store.

`KeepsSpending` is the protocol used by budgets; `TableSpending` keeps it in a table, `switchwise.state.shared.spending` in leases shared by
processes.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from itertools import count
from math import floor, inf
from typing import Any, Final, NamedTuple, Protocol

from switchwise.nouns.call import Attempt
from switchwise.nouns.scope import Key
from switchwise.state.codec import is_amount
from switchwise.state.forking import rlock
from switchwise.state.store import Store, Table

Amount = tuple[float, int]
"""USD and tokens."""
NOTHING: Final[Amount] = (0.0, 0)
Account = dict[str, Any]
"""`spent`: rows of (piece of the window, USD, tokens). `open`: reservations of calls under way, reservation -> [piece, USD, tokens].
`over`, optional: temporary limits, [USD, tokens, until]."""
BUCKETS: Final = 12
"""Pieces of a window: spending leaves the window piece by piece."""


class SpendingLimits(NamedTuple):
    """SpendingLimits of a scope. None: no limit in that unit."""

    usd: float | None
    tokens: int | None


class KeepsSpending(Protocol):
    """Protocol of spending by the key of a scope."""

    @property
    def table(self) -> object:
        """Identifies its table: two policies of one router must not share it."""

    @property
    def skew(self) -> float:
        """Seconds by which the clock of calendar periods is ahead of the router's."""

    @property
    def trouble(self) -> str:
        """Why its store grants nothing, as the predicate of a sentence; empty if it does."""

    @property
    def refused(self) -> str:
        """Why its store did not grant the last refused reservation, as the predicate of a sentence; empty if too little was left."""

    def spent(self, key: Key, now: float) -> Amount:
        """USD and tokens that count against the limits, open calls included."""

    def limits(self, key: Key, now: float) -> SpendingLimits:
        """The present limits, overrides included."""

    def left(self, key: Key, now: float) -> tuple[float, float]:
        """Remaining USD and tokens, open calls counted with their bound; infinite without a limit."""

    def reserve(self, key: Key, bound: Amount, now: float) -> Any | None:
        """Reserve `bound`; return a ticket for `settle`, or None if too little is left."""

    def settle(self, key: Key, ticket: Any | None, amount: Amount, now: float) -> None:
        """Charge `amount` in place of the reservation `ticket` (None: no reservation)."""

    def override(self, key: Key, limits: SpendingLimits, until: float) -> None:
        """Replace the limits until that time, in seconds since the epoch."""

    def rows(self) -> list[list[Any]]:
        """KeepsSpending as JSON: (key, rows of pieces). Open calls count with their bound. Empty if a server keeps it."""

    def take(self, rows: Iterable[tuple[Key, list[Any]]]) -> None:
        """Restore validated rows, which replace the entries of the same scopes; open calls stay open."""


class TableSpending:
    """KeepsSpending in a table of a store: `InProcess`, or your own.

    Parameters:
        store: store of the table.
        name: name of the table.
        size: most scopes remembered. One with an open call is never evicted.
        limits: limits of each scope.
        window: seconds after which spending no longer counts; None: it always counts.
    """

    skew: float = 0.0
    trouble = refused = ""

    def __init__(self, store: Store, name: str, size: int, limits: SpendingLimits, window: float | None) -> None:
        self.table: Table = store.table(name, size)
        self._limits, self._window = limits, window
        self._lock = rlock()  # the garbage collector may close an abandoned stream in the middle, which settles it
        self._busy: dict[
            Key, tuple[int, Account]
        ] = {}  # accounts with our open calls: their number, and the account as last read
        self._origin, self._numbers = secrets.token_hex(4), count()

    def limits(self, key: Key, now: float) -> SpendingLimits:
        return self._in_force(self._known(self.table.get(key), key), now)

    def left(self, key: Key, now: float) -> tuple[float, float]:
        return self._left(self._known(self.table.get(key), key), now)

    def spent(self, key: Key, now: float) -> Amount:
        """USD and tokens that count against the limits, open calls included."""
        return total(self._known(self.table.get(key), key), self._oldest(now))

    def reserve(self, key: Key, bound: Amount, now: float) -> str | None:
        name, piece, granted = f"{self._origin}-{next(self._numbers)}", self._piece(now), False

        def opened(account: Account | None) -> Account | None:
            nonlocal granted
            account = self._known(account, key)
            usd, tokens = self._left(account, now)
            granted = bound[0] <= usd and bound[1] <= tokens
            if not granted:
                return account
            account = account if account is not None else {"spent": [], "open": {}}
            return {**account, "open": {**account["open"], name: [piece, *bound]}}

        with self._lock:
            account = self.table.update(key, opened)
            if not granted:
                return None
            self._busy[key] = (self._busy[key][0] + 1 if key in self._busy else 1, account)
        return name

    def settle(self, key: Key, ticket: str | None, amount: Amount, now: float) -> None:
        def settled(account: Account | None) -> Account | None:
            account = self._known(account, key) or {"spent": [], "open": {}}
            pending = {name: row for name, row in account["open"].items() if name != ticket}
            spent = account["spent"] if amount == NOTHING else self._charged(account["spent"], amount, now)
            return {**account, "spent": spent, "open": pending} if spent or pending or "over" in account else None

        with self._lock:
            account = self.table.update(key, settled)
            if ticket is not None:
                calls = self._busy[key][0] - 1
                if calls and account is not None:
                    self._busy[key] = (calls, account)
                else:
                    del self._busy[key]

    def override(self, key: Key, limits: SpendingLimits, until: float) -> None:
        def raised(account: Account | None) -> Account:
            return {**(self._known(account, key) or {"spent": [], "open": {}}), "over": [limits.usd, limits.tokens, until]}

        self._replace(key, raised)

    def rows(self) -> list[list[Any]]:
        with self._lock:
            accounts = {**{key: account for key, (_, account) in self._busy.items()}, **dict(self.table.items())}
        rows = []
        for key, account in accounts.items():
            spent = account["spent"]
            for piece, usd, tokens in account["open"].values():
                spent = added(spent, piece, (usd, tokens))
            rows.append([list(key), [[*row] for row in spent]])
        return rows

    def take(self, rows: Iterable[tuple[Key, list[Any]]]) -> None:
        for key, spent in rows:

            def replaced(account: Account | None, key: Key = key, spent: list[Any] = spent) -> Account:
                return {**(self._known(account, key) or {"open": {}}), "spent": spent}

            self._replace(key, replaced)

    def _replace(self, key: Key, change: Any) -> None:
        with self._lock:
            account = self.table.update(key, change)
            if key in self._busy:
                self._busy[key] = (self._busy[key][0], account)

    def _known(self, account: Account | None, key: Key) -> Account | None:
        """The account in the store; if it was evicted while our call is open, as last read."""
        if account is None and key in self._busy:
            return self._busy[key][1]
        return account

    def _in_force(self, account: Account | None, now: float) -> SpendingLimits:
        if account is not None and (over := account.get("over")) is not None and now < over[2]:
            return SpendingLimits(over[0], over[1])
        return self._limits

    def _charged(self, spent: list[Any], amount: Amount, now: float) -> list[Any]:
        """The spending plus `amount`, without pieces outside the window."""
        oldest = self._oldest(now)
        return added([row for row in spent if row[0] >= oldest], self._piece(now), amount)

    def _left(self, account: Account | None, now: float) -> tuple[float, float]:
        usd, tokens = total(account, self._oldest(now))
        limits = self._in_force(account, now)
        return (
            inf if limits.usd is None else limits.usd - usd,
            inf if limits.tokens is None else limits.tokens - tokens,
        )

    def _piece(self, now: float) -> int:
        return 0 if self._window is None else floor(now / self._window * BUCKETS)

    def _oldest(self, now: float) -> int:
        """The oldest piece within the window that ends now."""
        return 0 if self._window is None else self._piece(now) - BUCKETS


def used_by(attempt: Attempt, dollars: bool) -> Amount | None:
    """USD and tokens of a finished call; None if unknown.

    Parameters:
        dollars: whether its cost must be known; else it is 0.
    """
    if attempt.reply is None or attempt.reply.usage is None:
        return None if attempt.error is None or attempt.error.may_be_billed else NOTHING
    usage, price = attempt.reply.usage, attempt.target.price
    tokens = usage.input_tokens + usage.output_tokens
    if not dollars:
        return 0.0, tokens
    cost = attempt.cost if attempt.cost is not None or price is None else price.cost(usage)
    return None if cost is None else (cost, tokens)


def total(account: Account | None, oldest: int) -> Amount:
    """USD and tokens spent since the piece `oldest`, open calls included."""
    usd, tokens = 0.0, 0
    if account is not None:
        for piece, dollars, used in account["spent"]:
            if piece >= oldest:
                usd, tokens = usd + dollars, tokens + used
        for _, dollars, used in account["open"].values():
            usd, tokens = usd + dollars, tokens + used
    return usd, tokens


def added(spent: list[Any], piece: int, amount: Amount) -> list[Any]:
    """The rows of a spending plus `amount` in its piece."""
    rows = [row for row in spent if row[0] != piece]
    usd, tokens = next(((row[1], row[2]) for row in spent if row[0] == piece), NOTHING)
    return [*rows, [piece, usd + amount[0], tokens + amount[1]]]


def read_spending(value: Any) -> list[Any] | None:
    """Validate rows of a spending; None if they are invalid."""
    if not isinstance(value, list):
        return None
    for row in value:
        match row:
            case [int(), usd, tokens] if not isinstance(row[0], bool) and is_amount(usd) and is_amount(tokens):
                pass
            case _:
                return None
    return value
