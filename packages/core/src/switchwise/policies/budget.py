"""Spend no more than a limit per session, agent, task, user, tenant or process.

Use it wherever somebody pays: an agent that loops is the usual way to lose money. It rules out what is no longer
affordable, so a budget that runs low first rules out the dear targets and leaves the cheap ones. Not for rate limits of
a provider (see `Healthy`) nor for telling what was spent (see `switchwise.observe.journal`).

Source: reservation before use, as for stock and seats: the upper bound of each call is set aside under a lock before it
is made, and settled when its usage is known. See docs/policies.md for what that guarantees.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
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

_log = logging.getLogger("switchwise.budget")

BUCKETS = 12  # pieces of a window: what was spent drops out of it piece by piece
BYTES_PER_TOKEN = 2  # a lower bound in practice (English has about 4, hexadecimal digits about 2)
# Failures that a provider reports before it starts to answer: nothing is billed.
_UNBILLED = frozenset(FailureKind) - {FailureKind.TIMEOUT, FailureKind.REFUSED}

_MEANT = (
    "Budget(per={0!r}): a call has no label {0!r}. All such calls share one budget. If no label was meant: the other words are "
    "session, agent, task and process."
)

_Amount = tuple[float, int]  # USD, tokens
_NOTHING: _Amount = (0.0, 0)


@dataclass(slots=True)
class _Account:
    """What one scope has spent, by piece of the window, and what its open calls, by their id, may still spend."""

    spent: dict[int, _Amount] = field(default_factory=dict)
    open: dict[int, _Amount] = field(default_factory=dict)
    newest: int = 0

    def total(self, since: int) -> _Amount:
        usd, tokens = 0.0, 0
        for piece, amount in self.spent.items():
            if piece >= since:
                usd, tokens = usd + amount[0], tokens + amount[1]
        return usd, tokens

    def pending(self) -> _Amount:
        return sum(amount[0] for amount in self.open.values()), sum(amount[1] for amount in self.open.values())

    def charge(self, piece: int, since: int, amount: _Amount) -> None:
        for old in [old for old in self.spent if old < since]:
            del self.spent[old]
        usd, tokens = self.spent.get(piece, _NOTHING)
        self.spent[piece] = usd + amount[0], tokens + amount[1]


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
        size: how many scopes are remembered; the least recently used one is forgotten first, and would begin anew.

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
        self._accounts: OrderedDict[Key, _Account] = OrderedDict()
        self._reserved: dict[int, tuple[Call, _Account]] = {}  # holds the call, so that its id stays its own
        self._unsure = self.level is None and self.per != "process"  # until it has told of a call without the label

    def check(self, pool: Pool) -> None:
        """A limit in USD needs the price of every target."""
        unpriced = ", ".join(target.name for target in pool if target.price is None)
        if self.usd is not None and unpriced:
            remedy = "give Target(price=Price(...)), or limit tokens="
            raise ConfigurationError(f"Budget(usd={self.usd}): no price is known for {unpriced}; {remedy}")

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        with self._lock:
            usd, tokens = self._left(self._accounts.get(self._key(view)), view.now)
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

    def bound(self, target: Target, view: View, ask: Ask | None = None) -> _Amount:
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
        with self._lock:
            account = self._accounts.get(key)
            usd, tokens = self._left(account, now)
            if bound[0] > usd or bound[1] > tokens:
                return False
            account = self._account(key)
            account.open[id(call)] = bound
            account.newest = self._piece(now)
            self._reserved[id(call)] = (call, account)
            return True

    def release(self, call: Call) -> None:
        """Take back the reservation for `call`."""
        with self._lock:
            reservation = self._reserved.pop(id(call), None)
            if reservation is not None:
                reservation[1].open.pop(id(call), None)

    def learn(self, attempt: Attempt) -> None:
        """Settle the reservation: charge what the call used, or its bound where that is not known."""
        call = attempt.call
        used = self._used(attempt)
        with self._lock:
            reservation = self._reserved.pop(id(call), None)
            account = reservation[1] if reservation is not None else self._account(self._key(call.view))
            bound = account.open.pop(id(call), None)
            if used is None:
                used = bound if bound is not None else self.bound(attempt.target, call.view, call.ask)
            if used != _NOTHING:
                account.charge(self._piece(attempt.ended), self._oldest(attempt.ended), used)

    def spent(self, view: View) -> _Amount:
        """What counts against the budget of this request's scope: USD and tokens, open calls included."""
        with self._lock:
            account = self._accounts.get(self._key(view))
            if account is None:
                return _NOTHING
            total, pending = account.total(self._oldest(view.now)), account.pending()
            return total[0] + pending[0], total[1] + pending[1]

    def dump(self) -> Mapping[str, Any]:
        """What was spent; open calls count as spent, with their bound."""
        with self._lock:
            rows = []
            for key, account in self._accounts.items():
                spent = dict(account.spent)
                pending = account.pending()
                if pending != _NOTHING:
                    usd, tokens = spent.get(account.newest, _NOTHING)
                    spent[account.newest] = usd + pending[0], tokens + pending[1]
                rows.append([list(key), [[piece, *amount] for piece, amount in spent.items()]])
            return {"accounts": rows}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `dump` gave, in place of what was known of the same scopes."""
        with self._lock:
            for key, spent in state["accounts"]:
                self._account(tuple(key)).spent = {piece: (usd, tokens) for piece, usd, tokens in spent}

    def _used(self, attempt: Attempt) -> _Amount | None:
        """What the call used; None: not known."""
        if attempt.reply is not None and attempt.reply.usage is not None:
            usage, price = attempt.reply.usage, attempt.target.price
            tokens = usage.input_tokens + usage.output_tokens
            if self.usd is None:
                return 0.0, tokens
            cost = attempt.cost if attempt.cost is not None or price is None else price.cost(usage)
            return None if cost is None else (cost, tokens)
        if attempt.error is not None and attempt.kind in _UNBILLED and not attempt.error.partial:
            return _NOTHING
        return None

    def _account(self, key: Key) -> _Account:
        """The account of a scope, now the most recently used."""
        account = self._accounts.setdefault(key, _Account())
        self._accounts.move_to_end(key)
        if len(self._accounts) > self.size:
            idle = next((old for old, other in self._accounts.items() if not other.open and old != key), None)
            if idle is not None:
                del self._accounts[idle]
        return account

    def _left(self, account: _Account | None, now: float) -> tuple[float, float]:
        spent, pending = (account.total(self._oldest(now)), account.pending()) if account else (_NOTHING, _NOTHING)
        usd = inf if self.usd is None else self.usd - spent[0] - pending[0]
        return usd, inf if self.tokens is None else self.tokens - spent[1] - pending[1]

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

    def _amount(self, bound: _Amount) -> str:
        usd = [] if self.usd is None else ["an unknown price" if bound[0] == inf else f"${bound[0]:.4f}"]
        return " and ".join([*usd, *([] if self.tokens is None else [f"{bound[1]:,} tokens"])])

    @staticmethod
    def _examples() -> list[Budget]:
        return [Budget(usd=0.25), Budget(tokens=50_000, per="user"), Budget(usd=1.0, tokens=10**6, per="process", window=60.0)]
