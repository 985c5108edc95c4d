"""Spend no more than a limit per session, agent, task, user, tenant or process.

Use it wherever somebody pays: an agent that loops is the usual way to lose money. It rules out what is no longer
affordable, so a budget that runs low first rules out the dear targets and leaves the cheap ones. Not for rate limits of
a provider (see `Healthy`) nor for telling what was spent (see `switchwise.observe.journal`).

Source: reservation before use, as for stock and seats: the upper bound of each call is set aside under a lock before it
is made, and settled when its usage is known. See docs/reference/policies.md for what that guarantees.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from math import ceil, floor, inf
from typing import Any

from switchwise.nouns.call import Attempt, Call
from switchwise.nouns.errors import BudgetExceeded, ConfigurationError, FailureKind
from switchwise.nouns.exchange.ask import Ask
from switchwise.nouns.scope import Key, Level
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.validation import number, whole
from switchwise.nouns.view import View
from switchwise.protocols.ask_text import bytes_of
from switchwise.state.codec import table_rows
from switchwise.state.in_process import InProcess
from switchwise.state.spending import NOTHING, Account, Amount, added, read_spending, total
from switchwise.state.store import Store, Table

_log = logging.getLogger("switchwise.budget")

BUCKETS = 12  # pieces of a window: what was spent drops out of it piece by piece
BYTES_PER_TOKEN = 2  # a lower bound in practice (English has about 4, hexadecimal digits about 2)
# Failures that a provider reports before it starts to answer: nothing is billed.
_UNBILLED = frozenset(FailureKind) - {FailureKind.TIMEOUT, FailureKind.REFUSED}

_MEANT = (
    "Budget(per={0!r}): a call has no label {0!r}. All such calls share one budget. If no label was meant: the other words are "
    "session, agent, task and process."
)


@dataclass(frozen=True, slots=True)
class _Reservation:
    call: Call  # held, so that its id stays its own
    key: Key
    name: str


class Budget:
    """Require that a call can be paid from what is left of the budget of its scope.

    Guaranteed: in no scope, and with `window` in no stretch of that many seconds, do the calls that were made cost
    more than the limit together, however many of them run at the same time, as long as each costs at most the bound
    that was set aside for it. The bound is the estimated prompt with `margin`, at the dearest price that it can have,
    plus the longest answer: the one that the request allows, or else the model's longest, but at most
    `output_allowance`. So the guarantee is strict where requests cap their answers; where they do not, a call may
    exceed the limit by what its answer takes beyond the allowance.

    An answer whose usage is not known, an abandoned call, a timeout and a reply that broke off are charged with their
    bound. A failure before the answer began costs nothing. What verifiers and policies ask models is charged like any
    other call.

    Parameters:
        usd: limit in USD.
        tokens: limit in tokens, prompt and answer together. One limit or both.
        per: whose budget: `session`, `agent`, `task`, `process` (all calls together); any other word is a label of the
            scope (`user`, `tenant`). Calls that lack the session or label share one budget: it is never silently off. The
            log `switchwise.budget` tells of the first call that lacks the label, in case the word was meant otherwise.
        window: seconds after which what was spent no longer counts; None: never.
        margin: factor on the estimate of the prompt.
        output_allowance: longest answer in tokens that is reckoned with where the request does not cap it.
        size: how many scopes are remembered; the least recently used one is forgotten first, and then starts from zero. One with an open
            call is not forgotten.
        store: where spending is kept; None: in this process, or in the store of the router.

    Raises:
        ConfigurationError: no limit, a limit or window that is not positive, a margin or allowance that is no number,
            per="step"; or, when the router is built,
            a limit in USD and a target without a price.

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
        margin: float = 1.1,
        output_allowance: int = 4096,
        size: int = 10_000,
        store: Store | None = None,
    ) -> None:
        if usd is None and tokens is None:
            raise ConfigurationError("Budget: give a limit, usd= or tokens=")
        for what, value in (("usd", usd), ("tokens", tokens), ("window", window)):
            if value is not None:
                number("Budget", what, value, above=True)
        number("Budget", "margin", margin, above=True, most=100)
        whole("Budget", "output_allowance", output_allowance, least=0)
        whole("Budget", "size", size)
        if not isinstance(per, str | Level) or not per:
            raise ConfigurationError(f"Budget(per={per!r}): give session, agent, task, process or a label")
        self.usd = usd
        self.tokens = tokens
        self.per = per.name.lower() if isinstance(per, Level) else per
        self.level = Level[self.per.upper()] if self.per.upper() in Level.__members__ else None
        if self.level is Level.STEP:
            raise ConfigurationError("Budget(per='step'): a step has no budget; use session, agent, task, process or a label")
        self.window = window
        self.margin = margin
        self.output_allowance = output_allowance
        self.size = size
        self._lock = threading.RLock()  # the garbage collector may close an abandoned stream in the middle, which settles it
        self._reserved: dict[int, _Reservation] = {}  # by id of the call
        self._busy: dict[Key, tuple[int, Account]] = {}  # accounts with open calls of ours: how many, and as we last saw them
        self._origin, self._numbers = secrets.token_hex(4), count()
        self._store = store
        self.table = self._table(store or InProcess())
        self._unsure = self.level is None and self.per != "process"  # until it has told of a call without the label

    def check(self, pool: Pool) -> None:
        """A limit in USD needs the price of every target."""
        unpriced = ", ".join(target.name for target in pool if target.price is None)
        if self.usd is not None and unpriced:
            remedy = "give Target(price=Price(...)), or limit tokens="
            raise ConfigurationError(f"Budget(usd={self.usd}): no price is known for {unpriced}; {remedy}")

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        usd, tokens = self._left(self._account(self._key(view)), view.now)
        dear = []
        for target in shortlist.targets:
            bound = self.bound(target, view)
            if bound[0] > usd or bound[1] > tokens:
                dear.append((target.name, bound))
        if not dear:
            return shortlist
        names = {name for name, _ in dear}
        costs = ", ".join(f"{name} {self._amount(bound)}" for name, bound in dear)
        because = f"{self._told(view, usd, tokens)}; more than is left may be needed: {costs}"
        return shortlist.require(lambda target: target.name not in names, because, raises=BudgetExceeded)

    def bound(self, target: Target, view: View, ask: Ask | None = None) -> Amount:
        """The most that a call to `target` can use up, in USD and tokens.

        Parameters:
            ask: questions that are sent in place of the request.
        """
        if ask is None:
            prompt, longest = ceil(view.tokens * self.margin), view.needs.max_output
        else:
            prompt, longest = ceil(bytes_of(ask, view.seed) / BYTES_PER_TOKEN), None
        if longest is None:
            longest = min(target.can.max_output or self.output_allowance, self.output_allowance)
        if self.usd is None:
            return 0.0, prompt + longest
        if target.price is None:
            return inf, prompt + longest
        price = target.price.at(view.now).tier(prompt)
        dearest = max(price.input, price.cache_write or 0.0, price.cache_write_1h or 0.0)
        return (prompt * dearest + longest * price.output) * 1e-6, prompt + longest

    def reserve(self, call: Call) -> bool:
        """Set aside the bound of `call`; False: it is no longer affordable."""
        key, now = self._key(call.view), call.view.now
        if self._unsure and self.per not in call.view.scope.labels:
            self._unsure = False
            _log.warning("%s", _MEANT.format(self.per))
        bound = self.bound(call.target, call.view, call.ask)
        name, piece, granted = f"{self._origin}-{next(self._numbers)}", self._piece(now), False

        def opened(account: Account | None) -> Account | None:
            nonlocal granted
            account = self._known(account, key)
            usd, tokens = self._left(account, now)
            granted = bound[0] <= usd and bound[1] <= tokens
            if not granted:
                return account
            spent, pending = (account["spent"], account["open"]) if account is not None else ([], {})
            return {"spent": spent, "open": {**pending, name: [piece, *bound]}}

        with self._lock:
            account = self.table.update(key, opened)
            if granted:
                self._reserved[id(call)] = _Reservation(call, key, name)
                self._busy[key] = (self._busy[key][0] + 1 if key in self._busy else 1, account)
        return granted

    def release(self, call: Call) -> None:
        """Take back the reservation for `call`."""
        self._settle(call, lambda _: NOTHING, call.view.now)

    def learn(self, attempt: Attempt) -> None:
        """Settle the reservation: charge what the call used, or its bound where that is not known."""
        used = self._used(attempt)

        def charge(bound: Amount | None) -> Amount:
            if used is not None:
                return used
            usd, tokens = bound or self.bound(attempt.target, attempt.call.view, attempt.call.ask)
            return (self.usd or 0.0) if usd == inf else usd, tokens

        self._settle(attempt.call, charge, attempt.ended)

    def _settle(self, call: Call, charge: Callable[[Amount | None], Amount], now: float) -> None:
        """End the reservation for `call`, if there is one.

        Parameters:
            charge: what was reserved (None: nothing) -> what is charged.
        """
        with self._lock:
            reservation = self._reserved.pop(id(call), None)
            key = reservation.key if reservation is not None else self._key(call.view)

            def settled(account: Account | None) -> Account | None:
                account = self._known(account, key) or {"spent": [], "open": {}}
                pending = dict(account["open"])
                bound = pending.pop(reservation.name, None) if reservation is not None else None
                amount = charge((bound[1], bound[2]) if bound is not None else None)
                spent = account["spent"] if amount == NOTHING else self._charged(account["spent"], amount, now)
                return {"spent": spent, "open": pending} if spent or pending else None

            account = self.table.update(key, settled)
            if reservation is not None:
                calls = self._busy[key][0] - 1
                if calls and account is not None:
                    self._busy[key] = (calls, account)
                else:
                    del self._busy[key]

    def spent(self, view: View) -> Amount:
        """What counts against the budget of this request's scope: USD and tokens, open calls included."""
        return total(self._account(self._key(view)), self._oldest(view.now))

    def dump(self) -> Mapping[str, Any]:
        """What was spent; open calls count as spent, with their bound."""
        with self._lock:
            accounts = {**{key: account for key, (_, account) in self._busy.items()}, **dict(self.table.items())}
        rows = []
        for key, account in accounts.items():
            spent = account["spent"]
            for piece, usd, tokens in account["open"].values():
                spent = added(spent, piece, (usd, tokens))
            rows.append([list(key), [[*row] for row in spent]])
        return {"accounts": rows}

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Raise `ConfigurationError` if it is not what `dump` gives."""
        self._read(state)

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `dump` gave, in place of what was known of the same scopes; open calls stay open.

        Raises:
            ConfigurationError: it is something else; nothing is taken over.
        """
        loaded = self._read(state)
        with self._lock:
            for key, spent in loaded:
                self._put_spent(key, spent)

    def _put_spent(self, key: Key, spent: list[Any]) -> None:
        def replaced(account: Account | None) -> Account:
            known = self._known(account, key)
            return {"spent": spent, "open": known["open"] if known is not None else {}}

        account = self.table.update(key, replaced)
        if key in self._busy:
            self._busy[key] = (self._busy[key][0], account)

    def _read(self, state: Any) -> list[tuple[Key, list[Any]]]:
        parts = self.level + 1 if self.level is not None else 1 if self.per == "process" else 2
        meaning = "a scope's key with its spending by piece of the window: whole number, USD, tokens"
        return table_rows(state, "accounts", "state of Budget", parts, read_spending, meaning)

    def use_store(self, store: Store) -> None:
        """Keep spending in `store`, unless it was given one."""
        if self._store is None:
            self._store, self.table = store, self._table(store)

    def _table(self, store: Store) -> Table:
        limits = [name for name, limit in (("usd", self.usd), ("tokens", self.tokens)) if limit is not None]
        window = [] if self.window is None else [f"{self.window:g}"]
        return store.table(":".join(["Budget", self.per, *limits, *window]), self.size)

    def _used(self, attempt: Attempt) -> Amount | None:
        """What the call used; None: not known."""
        if attempt.reply is not None and attempt.reply.usage is not None:
            usage, price = attempt.reply.usage, attempt.target.price
            tokens = usage.input_tokens + usage.output_tokens
            if self.usd is None:
                return 0.0, tokens
            cost = attempt.cost if attempt.cost is not None or price is None else price.cost(usage)
            return None if cost is None else (cost, tokens)
        if attempt.error is not None and attempt.kind in _UNBILLED and not attempt.error.partial:
            return NOTHING
        return None

    def _account(self, key: Key) -> Account | None:
        return self._known(self.table.get(key), key)

    def _known(self, account: Account | None, key: Key) -> Account | None:
        """The account as the store has it; one that was forgotten there while a call of ours is open, as it was seen last."""
        if account is None and key in self._busy:
            return self._busy[key][1]
        return account

    def _charged(self, spent: list[Any], amount: Amount, now: float) -> list[Any]:
        """The spending with `amount` added, without what has dropped out of the window."""
        oldest = self._oldest(now)
        return added([row for row in spent if row[0] >= oldest], self._piece(now), amount)

    def _left(self, account: Account | None, now: float) -> tuple[float, float]:
        usd, tokens = total(account, self._oldest(now))
        return inf if self.usd is None else self.usd - usd, inf if self.tokens is None else self.tokens - tokens

    def _piece(self, now: float) -> int:
        return 0 if self.window is None else floor(now / self.window * BUCKETS)

    def _oldest(self, now: float) -> int:
        """The oldest piece that reaches into the window that ends now."""
        return 0 if self.window is None else self._piece(now) - BUCKETS

    def _key(self, view: View) -> Key:
        if self.level is not None:
            return view.scope.key(self.level)
        return ("",) if self.per == "process" else (view.scope.tenant, view.scope.label(self.per))

    def _told(self, view: View, usd: float, tokens: float) -> str:
        tenant, *parts = self._key(view)
        who = self.per if not parts else f"{self.per} {' / '.join(map(repr, parts))}"
        if tenant:
            who = f"{who} of tenant {tenant!r}"
        left = []
        if self.usd is not None:
            left.append(f"${self.usd - usd:.4f} of ${self.usd:.2f}")
        if self.tokens is not None:
            left.append(f"{self.tokens - tokens:,.0f} of {self.tokens:,} tokens")
        return f"{who} has spent {' and '.join(left)}, open calls included"

    def _amount(self, bound: Amount) -> str:
        usd = [] if self.usd is None else ["an unknown price" if bound[0] == inf else f"${bound[0]:.4f}"]
        return " and ".join([*usd, *([] if self.tokens is None else [f"{bound[1]:,} tokens"])])

    @staticmethod
    def _examples() -> list[Budget]:
        return [Budget(usd=0.25), Budget(tokens=50_000, per="user"), Budget(usd=1.0, tokens=10**6, per="process", window=60.0)]
