"""One process's share of an account: reserve and settle under a lock, without I/O.

Rules:
1. A decision never calls the store; the thread of the keeper does (`plan`, `answered`).
2. Spending is counted before the reservation is released: a crash in between counts too much, never too little.
3. A lease of a windowed amount is valid for its term, counted from the moment at which the report was sent.
4. The first report of a windowed amount requests nothing: only its answer shows whether the store has lost data that another process of
   this machine has seen.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from switchwise.state.shared.account import WAITED, Grant, Holding, Report, SharingRule, piece_of

IDLE: Final = 0.5
"""Seconds without a call after which a lease is returned."""
DORMANT: Final = 30.0
"""Seconds without a call after which a process closes and forgets an account."""
STARVED: Final = (0.008, 0.1)
"""First and longest pause in seconds between reports while a needed amount is not granted."""
VECTOR: Final = 2.0
FEW: Final = 16
"""Seconds between reads of all holders, which are reported again if the store loses its data; and the number read each time."""


class Keeps(Protocol):
    """Protocol of a lease's keeper."""

    timer: Callable[[], float]
    heartbeat: float
    patience: float

    @property
    def lost(self) -> bool:
        """Whether the store does not respond."""

    @property
    def allowance(self) -> float:
        """Share of a limit that may be spent without a grant: 0 unless the store is lost and `lost="open"`."""

    def wake(self, lease: Lease, soon: bool = True) -> None:
        """Make the thread report on `lease`: at once, or at its next turn."""

    def live(self, lease: Lease) -> None:
        """Give `lease` a new holder id, and a row in the black box."""

    def forgot(self, memory: str, seconds: float) -> bool:
        """Return whether a process of this machine has seen other data in the store within the last `seconds`."""


class Lease:
    """This process's share of one account. Created by `Keeper.lease`."""

    def __init__(self, keeper: Keeps, key: str, rule: SharingRule) -> None:
        self.key, self.rule = key, rule
        self._keeper = keeper
        self.begin()

    def begin(self) -> None:
        """Start without grants and reservations: initially, and in a forked child."""
        keeper = self._keeper
        self._condition = threading.Condition(threading.RLock())  # the garbage collector may settle a stream in the middle
        self._mine = self._reported = Holding()
        self._open = 0
        self._need = 0
        self._largest = 1
        self._target = 0
        self._waiting = 0
        self._last = keeper.timer()
        self._reply: Grant | None = None
        self._heard = 0.0  # when the last report was sent, on the timer
        self._vector: Mapping[str, Holding] = {}
        self._asked_vector = 0.0
        self._lost = False
        self.late = False
        """Whether the last refusal was for lack of an answer, not of an amount."""
        self._pause = STARVED[0]
        self.due = 0.0
        self.part = ""  # of the store, as the keeper has heard
        self.note: Callable[[int, int, int, int], None] | None = None
        self.holder = ""
        keeper.live(self)

    def reserve(self, bound: int) -> bool:
        """Reserve `bound`; False if too little is left, or the store did not grant it in time.

        Parameters:
            bound: the most that the call may cost, in units of the account.
        """
        with self._condition:
            self._last = self._keeper.timer()
            self._largest = max(self._largest, min(bound, self.rule.limit))
            if not self._fits(bound):
                if bound > self._limit() or not self._hopeful(bound):
                    self._ask(bound)
                    self.late = bound <= self._limit() and (self._keeper.lost or self._listens())
                    return False
                self._waiting += 1
                try:
                    self._ask(bound)
                    self._condition.wait_for(lambda: self._fits(bound) or not self._hopeful(bound), self._keeper.patience)
                finally:
                    self._waiting -= 1
                if not self._fits(bound):
                    self.late = self._keeper.lost or self._listens() or self._grantable(bound)
                    return False
            self._open += bound
            self._need = 0
            self._kept()
            if self._free() * 2 < self._target or self._reply is None:
                self._keeper.wake(self)
            return True

    def settle(self, bound: int, cost: int) -> None:
        """Settle a finished call: charge `cost` in place of the reserved `bound`.

        Parameters:
            bound: the reserved amount; 0 without a reservation.
            cost: cost of the call; it may exceed the bound.
        """
        with self._condition:
            self._mine.spent += cost
            if cost and self.rule.window:
                piece = piece_of(self._now(), self.rule)
                self._mine.used[piece] = self._mine.used.get(piece, 0) + cost
            self._kept()
            self._open -= bound
            self._kept()
            self._last = self._keeper.timer()
            self._keeper.wake(self, soon=False)
            self._condition.notify_all()

    def left(self) -> int:
        """Known remaining amount: this lease, and the store's free amount at its last reply."""
        with self._condition:
            if self._listens():
                return max(0, self._free())
            return max(0, self._held()) + (self._limit() if self._reply is None else self._reply.free)

    def spent(self) -> int:
        """Known spending and reservations of all processes."""
        with self._condition:
            return self._limit() - self.left()

    def limit(self) -> int:
        """Known present limit, overrides included."""
        with self._condition:
            return self._limit()

    @property
    def recovering(self) -> bool:
        """Whether the store has lost its data and is recovering."""
        return self._reply is not None and self._reply.recovering > 0

    @property
    def starved(self) -> bool:
        """Whether a call needs more than was granted."""
        return self._need > 0

    @property
    def _waited(self) -> bool:
        """Whether its window is waited out after a loss of data."""
        return 0 < self.rule.window <= WAITED

    def _limit(self) -> int:
        return self.rule.limit if self._reply is None else self._reply.limit

    def _free(self) -> int:
        """The part of this lease that is neither spent nor reserved; none of an expired one."""
        if self.rule.window and self._keeper.timer() >= self._heard + self.rule.term / 1_000:
            return 0  # the next report renews it
        return self._held()

    def _held(self) -> int:
        """The same of an expired one, too."""
        mine = self._mine
        return mine.granted - mine.returned - mine.spent - self._open

    def _fits(self, bound: int) -> bool:
        return bound <= self._free() + int(self.rule.limit * self._keeper.allowance)

    def _listens(self) -> bool:
        """Whether the store has lost its data and will grant nothing for longer than a call waits."""
        return self._reply is not None and self._reply.recovering > self._keeper.patience * 1_000

    def _hopeful(self, bound: int) -> bool:
        """Return whether waiting may help: nothing is known yet, or enough was free at the store's last reply."""
        if self._keeper.lost or self._listens():
            return False
        return self._grantable(bound) or (self._open > 0 and not _looping())

    def _grantable(self, bound: int) -> bool:
        """Whether the store may grant it, as far as is known."""
        reply = self._reply
        return reply is None or reply.recovering > 0 or bound <= reply.free + max(0, self._held())

    def _ask(self, bound: int) -> None:
        self._need = max(self._need, min(bound, self._limit()))
        self._keeper.wake(self)

    def _now(self) -> int:
        """Latest possible time of the store's clock."""
        if self._reply is None:
            return int(time.time() * 1_000)
        return self._reply.now + int((self._keeper.timer() - self._heard) * 1_000)

    def _kept(self) -> None:
        if self.note is not None:
            self.note(self._mine.granted, self._mine.returned, self._mine.spent, self._open)

    # What the thread does

    def plan(self, now: float, closing: bool) -> Report:
        """The next report, with the wanted amount."""
        with self._condition:
            mine, free = self._mine, self._mine.granted - self._mine.returned - self._mine.spent - self._open
            idle = now - self._last > IDLE and not self._open and not self._waiting
            short = self._reply is not None and self._reply.short
            lapsed = self.rule.window and self._reply is not None and now >= self._heard + self.rule.window / 1_000
            if closing or idle or lapsed:  # an expired lease may have been granted to others: the answer must not renew it
                mine.returned += max(0, free)
            elif short and not self._waiting:
                mine.returned += max(0, free - self._largest)
            elif free > 2 * max(self._target, self._largest):
                mine.returned += free - max(self._target, self._largest)
            self._kept()
            free = mine.granted - mine.returned - mine.spent - self._open
            want, first = mine.granted, self._reply is None and self._waited
            if not (closing or idle or first) and (self._need > free or free * 2 < self._target):
                want += max(self._need - max(0, free), self._target - free)
            mine.closed = closing or (idle and now - self._last > DORMANT)
            few = self._reply is not None and self._reply.holders <= FEW
            vector = few or now - self._asked_vector > VECTOR
            known = self._vector if self._reply is None or self._reply.recovering else {}
            self._reported = totals = Holding.parse(mine.text())
            self.due = now + self._keeper.heartbeat if not idle else self._later(now)
            need = 0 if closing or idle or first else max(0, self._need - max(0, free))
            return Report(self.key, self.rule, self.holder, totals, want, need, known, vector, self._lost)

    def _later(self, now: float) -> float:
        """Time of the next report of an idle account: together with other idle ones, and less and less often while half the limit is free."""
        beat = self._keeper.heartbeat
        pause = 4 * beat
        if not self.rule.window and self._reply is not None and self._reply.free * 2 >= self._limit():
            pause = max(pause, min(now - self._last, self._last + DORMANT - now))
        return (now + pause) // beat * beat if beat else now

    def _unreported(self) -> Holding:
        """What was spent while the last report was under way, for a new holder to report."""
        mine, known = self._mine, self._reported
        used = {piece: rest for piece, amount in mine.used.items() if (rest := amount - known.used.get(piece, 0))}
        return Holding(spent=mine.spent - known.spent, used=used)

    def answered(self, sent: float, reply: Grant) -> bool:
        """Process the reply to a report sent at `sent`; True if this account is closed here."""
        with self._condition:
            over, used_since = self._mine.closed, self._waiting > 0 or self._last > sent
            if (reply.closed and not over) or (over and used_since):  # believed dead, or in use again: a new holder
                self._mine, over = self._unreported(), False
                self._keeper.live(self)
                self._keeper.wake(self)
            else:
                self._mine.granted = max(self._mine.granted, reply.granted)
            first = self._reply is None and self._waited
            if first and not self._vector:
                self._lost = self._keeper.forgot(reply.memory, (self.rule.window + self.rule.term) / 1_000)
            self._heard = sent
            self._reply = reply
            self._lost = self._lost and reply.recovering > 0
            if reply.known and not reply.recovering:
                self._vector, self._asked_vector = reply.known, sent
            cap = max(self._largest, self._limit() // 10)
            self._target = max(self._largest, min(cap, reply.free // (self.rule.divisor * reply.holders)))
            oldest = piece_of(reply.now - self.rule.window, self.rule) if self.rule.window else 0
            for piece in [piece for piece in self._mine.used if piece < oldest]:
                del self._mine.used[piece]
            if first and self._need:  # now it can request
                self.due = sent
            elif reply.recovering:  # report known holders, and ask again soon
                self.due = sent + (self._keeper.heartbeat if self._listens() else STARVED[1] / 2)
            elif self._need and self._need > self._free():
                self.due = sent + self._pause
                self._pause = min(STARVED[1], self._pause * 2)
                if not self._waiting and self._keeper.timer() - self._last > self._pause:
                    self._need = 0
            else:
                self._need, self._pause = 0, STARVED[0]
            self._kept()
            self._condition.notify_all()
            return over


def _looping() -> bool:
    """Return whether this thread runs an event loop: it must not wait for its own calls, which it would block."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None
