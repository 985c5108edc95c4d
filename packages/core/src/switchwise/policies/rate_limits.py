"""Limit requests and tokens per minute, and calls in flight, per target, account, tenant, user or in total.

Use it for your own limits: a share of an account's quota, fairness among tenants, a small server. A target at its limit is
ruled out until the window moves on; with `wait`, a call without another target waits in a queue. Not for limits that the
provider reports (`Headroom` uses its headers, `Healthy` pauses after a 429), not for money (`Budget`). `in_flight` is exact and
strict; `Cap` gives way if no other target is left, and is half a second late across processes.

Source: sliding windows with reservation; across processes leased permits, which count at the latest moment of their possible
use.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from switchwise.nouns.call import Attempt, Call
from switchwise.nouns.errors import ConfigurationError, NoTarget
from switchwise.nouns.scope import Key, Level
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.validation import number, whole
from switchwise.nouns.view import View
from switchwise.protocols.most_tokens import most_tokens
from switchwise.state.in_process import InProcess
from switchwise.state.load import LONGEST
from switchwise.state.opening import opened
from switchwise.state.payers import Payers
from switchwise.state.spending import NOTHING, Amount, KeepsSpending, SpendingLimits, TableSpending
from switchwise.state.store import Lender, Store, lender_of

_SLOT: Final[Amount] = (1.0, 0)
_LOOK: Final = 0.25  # seconds between two checks of the first eight in the queue; the others check less often
_SHORTEST: Final = 1e-3  # a remaining wait shorter than this counts as over


@dataclass(frozen=True, slots=True)
class _Counted:
    call: Call  # kept alive, so that its id stays unique
    key: Key
    tickets: list[Any]  # one per time the call was sent
    bound: Amount
    slot: Any


@dataclass(frozen=True, slots=True)
class _Place:
    key: Key
    tokens: int
    since: float
    until: float


class RateLimits:
    """Require that a call fits into the limits of its scope.

    Guarantee: any stretch of `window` seconds has at most `requests` calls begun and `tokens` used, and at most `in_flight`
    calls are under way at any moment, for any number of processes that share a store. A call counts with its upper bound of
    tokens when it is made, and with its usage after it ends.

    Parameters:
        requests: most calls in a window; None: no limit.
        tokens: most tokens in a window, prompt and answer together; None: no limit. Give at least one limit.
        per: `target`, `provider`, `account`, `session`, `agent`, `task`, `all`, or a label of the scope (`tenant`, `user`).
        window: length of the window in seconds.
        in_flight: most calls under way at once; None: no limit. The share of a killed process is released after a quarter of an
            hour.
        only: target or role to which the limits apply, such as a subscription with a quota; empty: all targets.
        margin: factor on the estimate of the prompt.
        output_allowance: assumed longest answer in tokens where nothing caps it.
        wait: longest wait of a call for room in seconds, within the deadline of its scope; first come, first served in each
            process. Calls at the front of the queue check four times a second, the others less often. None: no waiting.
            Questions of policies and verifiers never wait.
        queue: most calls waiting at one limit in this process; further calls do not wait.
        elsewhere: True: a call waits only if no other target is left; False: it waits for its preferred target.
        size: most scopes remembered in this process.
        store: a shared store, or its address: all processes that use it share each limit. None: the router's store, else this
            process.

    Raises:
        ConfigurationError: no limit, or one that is not positive; per="request" or "step"; elsewhere=False without `wait`.

    >>> from switchwise import Pool, Router, Target, View, drive
    >>> from switchwise.testing import Clock, Script
    >>> clock = Clock()
    >>> router = Router(Pool([Target("own"), Target("cloud")]), RateLimits(requests=1, per="target"), clock=clock)
    >>> _ = list(drive(router.start(View()), Script(otherwise="yes").perform))
    >>> router.decide(View()).names, router.decide(View()).notes[0].because
    (('cloud',), "target 'own': 1 of 1 requests in 60 s")
    >>> clock.advance(66)
    >>> router.decide(View()).names
    ('own', 'cloud')
    """

    name = "RateLimits"
    requires = True
    momentary = True
    raises = NoTarget

    def __init__(
        self,
        requests: int | None = None,
        tokens: int | None = None,
        per: Level | str = "target",
        window: float = 60.0,
        *,
        in_flight: int | None = None,
        only: str = "",
        margin: float = 1.1,
        output_allowance: int = 4096,
        wait: float | None = None,
        queue: int = 100,
        elsewhere: bool = True,
        size: int = 10_000,
        store: Store | Lender | str | None = None,
    ) -> None:
        if requests is None and tokens is None and in_flight is None:
            raise ConfigurationError("RateLimits: give a limit, requests=, tokens= or in_flight=")
        for what, limit in (("requests", requests), ("tokens", tokens), ("in_flight", in_flight)):
            if limit is not None:
                whole("RateLimits", what, limit)
        number("RateLimits", "window", window, above=True, most=1e7)
        number("RateLimits", "margin", margin, above=True, most=100)
        whole("RateLimits", "output_allowance", output_allowance, least=0)
        whole("RateLimits", "size", size)
        whole("RateLimits", "queue", queue)
        if wait is not None:
            number("RateLimits", "wait", wait, above=True, most=1e7)
        if not isinstance(elsewhere, bool) or (wait is None and not elsewhere):
            raise ConfigurationError(
                f"RateLimits(elsewhere={elsewhere!r:.80}): give True; or False with the seconds to wait, wait=30"
            )
        self.payers = Payers("RateLimits", per)
        if self.payers.per == "request":
            raise ConfigurationError(
                "RateLimits(per='request'): one request is not a rate; use target, session, all or a label"
            )
        self.requests, self.tokens, self.per, self.window = requests, tokens, self.payers.per, window
        self.in_flight = in_flight
        if not isinstance(only, str):
            raise ConfigurationError(f"RateLimits(only={only!r:.80}): give the name of a target or a role")
        self.only, self.margin, self.output_allowance, self.size = only, margin, output_allowance, size
        self._limits = SpendingLimits(None if requests is None else float(requests), tokens)  # a request is as a dollar
        self._lock = threading.RLock()  # the garbage collector may close an abandoned stream in the middle, which settles it
        self._open: dict[int, _Counted] = {}  # by id of the call
        self.wait, self.queue, self.elsewhere = wait, queue, elsewhere
        self.gives_way = wait is not None  # when asked again, it rules full targets out or reports that the call can wait
        self._places: dict[str, _Place] = {}  # by decision
        self._queues: dict[Key, dict[str, _Place]] = {}  # the same, in the order in which they came
        self._own_store = store is not None
        self._keep_in(opened(store) if isinstance(store, str) else store or InProcess())

    def check(self, pool: Pool) -> None:
        """Check that `only` is a target or role of the pool."""
        if self.only:
            pool.select(self.only)

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        full: dict[str, str] = {}
        waits: dict[str, float] = {}  # full targets for which the call can wait, by length of their queue
        place = self._places.get(view.decision)
        limited = shortlist.pool.select(self.only) if self.only else None
        for target in shortlist.targets:
            if limited is not None and target.name not in limited:
                continue
            key = self.payers.key(view, target)
            bound, ahead = self._bound(target, view), self._ahead(key, view) if self._queues else (0, 0)
            if (because := self._full(key, bound, ahead, view.now)) is None:
                continue
            full[target.name], calls = because, ahead[0]
            if calls:
                full[target.name] += f", {calls:,} waiting"
            if self._until(key, bound, view) is not None:
                waits[target.name] = 1.0 + calls + (0.0 if place is not None and place.key == key else 0.5)
            elif place is not None:
                full[target.name] += f", after {view.now - place.since:.1f} s of waiting"
        if place is not None and len(full) < len(shortlist.targets):
            shortlist = shortlist.remark(f"it waited {view.now - place.since:.1f} s for {self.payers.label(place.key)}")
        if not full:
            return shortlist
        out = {name: because for name, because in full.items() if name not in waits}
        if out:
            shortlist = shortlist.require(lambda target: target.name not in out, "; ".join(dict.fromkeys(out.values())))
        if not waits or not self.elsewhere:
            return shortlist
        because = "; ".join(dict.fromkeys(full[name] for name in waits))
        return shortlist.avoid(lambda target: waits.get(target.name, 0.0), f"{because}; a call may wait {self.wait:g} s")

    def reserve(self, call: Call) -> bool:
        """Count `call`; False if the limit is reached by now or the rest belongs to calls in the queue."""
        if self.only and call.target.name not in call.shortlist.pool.select(self.only):
            return True
        key, bound = self.payers.key(call.view, call.target), self._bound(call.target, call.view, call)
        if self.wait is None:
            return self._reserve(call, key, bound)
        with self._turn:
            ahead = self._ahead(key, call.view)
            if ahead[0] and self._full(key, bound, ahead, call.view.now) is not None:
                return False
            return self._reserve(call, key, bound)

    def _reserve(self, call: Call, key: Key, bound: Amount) -> bool:
        slot = None
        if self._slots is not None and (slot := self._slots.reserve(key, _SLOT, call.view.now)) is None:
            return False
        if (ticket := self._spending.reserve(key, bound, call.view.now)) is None:
            if self._slots is not None:
                self._slots.settle(key, slot, NOTHING, call.view.now)
            return False
        with self._lock:
            self._open[id(call)] = _Counted(call, key, [ticket], bound, slot)
        return True

    def wait_for(self, call: Call) -> float | None:
        """Seconds until the next check; None if the call does not wait: the queue is full, its time is over, or other targets
        are left.
        """
        view, shortlist = call.view, call.shortlist
        if call.ask is not None or (self.elsewhere and not shortlist.last_resort and len(shortlist.targets) > 1):
            return None
        key, bound = self.payers.key(view, call.target), self._bound(call.target, view, call)
        with self._lock:
            until, place = self._until(key, bound, view), self._places.get(view.decision)
            if until is None:
                return None
            if place is None or place.key != key:
                self.leave(view)
                queue = self._queues.setdefault(key, {})
                # Left by a flow that failed unexpectedly; after its last check, so that it does not wait twice.
                for decision in [decision for decision, other in queue.items() if other.until + (self.wait or 0.0) <= view.now]:
                    del queue[decision], self._places[decision]
                new = _Place(key, bound[1], view.now if place is None else place.since, until)
                queue[view.decision] = self._places[view.decision] = new
            calls, _ = self._ahead(key, view)
        return min(_LOOK * (1 + calls // 8), until - view.now)

    def leave(self, view: View) -> None:
        """Remove this request from the queue."""
        with self._lock:
            if (place := self._places.pop(view.decision, None)) is not None:
                del self._queues[place.key][view.decision]
                if not self._queues[place.key]:
                    del self._queues[place.key]

    def _ahead(self, key: Key, view: View) -> tuple[int, int]:
        """Number of calls ahead in the queue, and their upper bound of tokens."""
        calls = tokens = 0
        with self._lock:
            for decision, place in self._queues.get(key, {}).items():
                if decision == view.decision:
                    break
                if view.now < place.until:
                    calls, tokens = calls + 1, tokens + place.tokens
        return calls, tokens

    def _full(self, key: Key, bound: Amount, ahead: tuple[int, int], now: float) -> str | None:
        """Return the limit that leaves no room for `bound` after the calls ahead; None if there is room."""
        calls, tokens = ahead
        if self._slots is not None and self._slots.left(key, now)[0] < 1.0 + calls:
            return f"{self.payers.label(key)}: {self.in_flight:,} calls are in flight"
        left = self._spending.left(key, now)
        return self._left_text(key, left) if bound[0] + calls > left[0] or bound[1] + tokens > left[1] else None

    def _until(self, key: Key, bound: Amount, view: View) -> float | None:
        """Time until which this request may wait for room; None if it may not wait."""
        if self.wait is None or (self.tokens is not None and bound[1] > self.tokens):
            return None
        if any(attempt.reply is not None for attempt in view.attempts):  # the rejected reply is better than waiting
            return None
        place, deadline = self._places.get(view.decision), view.scope.deadline
        if (place is None or place.key != key) and self._ahead(key, view)[0] >= self.queue:
            return None
        until = view.now + self.wait if place is None else place.until
        until = until if deadline is None else min(until, deadline)
        return until if until - view.now >= _SHORTEST else None

    @property
    def refusal(self) -> str:
        """Why `reserve` refuses."""
        refused = self._spending.refused
        return f"the store of its limit {refused}" if refused else "another call took what was left of its limit"

    def resend(self, call: Call) -> bool:
        """Count `call` once more: it is sent again."""
        held = self._open.get(id(call))
        if held is None:
            return True
        if (ticket := self._spending.reserve(held.key, held.bound, call.view.now)) is None:
            return False
        held.tickets.append(ticket)
        return True

    def release(self, call: Call) -> None:
        """Uncount `call`: it is not made."""
        self._settle(call, (0.0, 0), call.view.now)

    def learn(self, attempt: Attempt) -> None:
        """Settle the tokens of an attempt at its usage, if known; the request stays counted."""
        usage = attempt.reply.usage if attempt.reply is not None else None
        used = None if usage is None else usage.input_tokens + usage.output_tokens
        if usage is None and attempt.error is not None and not attempt.error.may_be_billed:
            used = 0
        self._settle(attempt.call, None if used is None else (1.0, used), attempt.ended)

    def _settle(self, call: Call, used: Amount | None, now: float) -> None:
        with self._lock:
            held = self._open.pop(id(call), None)
        if held is None:
            return
        for ticket in held.tickets[1:]:
            self._spending.settle(held.key, ticket, held.bound, now)
        self._spending.settle(held.key, held.tickets[0], held.bound if used is None else used, now)
        if self._slots is not None:
            self._slots.settle(held.key, held.slot, NOTHING, now)

    def use_store(self, store: Store) -> None:
        """Keep the counts in `store`, unless the constructor got a store."""
        if not self._own_store:
            self._own_store = True
            self._keep_in(store)

    def _keep_in(self, store: Store | Lender) -> None:
        limits = (("requests", self.requests), ("tokens", self.tokens), ("in_flight", self.in_flight))
        units = [name for name, limit in limits if limit is not None]
        name = ":".join(filter(None, ["RateLimits", self.only, self.per, *units, f"{self.window:g}"]))
        slots = None if self.in_flight is None else SpendingLimits(float(self.in_flight), None)
        places = ":".join(filter(None, ["RateLimits", self.only, self.per, "in flight"]))
        lender, home = lender_of(store), store
        self._spending: KeepsSpending
        self._turn: AbstractContextManager[Any] = nullcontext()  # taking a lease may take time: other calls do not wait for it
        self._slots: KeepsSpending | None = None
        if lender is None:
            table: Any = home
            self._turn = self._lock
            self._spending = TableSpending(table, name, self.size, self._limits, self.window)
            if (
                slots is not None
            ):  # in this process only: a call that ends releases its place, and leases of dead processes do not exist
                self._slots = TableSpending(InProcess(), places, self.size, slots, None)
        else:
            from switchwise.state.shared.spending import LeasedSpending

            self._spending = LeasedSpending(lender, name, self._limits, self.window)
            if slots is not None:
                self._slots = LeasedSpending(lender, places, slots, LONGEST)
        self.table = self._spending.table

    def _bound(self, target: Target, view: View, call: Call | None = None) -> Amount:
        if self.tokens is None:
            return 1.0, 0
        return 1.0, sum(most_tokens(target, view, call.ask if call is not None else None, self.margin, self.output_allowance))

    def _left_text(self, key: Key, left: tuple[float, float]) -> str:
        if (trouble := self._spending.trouble) and left != (self.requests or inf, self.tokens or inf):  # it is not known
            return f"{self.payers.label(key)}: the store of its limit {trouble}"
        parts = []
        if self.requests is not None and left[0] != inf:
            parts.append(f"{self.requests - max(0.0, left[0]):,.0f} of {self.requests:,} requests")
        if self.tokens is not None and left[1] != inf:
            parts.append(f"{self.tokens - max(0.0, left[1]):,.0f} of {self.tokens:,} tokens")
        return f"{self.payers.label(key)}: {' and '.join(parts)} in {self.window:g} s"

    @staticmethod
    def _examples() -> list[RateLimits]:
        return [
            RateLimits(requests=5),
            RateLimits(tokens=50_000, per="tenant"),
            RateLimits(requests=100, tokens=10**6, per="all"),
            RateLimits(in_flight=4),
            RateLimits(requests=5, wait=30.0),
            RateLimits(tokens=50_000, per="all", wait=30.0, queue=2, elsewhere=False),
        ]
