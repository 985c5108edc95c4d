"""Spending shared by processes: one lease per unit and scope."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import blake2b
from math import ceil, inf
from typing import Any, Final, NamedTuple

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.scope import Key
from switchwise.state.shared.account import SharingRule
from switchwise.state.shared.lease import Lease
from switchwise.state.spending import Amount, SpendingLimits
from switchwise.state.store import Lender

NANO: Final = 1e9
"""Units per dollar: whole numbers, which a server's doubles hold exactly up to nine million dollars."""
_KEPT: Final = 30 * 86_400_000
"""Milliseconds after its last use for which an account without a period (session, agent, task) is kept."""
_LATE: Final = 2 * 86_400_000
"""Milliseconds after the end of a period in which a call may still be settled."""
_LONGEST: Final = 150  # bytes of a key: longer keys are hashed to fit a row of the black box
_TERM: Final = 1_000
_LARGEST: Final = 2**62
"""Largest limit in whole units: stores and black boxes keep 64 bits."""


class Accounts(NamedTuple):
    """Identifies the accounts of one policy: two policies of one router must not share them."""

    place: str
    name: str


class LeasedSpending:
    """Spending kept in leases.

    Parameters:
        keeper: lends.
        name: name of the accounts, the same in all processes that share them.
        limits: limits of each scope.
        window: seconds after which spending no longer counts; None: it always counts.
        period: greatest length in seconds of the calendar period in the keys; 0: none.
        lasting: accounts never expire, since there are few (all, targets, labels).
    """

    def __init__(
        self,
        keeper: Lender,
        name: str,
        limits: SpendingLimits,
        window: float | None,
        period: float = 0.0,
        lasting: bool = False,
    ) -> None:
        self.table = Accounts(keeper.place, name)
        self._keeper, self._name, self._limits = keeper, name, limits
        self._late = False  # the last refusal was for lack of an answer
        for unit, limit, scale in (("usd", _units(limits.usd, NANO), NANO), ("tokens", limits.tokens, 1.0)):
            if limit is not None and limit != inf and limit > _LARGEST:
                raise ConfigurationError(
                    f"{name}({unit}={limit / scale:g}): a limit that processes share is at most {_LARGEST / scale:.3g}; leave it out for none"
                )
        wide = 0 if window is None or window == inf else int(window * 1_000)
        ttl = int(period * 1_000) + _LATE if period else 0 if lasting and not wide else max(_KEPT, 2 * wide)
        term = max(50, min(_TERM, wide // 20))
        self._rules = {
            unit: (SharingRule(limit, wide, term if wide else _TERM, ttl=ttl), scale)
            for unit, limit, scale in (("usd", _units(limits.usd, NANO), NANO), ("tokens", limits.tokens, 1.0))
            if limit is not None and limit != inf
        }

    @property
    def skew(self) -> float:
        """Seconds by which the server's clock is ahead of this machine's."""
        return self._keeper.skew

    @property
    def trouble(self) -> str:
        """Why the store grants nothing; empty if it does."""
        return self._keeper.trouble

    @property
    def refused(self) -> str:
        """Why the store did not grant the last refused reservation; empty if too little was left."""
        return self.trouble or ("did not grant it in time" if self._late else "")

    def limits(self, key: Key, now: float) -> SpendingLimits:  # noqa: ARG002
        found = {unit: self._lease(key, unit).limit() / scale for unit, (_, scale) in self._rules.items()}
        tokens = found.get("tokens")
        return SpendingLimits(found.get("usd"), None if tokens is None else int(tokens))

    def left(self, key: Key, now: float) -> tuple[float, float]:  # noqa: ARG002
        rules = self._rules
        usd = self._lease(key, "usd").left() / NANO if "usd" in rules else inf
        return usd, self._lease(key, "tokens").left() if "tokens" in rules else inf

    def spent(self, key: Key, now: float) -> Amount:  # noqa: ARG002
        """Known USD and tokens that count against the limits, open calls of all processes included."""
        usd = self._lease(key, "usd").spent() / NANO if "usd" in self._rules else 0.0
        return usd, self._lease(key, "tokens").spent() if "tokens" in self._rules else 0

    def reserve(self, key: Key, bound: Amount, now: float) -> list[tuple[Lease, int]] | None:  # noqa: ARG002
        self._late = False
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
            if lease is self._lease(key, unit):  # otherwise it was returned as idle at this moment
                self._late = lease.late
                return None

    def settle(self, key: Key, ticket: list[tuple[Lease, int]] | None, amount: Amount, now: float) -> None:  # noqa: ARG002
        held = ticket or [(self._lease(key, unit), 0) for unit in self._rules]
        for (lease, bound), unit in zip(held, self._rules, strict=True):
            cost = amount[0] if unit == "usd" else amount[1]
            lease.settle(bound, _units(cost, self._rules[unit][1]) or 0)

    def override(self, key: Key, limits: SpendingLimits, until: float) -> None:
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
        """Do nothing: the server already has the spending."""

    def _lease(self, key: Key, unit: str) -> Lease:
        lease: Lease = self._keeper.lease(self._key(key, unit), self._rules[unit][0])
        return lease

    def _key(self, key: Key, unit: str) -> str:
        scope = "/".join(part.replace("%", "%25").replace("/", "%2F").replace(" ", "%20") for part in key)
        whole = f"{self._name}:{unit}:{scope}"
        with suppress(UnicodeEncodeError):  # half a surrogate pair, which no store takes
            if len(whole.encode()) <= _LONGEST:
                return whole
        return f"{self._name}:{unit}:#{blake2b(scope.encode(errors='surrogatepass'), digest_size=16).hexdigest()}"


def _scope(text: str) -> Key | str:
    """The scope in the name of an account; the text itself if it is digested."""
    if text.startswith("#") and "/" not in text:
        return text
    return tuple(part.replace("%2F", "/").replace("%20", " ").replace("%25", "%") for part in text.split("/"))


def _units(amount: float | None, scale: float) -> int | None:
    """Whole units, rounded up so that spending is never undercounted."""
    return None if amount is None or amount == inf else ceil(amount * scale - 1e-6)
