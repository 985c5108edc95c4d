"""Limit spending per session, agent, task, user, tenant, target, provider or in total.

Use it wherever calls cost money: a looping agent is the usual way to lose it. It rules out targets that are no longer
affordable, so a budget that runs low rules out the expensive targets first. Not for requests or tokens per minute (see
`RateLimits`), and not for reports of spending (see `switchwise.observe.journal`).

Source: reservation before use, as for stock and seats: the upper bound of each call is reserved under a lock before the call is
made, and settled when its usage is known; across processes by leases. docs/guide/budgets.md states the guarantee.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Literal

from switchwise.nouns.call import Attempt, Call
from switchwise.nouns.errors import BudgetExceeded, ConfigurationError
from switchwise.nouns.exchange.ask import Ask
from switchwise.nouns.scope import Key, Level
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import BATCH, Pool, Target
from switchwise.nouns.validation import number, one_of, whole
from switchwise.nouns.view import View
from switchwise.observe.alerts import Alerts, amount_in_words, audit_override, overridden, share_of, spent_in_words
from switchwise.observe.observer import Event
from switchwise.protocols.most_tokens import longest_answer, most_tokens
from switchwise.state.codec import table_rows
from switchwise.state.forking import rlock
from switchwise.state.in_process import InProcess
from switchwise.state.opening import opened
from switchwise.state.payers import WORDS, Payers
from switchwise.state.periods import LONGEST, Calendar, Every
from switchwise.state.spending import NOTHING, Amount, KeepsSpending, SpendingLimits, TableSpending, read_spending, used_by
from switchwise.state.store import Lender, Store, lender_of

_log = logging.getLogger("switchwise.budget")


@dataclass(frozen=True, slots=True)
class _Reservation:
    call: Call  # kept alive, so that its id stays unique
    key: Key
    tickets: tuple[Any, ...]  # one per time the call was sent
    bound: Amount


class Budget:
    """Require that the rest of the scope's budget can pay for the call.

    Guarantee: the calls of a scope (with `window`, of any stretch of that many seconds; with `period`, of any such period)
    together cost at most the limit, provided that each costs at most the bound reserved for it. This holds for any number of
    concurrent calls, and for any number of processes that share a store. The bound is the estimated prompt times `margin`, at
    its highest possible price, plus the longest answer: the request's limit, else the limit set in the target's client, else
    the model's maximum, but at most `output_allowance`. So the guarantee is strict where answers are capped; where they are
    not, a call may exceed the limit by the part of its answer beyond the allowance.

    Charged with their bound: an answer without usage, an abandoned call, a timeout, and every other call that the provider may bill. A call
    that fails with an error status or without a connection costs nothing. Questions to models are charged like other calls.

    Parameters:
        usd: limit in USD.
        tokens: limit in tokens, prompt and answer together. One limit or both.
        per: the scope that has the budget: `request` (with its fallbacks and judges), `session`, `agent`, `task`, `target`, `provider`,
            `account`, `all` (every call), or a label of the scope (`user`, `tenant`). Calls without the session or label share one budget, so
            it is never silently off; the first call without the label logs a warning to `switchwise.budget`.
        window: seconds after which spending no longer counts; None: it always counts.
        period: `day`, `week` or `month`: the limit starts again with each; None: no period. A call counts in the period in
            which it is reserved.
        zone: time zone of the period, as `Europe/Berlin`.
        soft: share of the limit above which cheaper targets come first; `pace`: while the share spent is larger than the share
            of the period that has passed. None: the budget has no preference.
        only: `fallbacks`: only calls after a failed call count and are limited, which caps the cost of fallbacks. `all`: every call.
        margin: factor on the estimate of the prompt.
        output_allowance: assumed longest answer in tokens where nothing caps it.
        size: most scopes remembered; the least recently used one is evicted first and later starts from zero. A scope with an
            open call is never evicted.
        store: where spending is kept. A shared one, or its address (`redis://localhost:6379/0`, the path of a SQLite file): all
            processes that use it share each limit. None: the router's store, else this process.

    Raises:
        ConfigurationError: no limit, a limit or window that is not positive, both window and period, an unknown zone, a margin or allowance
            that is not a number, per="step"; or, when the router is built, a limit in USD and a target without a price.

    >>> from switchwise import Pool, Price, Router, Scope, Target, View
    >>> opus, haiku = Target("opus", price=Price(4, 20)), Target("haiku", price=Price(0.1, 0.5))
    >>> router = Router(Pool([opus, haiku]), Budget(usd=0.10))
    >>> decision = router.decide(View(Scope("s1"), tokens=20_000))
    >>> decision.names
    ('haiku',)
    >>> print(decision.notes[0].because)
    session 's1' has spent $0.0000 of $0.10, open calls included; more than is left may be needed: opus $0.1699
    """

    name = "Budget"
    requires = True

    def __init__(
        self,
        usd: float | None = None,
        tokens: int | None = None,
        per: Level | str = "session",
        window: float | None = None,
        *,
        period: Every | None = None,
        zone: str = "UTC",
        soft: float | Literal["pace"] | None = None,
        only: Literal["all", "fallbacks"] = "all",
        margin: float = 1.1,
        output_allowance: int = 4096,
        size: int = 10_000,
        store: Store | Lender | str | None = None,
    ) -> None:
        if usd is None and tokens is None:
            raise ConfigurationError("Budget: give a limit, usd= or tokens=")
        for what, value in (("usd", usd), ("tokens", tokens), ("window", window)):
            if value is not None:
                number("Budget", what, value, above=True)
        if window is not None and period is not None:
            raise ConfigurationError(f"Budget(window={window!r}, period={period!r}): give one of them")
        if soft is not None and soft != "pace":
            number("Budget", "soft", soft, above=True, most=1.0)
        if soft == "pace" and period is None:
            raise ConfigurationError("Budget(soft='pace'): there is no period to spread the money over; give period=")
        one_of("Budget", "only", only, ("all", "fallbacks"))
        number("Budget", "margin", margin, above=True, most=100)
        whole("Budget", "output_allowance", output_allowance, least=0)
        whole("Budget", "size", size)
        self.usd = usd
        self.tokens = tokens
        self.payers = Payers("Budget", per)
        self.per = self.payers.per
        self.window = window
        self.calendar = Calendar(period, zone) if period is not None else None
        self.soft = soft
        self.only = only
        self.margin = margin
        self.output_allowance = output_allowance
        self.size = size
        self._lock = rlock()  # the garbage collector may close an abandoned stream in the middle, which settles it
        self._reserved: dict[int, _Reservation] = {}  # by id of the call
        self._alerts = Alerts(size)
        self._own_store = store is not None
        self._keep_in(opened(store) if isinstance(store, str) else store or InProcess())
        self._unsure = self.payers.is_label  # until it has warned of a call without the label

    def check(self, pool: Pool) -> None:
        """Check that every target has a price, where the limit is in USD."""
        unpriced = ", ".join(target.name for target in pool if target.price is None)
        if self.usd is not None and unpriced:
            message = f"Budget(usd={self.usd}): no price is known for {unpriced}"
            raise ConfigurationError(f"{message}; give Target(price=Price(...)), or limit tokens=")

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        if self.only == "fallbacks" and not _is_fallback(view):
            return shortlist
        by_target, left, eager = self.payers.by_target, (inf, inf), False
        key: Key = ()
        dear: dict[str, tuple[Key, tuple[float, float], Amount]] = {}
        for target in shortlist.targets:
            if by_target or not key:
                key = self._key(view, target)
                left = self._spending.left(key, view.now)
                eager = eager or (self.soft is not None and self._is_near(key, left, view.now))
            bound = self.bound(target, view)
            if bound[0] > left[0] or bound[1] > left[1]:
                dear[target.name] = key, left, bound
        if dear:
            because = self._explained(dear, view.now)
            if len(dear) == len(shortlist.targets):
                self._alerts.exhausted(key, self.payers.label(key), because, view, self._spending.trouble)
            shortlist = shortlist.require(lambda target: target.name not in dear, because, raises=BudgetExceeded)
        if not eager or len(shortlist.targets) < 2:
            return shortlist
        return shortlist.order(lambda target: self._dollars(target, view), f"{self._state(key, left, view.now)}: cheaper first")

    def _is_near(self, key: Key, left: tuple[float, float], now: float) -> bool:
        """Return whether spending is past `soft`, so that cheaper targets come first."""
        share = share_of(self._spending.limits(key, now), left)
        if self.calendar is not None and self.soft == "pace":
            return share > self.calendar.at(now + self._spending.skew).elapsed(now + self._spending.skew)
        return isinstance(self.soft, int | float) and share >= self.soft

    def _dollars(self, target: Target, view: View) -> float:
        """Upper bound of the cost of a call in USD; infinite without a price."""
        longest = longest_answer(target, view.needs.max_output, self.output_allowance)
        price = target.price_at(view.now, view.needs.tier)
        return inf if price is None else price.estimate(view.tokens, longest)

    def bound(self, target: Target, view: View, ask: Ask | None = None) -> Amount:
        """Upper bound of a call to `target`, in USD and tokens.

        Parameters:
            ask: questions sent in place of the request.
        """
        prompt, longest = most_tokens(target, view, ask, self.margin, self.output_allowance)
        if self.usd is None:
            return 0.0, prompt + longest
        if target.price is None:
            return inf, prompt + longest
        tier = (view.needs.tier if ask is None else "") or target.defaults.tier
        dearest = target.price.at(view.now, tier).tier(prompt).most(prompt, longest)
        if tier and tier != BATCH:  # the provider may still serve it at the standard tier
            dearest = max(dearest, target.price.at(view.now).tier(prompt).most(prompt, longest))
        return dearest, prompt + longest

    def reserve(self, call: Call) -> bool:
        """Reserve the bound of `call`; False if the budget can no longer pay for it."""
        if self.only == "fallbacks" and not _is_fallback(call.view):
            return True
        if self._unsure and not call.view.scope.label(self.per):
            self._unsure = False
            _log.warning(
                "Budget(per=%r): a call has no label %r. All such calls share one budget. If no label was meant: the other words are %s.",
                self.per,
                self.per,
                " and ".join((", ".join(WORDS[:-1]), WORDS[-1])),
            )
        key, bound = self._key(call.view, call.target), self.bound(call.target, call.view, call.ask)
        ticket = self._spending.reserve(key, bound, call.view.now)
        if (right := self._key(call.view, call.target)) != key:  # the store's clock became known, and is in another period
            if ticket is not None:
                self._spending.settle(key, ticket, NOTHING, call.view.now)
            key, ticket = right, self._spending.reserve(right, bound, call.view.now)
        if ticket is None:
            return False
        with self._lock:
            self._reserved[id(call)] = _Reservation(call, key, (ticket,), bound)
        return True

    def resend(self, call: Call) -> bool:
        """Reserve the bound of `call` once more: it is sent again, and the provider may bill both."""
        if (held := self._reserved.get(id(call))) is None:
            return True
        if (ticket := self._spending.reserve(held.key, held.bound, call.view.now)) is None:
            return False
        with self._lock:
            self._reserved[id(call)] = replace(held, tickets=(ticket, *held.tickets))
        return True

    def release(self, call: Call) -> None:
        """Cancel the reservation of `call`."""
        self._settle(call, NOTHING, call.view.now)

    def learn(self, attempt: Attempt) -> None:
        """Settle the reservation: charge the usage of the call, or its bound where the usage is unknown."""
        if self.only == "fallbacks" and not _is_fallback(attempt.call.view):
            return
        self._settle(attempt.call, used_by(attempt, self.usd is not None), attempt.ended)

    def _settle(self, call: Call, used: Amount | None, now: float) -> None:
        """End the reservation of `call`, if there is one, and charge `used` (None: the bound)."""
        with self._lock:
            held = self._reserved.pop(id(call), None)
        if used is None:
            usd, tokens = held.bound if held is not None else self.bound(call.target, call.view, call.ask)
            used = (self.usd or 0.0) if usd == inf else usd, tokens
        if held is None:
            self._spending.settle(self._key(call.view, call.target), None, used, now)
            return
        last, *others = held.tickets
        for ticket, amount in (*((other, held.bound) for other in others), (last, used)):
            self._spending.settle(held.key, ticket, amount, now)
        if not self._shared:
            self._alerts.look(held.key, self.payers.label(held.key), self._spending, now)
        if self._alerts.channel.heard and self.payers.few:
            self._charged(held.key, call, now)

    def _charged(self, key: Key, call: Call, now: float) -> None:
        every = self.calendar.every if self.calendar is not None else f"{self.window:g} s" if self.window is not None else ""
        name = " ".join(filter(None, (self.per, *key[: self.payers.parts], f"per {every}" if every else "")))
        limits, left = SpendingLimits(self.usd, self.tokens), self._spending.left(key, now)
        self._alerts.charged(name, limits, left, now, call.view.decision)

    @property
    def refusal(self) -> str:
        """Why `reserve` refuses, where it is not for lack of money; else empty."""
        return self._spending.refused and f"the store of its budget {self._spending.refused}"

    def spent(self, view: View, target: Target | None = None) -> Amount:
        """Spending of this request's scope in USD and tokens, open calls included; per target, provider or account it needs `target`."""
        return self._spending.spent(self._key(view, target or _ANY), view.now)

    def override(
        self, view: View, until: float, *, usd: float | None = None, tokens: int | None = None, by: str, because: str
    ) -> None:
        """Replace the limit of the scope of `view` for a time, in each period until then; a line of JSON in the log `switchwise.audit`.

        Parameters:
            view: a request of the scope, such as `View(Scope(labels={"user": "ada"}), now=time.time())`; its time selects the first period.
            until: seconds since the epoch.
            usd, tokens: the limits until then; None: unchanged. 0: nothing may be spent.
            by, because: the person who decided it and the reason, for the log.

        Raises:
            ConfigurationError: the budget is per target, provider, account or request, or has no such limit; or `until` is too far away.
            LostStore: the shared store does not respond.
        """
        if self.payers.by_target or self.per == "request":
            raise ConfigurationError(f"Budget(per={self.per!r}).override: give the budget another limit instead")
        limits = overridden(SpendingLimits(self.usd, self.tokens), SpendingLimits(usd, tokens), view.now, until)
        key, now = self.payers.key(view, _ANY), view.now + self._spending.skew
        for period in [()] if self.calendar is None else self.calendar.names(now, until + self._spending.skew):
            self._spending.override((*key, *period), limits, until)
        audit_override(self.payers.label(key), SpendingLimits(usd, tokens), until, by, because)

    def report_to(self, hear: Callable[[Event], object]) -> None:
        """Call `hear` with every event of this budget: 50, 80, 95 and 100 % spent, and budget exhausted."""
        self._alerts.channel.add(hear)

    def dump(self) -> Mapping[str, Any]:
        """Spending as JSON data; open calls count with their bound. Data in a shared store is not included."""
        return {"accounts": self._spending.rows()}

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Raise `ConfigurationError` if `state` is not a result of `dump`."""
        self._read(state)

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`; it replaces the entries of the same scopes. Open calls stay open.

        Raises:
            ConfigurationError: `state` is not a result of `dump`; nothing is restored.
        """
        self._spending.take(self._read(state))

    def _read(self, state: Any) -> list[tuple[Key, list[Any]]]:
        meaning = "a scope's key with its spending by piece of the window: whole number, USD, tokens"
        parts = self.payers.parts + (self.calendar is not None)
        return table_rows(state, "accounts", "state of Budget", parts, read_spending, meaning)

    def use_store(self, store: Store) -> None:
        """Keep spending in `store`, unless the constructor got a store."""
        if not self._own_store:
            self._own_store = True
            self._keep_in(store)

    def _keep_in(self, store: Store | Lender) -> None:
        limits, per = SpendingLimits(self.usd, self.tokens), self.per
        units = [name for name, limit in zip(limits._fields, limits, strict=True) if limit is not None]
        every = [f"{self.window:g}"] if self.window is not None else [self.calendar.every] if self.calendar is not None else []
        lender = lender_of(store) if per != "request" else None
        self._shared = lender is not None
        self._spending: KeepsSpending
        if lender is None:
            home: Any = InProcess() if per == "request" else store
            self._spending = TableSpending(home, ":".join(["Budget", per, *units, *every]), self.size, limits, self.window)
        else:
            from switchwise.state.shared.spending import LeasedSpending

            longest = 0.0 if self.calendar is None else LONGEST[self.calendar.every]
            name = ":".join(["Budget", per, *every])
            leased = LeasedSpending(lender, name, limits, self.window, longest, self.payers.few)
            leased.watch(lambda scope, step: self._alerts.heard(self.payers.label(scope), step))
            self._spending = leased
        self.table = self._spending.table

    def _key(self, view: View, target: Target) -> Key:
        key = self.payers.key(view, target)
        return key if self.calendar is None else (*key, self.calendar.at(view.now + self._spending.skew).name)

    def _explained(self, dear: Mapping[str, tuple[Key, tuple[float, float], Amount]], now: float) -> str:
        reasons: dict[Key, list[str]] = {}
        for name, (key, left, bound) in dear.items():
            costs = reasons.setdefault(key, [f"{self._state(key, left, now)}; more than is left may be needed: "])
            costs.append(f"{name} {amount_in_words(bound, self.usd is not None, self.tokens is not None)}")
        return "; ".join(f"{who}{', '.join(costs)}" for who, *costs in reasons.values())

    def _state(self, key: Key, left: tuple[float, float], now: float) -> str:
        limits, trouble = self._spending.limits(key, now), self._spending.trouble
        if trouble and share_of(limits, left):  # what is left is not known
            return f"{self.payers.label(key)}: the store of its budget {trouble}"
        when = f" in {key[-1]}" if self.calendar is not None else ""
        have = "have" if self.per == "all" else "has"
        return f"{self.payers.label(key)} {have} spent {spent_in_words(limits, left)}{when}, open calls included"

    @staticmethod
    def _examples() -> list[Budget]:
        return [
            Budget(usd=0.25),
            Budget(tokens=50_000, per="user"),
            Budget(usd=1.0, tokens=10**6, per="all", window=60.0),
            Budget(usd=1.0, per="target", period="day"),
        ]


_ANY = Target("any")


def _is_fallback(view: View) -> bool:
    return any(attempt.error is not None for attempt in view.attempts)
