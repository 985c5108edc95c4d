"""Spending that processes share: one lease for each unit of each scope."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from math import ceil, inf
from typing import Any, Final, NamedTuple

from switchwise.nouns.scope import Key
from switchwise.state.shared.account import Rule
from switchwise.state.shared.lease import Lease
from switchwise.state.spending import Amount, Limits
from switchwise.state.store import Lender

NANO: Final = 1e9
"""Units of a dollar: whole numbers, of which a server's doubles are exact up to nine million dollars."""
_KEPT: Final = 30 * 86_400_000
"""Milliseconds after its last use for which the account of a scope without a period is kept: a session, an agent, a task."""
_LATE: Final = 2 * 86_400_000
"""Milliseconds after the end of a period in which a call may still be settled."""
_LONGEST: Final = 150  # bytes of a key: longer ones are digested, so that they fit a row of the black box
_TERM: Final = 1_000


class Accounts(NamedTuple):
    """Which accounts of which store: two policies of one router must not charge the same."""

    place: str
    name: str


class LeasedSpending:
    """Spending in leases.

    Parameters:
        keeper: gives the leases.
        name: of the accounts: the same in all processes that share them.
        limits: of each scope.
        window: seconds after which what was spent no longer counts; None: never.
        period: longest length of the calendar period in the keys, in seconds; 0: there is none.
        lasting: accounts are never forgotten: there are few of them (all, targets, labels).
    """

    def __init__(
        self, keeper: Lender, name: str, limits: Limits, window: float | None, period: float = 0.0, lasting: bool = False
    ) -> None:
        self.table = Accounts(keeper.place, name)
        self._keeper, self._name, self._limits = keeper, name, limits
        wide = 0 if window is None or window == inf else int(window * 1_000)
        ttl = int(period * 1_000) + _LATE if period else 0 if lasting and not wide else max(_KEPT, 2 * wide)
        term = max(50, min(_TERM, wide // 20))
        self._rules = {
            unit: (Rule(limit, wide, term if wide else _TERM, ttl=ttl), scale)
            for unit, limit, scale in (("usd", _units(limits.usd, NANO), NANO), ("tokens", limits.tokens, 1.0))
            if limit is not None and limit != inf
        }

    @property
    def skew(self) -> float:
        """Seconds by which the server's clock is ahead of this machine's."""
        return self._keeper.skew

    def limits(self, key: Key, now: float) -> Limits:  # noqa: ARG002
        found = {unit: self._lease(key, unit).limit() / scale for unit, (_, scale) in self._rules.items()}
        tokens = found.get("tokens")
        return Limits(found.get("usd"), None if tokens is None else int(tokens))

    def left(self, key: Key, now: float) -> tuple[float, float]:  # noqa: ARG002
        rules = self._rules
        usd = self._lease(key, "usd").left() / NANO if "usd" in rules else inf
        return usd, self._lease(key, "tokens").left() if "tokens" in rules else inf

    def spent(self, key: Key, now: float) -> Amount:  # noqa: ARG002
        """USD and tokens that count against the limits as far as is known here, what all processes hold open included."""
        usd = self._lease(key, "usd").spent() / NANO if "usd" in self._rules else 0.0
        return usd, self._lease(key, "tokens").spent() if "tokens" in self._rules else 0

    def reserve(self, key: Key, bound: Amount, now: float) -> list[tuple[Lease, int]] | None:  # noqa: ARG002
        if bound[0] == inf and "usd" in self._rules:
            return None
        taken: list[tuple[Lease, int]] = []
        for unit, amount in zip(("usd", "tokens"), bound, strict=True):
            if unit not in self._rules:
                continue
            units = _units(amount, self._rules[unit][1]) or 0
            lease = self._reserved(key, unit, units)
            if lease is None:
                for earlier, held in taken:
                    earlier.settle(held, 0)
                return None
            taken.append((lease, units))
        return taken

    def _reserved(self, key: Key, unit: str, units: int) -> Lease | None:
        while True:
            lease = self._lease(key, unit)
            if lease.reserve(units):
                return lease
            if lease is self._lease(key, unit):  # else it was returned for idleness in this very moment
                return None

    def settle(self, key: Key, ticket: list[tuple[Lease, int]] | None, amount: Amount, now: float) -> None:  # noqa: ARG002
        held = ticket or [(self._lease(key, unit), 0) for unit in self._rules]
        for (lease, bound), unit in zip(held, self._rules, strict=True):
            cost = amount[0] if unit == "usd" else amount[1]
            lease.settle(bound, _units(cost, self._rules[unit][1]) or 0)

    def override(self, key: Key, limits: Limits, until: float) -> None:
        for unit, limit in (("usd", _units(limits.usd, NANO)), ("tokens", limits.tokens)):
            if unit in self._rules and limit is not None:
                self._keeper.override(self._key(key, unit), limit, until)

    def watch(self, hear: Callable[[Key | str, int], object]) -> None:
        """Call `hear` with the scope (a digest if its name is long) and the percentage, in the process that passes it first."""
        for unit in self._rules:
            start = f"{self._name}:{unit}:"  # with the unit: the name of one budget may begin with that of another

            def heard(account: str, step: int, start: str = start) -> None:
                hear(_scope(account.partition(start)[2]), step)

            self._keeper.watch(start, heard)

    def rows(self) -> list[list[Any]]:
        return []

    def take(self, rows: Iterable[tuple[Key, list[Any]]]) -> None:
        """The server has what counts: a state of another process adds nothing."""

    def _lease(self, key: Key, unit: str) -> Lease:
        lease: Lease = self._keeper.lease(self._key(key, unit), self._rules[unit][0])
        return lease

    def _key(self, key: Key, unit: str) -> str:
        scope = "/".join(part.replace("%", "%25").replace("/", "%2F").replace(" ", "%20") for part in key)
        whole = f"{self._name}:{unit}:{scope}"
        if len(whole.encode()) <= _LONGEST:
            return whole
        return f"{self._name}:{unit}:#{blake2b(scope.encode(), digest_size=16).hexdigest()}"


def _scope(text: str) -> Key | str:
    """The scope in the name of an account; the text itself if it is digested."""
    if text.startswith("#") and "/" not in text:
        return text
    return tuple(part.replace("%2F", "/").replace("%20", " ").replace("%25", "%") for part in text.split("/"))


def _units(amount: float | None, scale: float) -> int | None:
    """Whole units, rounded up: never too few."""
    return None if amount is None or amount == inf else ceil(amount * scale - 1e-6)
