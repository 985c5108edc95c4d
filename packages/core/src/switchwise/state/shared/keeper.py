"""One thread per store: it reports spending, refills leases below a threshold and returns idle leases.

While a store is lost, leases stay valid until they are used up, or calls continue within an allowance. Loss and return are each logged
once. A forked child is a new holder without grants.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import uuid
import weakref
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from tempfile import gettempdir
from typing import Literal

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.validation import number
from switchwise.state.shared.account import Grant, Report, SharingRule
from switchwise.state.shared.black_box import BlackBox
from switchwise.state.shared.lease import Lease
from switchwise.state.shared.memories import Memories
from switchwise.state.shared.protocol import Leases, LostStore

_log = logging.getLogger("switchwise.shared")
_KEEPERS: weakref.WeakSet[Keeper] = weakref.WeakSet()
_RETRY = 0.25  # seconds between two tries to reach a lost store
_REAP, _REAP_SOON = 5.0, 0.5  # seconds between two checks for dead neighbours; the second while calls wait for a grant


class Keeper:
    """The leases of this process in one store.

    Parameters:
        store: where accounts are kept.
        lost: behaviour while the store does not respond: `closed`: calls continue until the lease is used up; `open`: they continue
            uncounted up to `allowance` of each limit.
        allowance: share of a limit, for `lost="open"`: each process may exceed the limit by it.
        heartbeat: seconds between reports of an account in use.
        patience: longest wait in seconds of a call for its lease: for the store's first reply, for the grace after a loss of its data,
            for other calls of this process to end.
        boxes: folder in which the processes of this machine record their leases, so that a neighbour can settle for a
            killed one, and which data of the store they saw; empty: a folder among the temporary files, named after the store; None: what
            a killed process held stays counted.
        alert: called with (account, percent) in the process whose report first passes 50, 80, 95 or 100 % of a limit.
        timer: seconds; only differences count.

    Raises:
        ConfigurationError: a parameter is invalid.
    """

    def __init__(
        self,
        store: Leases,
        *,
        lost: Literal["closed", "open"] = "closed",
        allowance: float = 0.05,
        heartbeat: float = 0.25,
        patience: float = 1.0,
        boxes: str | None = "",
        alert: Callable[[str, int], object] | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        if lost not in ("closed", "open"):
            raise ConfigurationError(f"Keeper(lost={lost!r}): give 'closed' or 'open'")
        for name, value in (("allowance", allowance), ("heartbeat", heartbeat), ("patience", patience)):
            number("Keeper", name, value)
        self.store, self.timer = store, timer
        self.heartbeat, self.patience = heartbeat, patience
        self._share = allowance if lost == "open" else 0.0
        self._boxes = _folder(store.name) if boxes == "" else boxes
        self._alert = alert
        self._watched: list[tuple[str, Callable[[str, int], object]]] = []
        self._leases: dict[str, Lease] = {}
        self._begin()
        _KEEPERS.add(self)
        atexit.register(_close, weakref.ref(self))

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._turn = threading.Condition(threading.Lock())
        self._woken = False
        self._closed = False
        self._lost_since: float | None = None
        self.skew = 0.0
        self._thread: threading.Thread | None = None
        self._box: BlackBox | None = None
        self._reaped = 0.0
        self._seen = Memories(self._boxes)
        # part of the store -> name of its data, whether they are complete, time of its last answer
        self._parts: dict[str, tuple[str, bool, float]] = {}

    def lease(self, key: str, rule: SharingRule) -> Lease:
        """Return the lease of an account; created at first use.

        Parameters:
            key: name of the account, the same in all processes.
            rule: rule of sharing, the same in all processes.
        """
        with self._lock:
            found = self._leases.get(key)
            if found is None:
                found = self._leases[key] = Lease(self, key, rule)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="switchwise-leases", daemon=True)
                self._thread.start()
        return found

    @property
    def place(self) -> str:
        """Identifies its store."""
        return self.store.name

    @property
    def lost(self) -> bool:
        """Whether the store does not respond."""
        return self._lost_since is not None

    @property
    def trouble(self) -> str:
        """Why the store grants nothing, as the predicate of a sentence; empty if it does."""
        if self.lost:
            return "does not respond, and what this process may spend meanwhile is used up"
        parts = list(self._parts.values())
        if not parts:
            return "has not responded yet"
        silent = self.timer() - min(at for *_, at in parts)  # each part is asked once in a heartbeat
        if silent >= max(self.patience, 2 * self.heartbeat):
            return f"has not responded for {silent:.1f} s"
        return "" if all(whole for _, whole, _ in parts) else "has lost its memory or is new, and grants nothing yet"

    @property
    def allowance(self) -> float:
        """Share of a limit that may be spent without a grant."""
        return self._share if self.lost else 0.0

    def wake(self, lease: Lease, soon: bool = True) -> None:
        """Make the thread report on `lease`: at once, or within a heartbeat."""
        now = self.timer()
        lease.due = min(lease.due, now if soon else now + self.heartbeat)
        if soon and not self._woken:
            with self._turn:
                self._woken = True
                self._turn.notify()

    def live(self, lease: Lease) -> None:
        """Give `lease` a new holder id, and a row in the black box."""
        lease.holder = uuid.uuid4().hex
        if self._boxes is not None and not lease.rule.window and not self._closed:
            try:
                self._box = self._box or BlackBox(self._boxes)
            except OSError as error:
                _log.warning("no black box: %s; if this process is killed, what it has leased stays counted", error)
                self._boxes = None
                return
            lease.note = self._box.row(lease.key, lease.holder, lease.rule.limit)

    def forgot(self, memory: str, seconds: float) -> bool:
        """Return whether a process of this machine has seen other data in the store within the last `seconds`."""
        return self._seen.other(memory, seconds)

    def override(self, key: str, limit: int, until: float) -> None:
        """Replace the rule's limit until that time, in seconds since the epoch. Raises `LostStore`."""
        self.store.override(key, limit, max(0, int((until - time.time()) * 1_000)))

    def watch(self, prefix: str, hear: Callable[[str, int], object]) -> None:
        """Call `hear` as `alert`, for accounts with this prefix."""
        self._watched.append((prefix, hear))

    def flush(self) -> None:
        """Report on everything now. Raises `LostStore`."""
        self._send(list(self._leases.values()), closing=False)

    def close(self) -> None:
        """Return all leases. Called at the end of the process; may be called twice."""
        if self._closed:
            return
        self._closed = True
        with self._turn:
            self._woken = True
            self._turn.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=1.0)
        try:
            self._send(list(self._leases.values()), closing=True)
        except LostStore as error:
            _log.warning("leases could not be returned, and stay counted: %s", error)
        else:
            if self._box is not None:
                self._box.remove()
                self._box = None
        self.store.close()

    def forked(self) -> None:
        """Called in a forked child: drop grants, and do not touch the parent's connections."""
        if self._box is not None:
            self._box.leave()
        self._begin()
        self.store.forked()
        for lease in self._leases.values():
            lease.begin()
        self._leases.clear()  # policies request them again

    def _run(self) -> None:
        failed = ""
        while not self._closed:
            try:
                if not self._report_due():
                    time.sleep(_RETRY)
                failed = ""
            except Exception as error:  # noqa: BLE001  (the thread reports for all accounts of the process: it must not end)
                if repr(error) != failed:  # once for each outage
                    _log.exception("a report to the store failed; it is tried again every %g s", _RETRY)
                failed = repr(error)
                time.sleep(_RETRY)

    def _report_due(self) -> bool:
        """Report what is due, then wait for more; False if the store is lost."""
        now = self.timer()
        due = self._due(now)
        if due and not self._try(due):
            return False
        pause = _REAP_SOON if any(lease.starved for lease in due) else _REAP
        if self._boxes is not None and (now - self._reaped > pause or any(lease.recovering for lease in due)):
            self._reaped = now
            self._reap()
        with self._turn:
            if not self._woken:
                next_due = min((lease.due for lease in list(self._leases.values())), default=now + 1.0)
                next_due = min([next_due, *(at + self.heartbeat for *_, at in self._parts.values())])
                self._turn.wait(max(0.001, min(1.0, next_due - self.timer())))
            self._woken = False
        return True

    def _due(self, now: float) -> list[Lease]:
        """The leases to report now; at least one per part of the store and heartbeat, so that a loss of data is noticed within the grace period."""
        leases = list(self._leases.values())
        one = {lease.part: lease for lease in leases}
        due = {lease.key: lease for lease in leases if lease.due <= now}
        for part, (*_, at) in list(self._parts.items()):
            if part not in one:
                del self._parts[part]
            elif at + self.heartbeat <= now:
                due.setdefault(one[part].key, one[part])
        return list(due.values())

    def _heard(self, lease: Lease, reply: Grant, now: float) -> None:
        """Report on all accounts of a part at once after it has lost its data."""
        lease.part = reply.memory.partition(".")[0]
        known = reply.memory, not reply.recovering
        before = self._parts.get(lease.part)
        self._parts[lease.part] = (*known, now)
        if before is not None and (before[0] != known[0] or before[1] > known[1]):
            for each in list(self._leases.values()):
                if each.part == lease.part:
                    each.due = now

    def _try(self, leases: list[Lease]) -> bool:
        try:
            self._send(leases, closing=False)
        except LostStore as error:
            if self._lost_since is None:
                self._lost_since = self.timer()
                _log.warning("the store is lost: %s; calls go on %s", error, self._how())
            return False
        if self._lost_since is not None:
            _log.warning("the store is back after %.1f s", self.timer() - self._lost_since)
            self._lost_since = None
        return True

    def _how(self) -> str:
        if not self._share:
            return "until their leases are used up"
        return f"uncounted, up to {self._share:.0%} of each limit in each process"

    def _send(self, leases: list[Lease], closing: bool) -> None:
        now = self.timer()
        reports = [lease.plan(now, closing) for lease in leases]
        replies = self.store.report(reports) if reports else []
        if replies:
            self.skew = replies[0].now / 1_000 - time.time()
        for lease, reply in zip(leases, replies, strict=True):
            if lease.answered(now, reply):
                with self._lock:
                    self._leases.pop(lease.key, None)
                if self._box is not None:
                    self._box.clear(lease.holder)
            self._heard(lease, reply, now)
            if lease.rule.window:
                self._seen.note(reply.memory)
            if reply.alert:
                self._say(lease.key, reply.alert)

    def _say(self, key: str, percent: int) -> None:
        """Call all who hear of alerts. One that raises is logged: it must not end the thread, which grants what calls may spend."""
        heard = [] if self._alert is None else [self._alert]
        for hear in [*heard, *[hear for prefix, hear in self._watched if key.startswith(prefix)]]:
            try:
                hear(key, percent)
            except Exception:  # noqa: BLE001  (a function of the caller, in the thread of all leases)
                _log.exception("the alert of %s at %d %% failed", key, percent)

    def _reap(self) -> None:
        """Settle for dead processes, whose boxes are unlocked."""
        for dead in BlackBox.dead(self._boxes or ""):
            try:
                self.store.report([Report(row.key, SharingRule(row.limit), row.holder, row.totals()) for row in dead.rows()])
            except LostStore:
                dead.leave()  # unlocked: tried again, here or by another process
                return
            except BaseException:  # raised again
                dead.leave()
                raise
            dead.remove()


def _folder(name: str) -> str | None:
    """Folder of the boxes of this user's processes for one store; None on a machine without a folder for temporary files."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    try:
        return str(Path(gettempdir()) / f"switchwise-{user}" / blake2b(name.encode(), digest_size=8).hexdigest())
    except FileNotFoundError:
        _log.warning(
            "no folder for temporary files, so no black box: if this process is killed, what it has leased stays counted"
        )
        return None


def _close(keeper: weakref.ref[Keeper]) -> None:
    if (found := keeper()) is not None:
        found.close()


def _forked() -> None:
    for keeper in list(_KEEPERS):
        keeper.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
