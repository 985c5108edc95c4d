"""An amount shared by several holders: what each was granted, has returned and has spent, and how the rest is shared.

A holder is one life of a process. Its three totals only grow, so a report may be lost, repeated, late or out of order: the
store keeps the larger of the stored and the reported total. Spent amounts count against the limit, and so do granted amounts that are not
returned, since they may still be spent. A lease never expires into free money: what a dead process held stays
counted until another process knows what it spent (see `black_box`). Where the limit is per window, a grant counts at the latest
moment of its possible use, and a used amount counts in the piece of the window in which it was used.

A store that has lost its data grants nothing for a grace period, in which all holders report what they know. If no living holder may know of
some use within a window of at most a minute, the window is waited out: until a holder that others have seen reports, or until the window
has moved on.

All decisions are made by `report`. Redis runs the same algorithm as a script (`lease.lua`); a test compares their answers.

Source: token leasing as in quota servers, with state-based counters (M. Shapiro et al., "Conflict-free replicated data
types", 2011): totals merge by maximum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

FOREVER: Final = 1 << 52
"""End of a lease without a window, in milliseconds."""
PIECES: Final = 60
"""Pieces of a window: used amounts leave the window piece by piece."""
FOLD: Final = 32
"""Most closed holders kept; older ones are added up."""
WAITED: Final = 60_000
"""Longest window in milliseconds that is waited out after a loss of data; for longer ones the grace period must do."""


@dataclass(frozen=True, slots=True)
class SharingRule:
    """How an amount is shared.

    Parameters:
        limit: most that may be spent, in whole units (billionths of a dollar, tokens, requests).
        window: milliseconds after which spending no longer counts; 0: it always counts.
        term: milliseconds for which a lease of a windowed amount is valid.
        divisor: a lease is at most the free amount / (divisor x holders), so that it shrinks with the free amount.
        grace: milliseconds after a loss of the store's data in which nothing is granted and all holders report what they know.
        ttl: milliseconds after the last report at which the account may be forgotten; 0: never.
    """

    limit: int
    window: int = 0
    term: int = 1_000
    divisor: int = 4
    grace: int = 600
    ttl: int = 0


@dataclass(slots=True)
class Holding:
    """Totals of one holder: granted, returned and spent.

    Parameters:
        granted, returned, spent: totals; they only grow.
        until: store time in milliseconds after which the unspent rest can no longer be used.
        seen: store time of the last report, in milliseconds.
        closed: it has ended; nothing more is granted to it.
        used: spent amounts by piece of the window.
    """

    granted: int = 0
    returned: int = 0
    spent: int = 0
    until: int = 0
    seen: int = 0
    closed: bool = False
    used: dict[int, int] = field(default_factory=dict)

    def open(self) -> int:
        """The granted amount that is neither returned nor spent."""
        return max(0, self.granted - self.returned - self.spent)

    def merge(self, other: Holding) -> None:
        """Merge other totals of this holder, each by maximum."""
        self.granted = max(self.granted, other.granted)
        self.returned = max(self.returned, other.returned)
        self.spent = max(self.spent, other.spent)
        self.until = max(self.until, other.until)
        self.closed = self.closed or other.closed
        for piece, amount in other.used.items():
            self.used[piece] = max(self.used.get(piece, 0), amount)

    def counts(self, now: int, rule: SharingRule) -> int:
        """The amount that counts against the limit."""
        if not rule.window:
            return self.spent + self.open()
        oldest = piece_of(now - rule.window, rule)
        used = sum(amount for piece, amount in self.used.items() if piece >= oldest)
        return used + (self.open() if now < self.until + rule.window else 0)

    def text(self) -> str:
        """Write it as one line of text."""
        head = f"{self.granted} {self.returned} {self.spent} {self.until} {self.seen} {int(self.closed)}"
        return " ".join([head, *(f"{piece}:{amount}" for piece, amount in self.used.items())])

    @classmethod
    def parse(cls, text: str) -> Holding:
        """Read a result of `text`."""
        granted, returned, spent, until, seen, closed, *used = text.split()
        pieces = (piece.split(":") for piece in used)
        amounts = {int(piece): int(amount) for piece, amount in pieces}
        return cls(int(granted), int(returned), int(spent), int(until), int(seen), closed == "1", amounts)


@dataclass(frozen=True, slots=True)
class Report:
    """A holder's totals for one account, and its request.

    Parameters:
        key: the account.
        rule: how it is shared.
        holder: id of the reporting holder.
        totals: granted, returned, spent and used amounts as the holder knows them.
        want: the total grant that it would like, including what is granted.
        need: least amount with which it can continue; granted in full or not at all. 0: no call waits.
        known: totals of other holders; sent after a loss of data.
        ask: request the list of all holders.
        lost: it is new, and knows that the store has lost its data within the last window.
    """

    key: str
    rule: SharingRule
    holder: str
    totals: Holding
    want: int = 0
    need: int = 0
    known: Mapping[str, Holding] = field(default_factory=dict)
    ask: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """The store's answer to a report.

    Parameters:
        granted: the holder's total.
        free: amount neither held nor spent.
        holders: number of holders that are not closed.
        short: a holder was recently refused what it needed.
        recovering: longest time in milliseconds for which nothing is granted, after a loss of data; 0: the data are complete.
        closed: this holder was closed by another process that detected its end.
        now: the store's clock, in milliseconds.
        limit: the limit in force, an override included.
        spent: spending of all holders (within the window).
        alert: the highest threshold in percent that this report is the first to pass; 0: none.
        known: all holders; empty unless asked for.
        memory: part of the store and name of its data, `part.name`; the name changes when data were lost, or may have been.
    """

    granted: int
    free: int
    holders: int
    short: bool
    recovering: int
    closed: bool
    now: int
    limit: int
    spent: int
    alert: int = 0
    known: Mapping[str, Holding] = field(default_factory=dict)
    memory: str = ""


@dataclass(slots=True)
class Account:
    """All holders of one amount, as the store keeps them.

    Parameters:
        holders: by id.
        short: store time at which a holder was last refused what it needed.
        over: a limit that replaces the rule's until `over_until`.
        alerted: the highest reported threshold.
        folded: spending of holders that closed long ago, by piece; their ids are in `gone`.
        lost, vouched: store time of the last report that data were lost, and of the last report of other holders' totals.
    """

    holders: dict[str, Holding] = field(default_factory=dict)
    short: int = 0
    over: int = 0
    over_until: int = 0
    alerted: int = 0
    folded: dict[int, int] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    lost: int = 0
    vouched: int = 0

    def fields(self) -> dict[str, str]:
        """Write it as text fields, for a hash in Redis or a row in SQLite."""
        found = {"short": str(self.short), "over": f"{self.over} {self.over_until}", "alerted": str(self.alerted)}
        found["folded"] = " ".join(f"{piece}:{amount}" for piece, amount in self.folded.items())
        found["gone"] = " ".join(sorted(self.gone))
        found["doubt"] = f"{self.lost} {self.vouched}"
        return found | {f"h:{name}": holding.text() for name, holding in self.holders.items()}

    @classmethod
    def parse(cls, fields: Mapping[str, str]) -> Account:
        """Read a result of `fields`; unknown fields are ignored."""
        over, until = fields.get("over", "0 0").split()
        lost, vouched = fields.get("doubt", "0 0").split()
        folded = (piece.split(":") for piece in fields.get("folded", "").split())
        holders = {name[2:]: Holding.parse(text) for name, text in fields.items() if name.startswith("h:")}
        return cls(
            holders,
            int(fields.get("short", 0)),
            int(over),
            int(until),
            int(fields.get("alerted", 0)),
            {int(piece): int(amount) for piece, amount in folded},
            set(fields.get("gone", "").split()),
            int(lost),
            int(vouched),
        )


ALERTS: Final = (50, 80, 95, 100)
"""Thresholds in percent of the limit, each reported to one process."""
SHORT: Final = 500
"""Milliseconds after a refusal in which other holders return what they do not need."""


def piece_of(now: int, rule: SharingRule) -> int:
    """The piece of the window that holds `now`; 0 without a window."""
    return now * PIECES // rule.window if rule.window else 0


def report(account: Account, heard: Report, now: int, since: int, memory: str = "") -> Grant:
    """Merge a report into `account`, which it changes, and grant from the free amount.

    Parameters:
        now: the store's clock, in milliseconds.
        since: time from which its data are complete.
        memory: as in `Grant`.
    """
    rule, own = heard.rule, account.holders.get(heard.holder)
    fenced = heard.holder in account.gone or (own is not None and own.closed)
    for name, totals in heard.known.items():
        if name != heard.holder and name not in account.gone:
            account.holders.setdefault(name, Holding()).merge(totals)
    if heard.holder not in account.gone:
        own = account.holders.setdefault(heard.holder, Holding())
        own.merge(heard.totals)
        own.seen = now
    account.vouched = now if heard.known else account.vouched
    account.lost = now if heard.lost else account.lost
    limit = account.over if now < account.over_until else rule.limit
    _drop_old(account, heard.holder, now, since, rule)
    recovering = _recovering(account, rule, now, since)
    oldest = piece_of(now - rule.window, rule) if rule.window else 0
    folded = sum(amount for piece, amount in account.folded.items() if piece >= oldest)
    if own is not None and not own.closed:  # each answer renews the lease
        own.until = now + rule.term if rule.window else FOREVER
    free = limit - folded - sum(holding.counts(now, rule) for holding in account.holders.values())
    living = sum(not holding.closed for holding in account.holders.values())
    if own is not None and not own.closed and not recovering:
        give = _grant(heard, own, free, living)
        if heard.need and give < heard.need:
            account.short = now
        own.granted += give
        free -= give
    spent = limit - free - sum(h.open() for h in account.holders.values() if not rule.window or now < h.until + rule.window)
    alert = max((step for step in ALERTS if limit > 0 and spent * 100 >= step * limit), default=0)
    news, account.alerted = (alert if alert > account.alerted else 0), max(alert, account.alerted)
    short = account.short > 0 and now - account.short < SHORT
    granted = own.granted if own is not None else heard.totals.granted
    known = {name: Holding.parse(holding.text()) for name, holding in account.holders.items()} if heard.ask else {}
    free, living, spent = max(0, free), max(1, living), max(0, spent)
    return Grant(granted, free, living, short, recovering, fenced, now, limit, spent, news, known, memory)


def _recovering(account: Account, rule: SharingRule, now: int, since: int) -> int:
    """Longest time in milliseconds for which nothing is granted."""
    rest = since + rule.grace - now
    if 0 < rule.window <= WAITED:
        unheard = any(not holding.closed and holding.seen < since for holding in account.holders.values())
        if unheard or account.lost >= since > account.vouched:
            rest = max(rest, since + rule.window + rule.term - now)
    return max(0, rest)


def _grant(heard: Report, own: Holding, free: int, living: int) -> int:
    asked = max(0, heard.want - own.granted)
    give = min(asked, max(free // (heard.rule.divisor * max(1, living)), heard.need))
    if give > free:
        give = heard.need if heard.need <= free else 0
    return max(0, give)


def _drop_old(account: Account, reporter: str, now: int, since: int, rule: SharingRule) -> None:
    """Remove what has left the window, dead holders included, and add up holders that closed long ago."""
    if rule.window:
        oldest = piece_of(now - rule.window, rule)
        for holding in account.holders.values():
            for piece in [piece for piece in holding.used if piece < oldest]:
                del holding.used[piece]
        for piece in [piece for piece in account.folded if piece < oldest]:
            del account.folded[piece]
        for name, holding in list(account.holders.items()):  # living holders report their totals again
            over = now >= max(holding.until, since + rule.term) + rule.window
            if over and not holding.used and name != reporter:
                del account.holders[name]
    closed = [name for name, holding in account.holders.items() if holding.closed and not holding.open()]
    for name in sorted(closed, key=lambda name: (account.holders[name].seen, name))[: max(0, len(closed) - FOLD)]:
        holding = account.holders.pop(name)
        account.gone.add(name)
        for piece, amount in (holding.used if rule.window else {0: holding.spent}).items():
            account.folded[piece] = account.folded.get(piece, 0) + amount
