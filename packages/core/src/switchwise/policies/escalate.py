"""Move a failing run to a stronger target, and back when the failing check passes.

Use it where a cheap target does an agent's work and a better one is in the pool; put it before the preferences that choose the
cheap one. It watches two channels: a CUSUM over failed tools, repeated calls and repeated failing output; and effort beyond the
usual for the target. Both depend on the target: failed tools predict the failure of a weak agent but not of a strong one, so a
channel with a measured AUC below 0.6 is disarmed. Not for single questions, and not towards a target that is not better: then
only the bill rises.

Source: docs/evaluation.md#when-a-run-goes-wrong, `switchwise escalation`; the latch and the confirmation are those of NVIDIA NeMo Switchyard's stage router.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.feedback import WEIGHTS
from switchwise.nouns.scope import Key, Level
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool
from switchwise.nouns.validation import number, whole, words
from switchwise.nouns.view import View
from switchwise.observe.observer import Channel, Event, EventKind
from switchwise.quality.choosing import UsesQuality
from switchwise.quality.estimate import Estimator
from switchwise.quality.run_profile import KEPT, FinishedRun, Marks, Profile, dump, load, profile
from switchwise.reading.trajectory import DRIFT, StepObservation, Trajectory, TrajectoryState, digest, read_on, still_broken
from switchwise.state.codec import dump_table, mapping, rows
from switchwise.state.in_process import InProcess
from switchwise.state.store import Store, Table

WORDS: Final = (
    "stronger, please",
    "stronger please",
    "use a stronger model",
    "use a better model",
    "use a smarter model",
    "try a stronger model",
    "switch to a stronger model",
)
"""Phrases by which a user asks for a stronger target."""
NOTE: Final = (
    "(Note: another model worked on this until now, and got stuck: {why}. Look at what was tried, do not repeat it, and check its assumptions "
    "before you go on.)"
)
"""A hand-off note."""
WAITING: Final = 10_000
_FIRST: Final = 200  # turns read of a conversation that is new to the policy
_ENDS: Final = 300


class Escalate(UsesQuality):
    """Prefer targets better than the one whose run fails, until the failing check passes or the task ends.

    The evidence of a step is 1 for a failed tool, 0.5 for each earlier identical call and 1.5 for each earlier identical
    failing output (3 at most), 0.5 for a malformed call, 1 for a time-out, 0.3 beyond eight steps without a change, less 1
    where checks pass after a change. Finished runs of a target are reported by `router.feedback` or `observe`; from 40 on, the
    channels are armed or disarmed by their measured AUC, and the target has its own thresholds: the value that one in five of
    its runs exceeds.

    Parameters:
        to: target or role that takes over; None: any target better than the present one, as the rest of the chain chooses.
        quality: estimator that ranks the targets; None: the order of the pool, strongest first.
        per: how long an escalation lasts: `task` (named by the caller, else from one user request to the next), `agent` or
            `session`.
        threshold: suspicion above which a run counts as failing; a target that often recovers has its own, higher one.
        drift: evidence subtracted at each step.
        confirm: consecutive steps above the threshold before it escalates.
        loop: consecutive identical calls, or identical failing outputs, that escalate without confirmation.
        words: phrases by which the user asks for a stronger target (not which one); empty: none.
        note: hand-off note sent with the first call of the target that takes over, as a last user turn, such as `NOTE`; `{why}`
            is replaced by the reason. Empty: none.
        size: most runs remembered; the least recently used one is evicted first. A run takes about 4 kB.
        store: where runs are remembered; None: the router's store, else this process.

    Raises:
        ConfigurationError: a parameter is out of range, `per` is not a level or is "step", or `to` names nothing in the pool.

    >>> from switchwise import Pool, Router, Target, Turn, View, drive
    >>> from switchwise.nouns.exchange.conversation import Conversation
    >>> from switchwise.testing import Script
    >>> router = Router(Pool([Target("opus"), Target("haiku")]), Escalate(), lambda view, found: found.prefer(["haiku"], "cheap"))
    >>> talk = [Turn("user", "Sort the list")]
    >>> for _ in range(3):
    ...     _ = list(drive(router.start(View(conversation=Conversation(talk))), Script(haiku="ls").perform))
    ...     talk += [Turn("assistant", calls=("bash",), arguments="python sort.py"), Turn("tool", "Error: no such file", tool="bash")]
    >>> router.decide(View(conversation=Conversation(talk))).decider.because
    "haiku's run goes wrong: the same failing output 3 times"
    """

    name = "Escalate"

    def __init__(
        self,
        to: str | None = None,
        quality: Estimator | None = None,
        *,
        per: Level | str = "task",
        threshold: float = 2.0,
        drift: float = DRIFT,
        confirm: int = 2,
        loop: int = 3,
        words: Collection[str] = WORDS,
        note: str = "",
        size: int = 2_000,
        store: Store | None = None,
    ) -> None:
        super().__init__(_Nothing() if quality is None else quality)
        self.level = Level.parse(per)
        if self.level is Level.STEP:
            raise ConfigurationError("Escalate(per='step'): a run has several steps; use task, agent or session")
        if to is not None and (not isinstance(to, str) or not to):
            raise ConfigurationError(f"Escalate(to={to!r}): give a target or role of the pool, or leave it out")
        number(self.name, "threshold", threshold, above=True)
        number(self.name, "drift", drift)
        whole(self.name, "confirm", confirm)
        whole(self.name, "loop", loop, least=2)
        self.to, self.judged = to, quality is not None
        self.threshold, self.drift, self.confirm, self.loop = float(threshold), float(drift), confirm, loop
        if not isinstance(note, str):
            raise ConfigurationError(f"Escalate(note={note!r:.80}): give a text, such as switchwise.policies.escalate.NOTE")
        self.words, self.note = _lower(words), note
        self.size = size
        self._channel = Channel()
        self._store = store
        self._settle(store or InProcess())

    def _settle(self, store: Store) -> None:
        self.runs: Table = store.table(f"Escalate:runs:{self.level.name.lower()}", self.size)
        self.ends: Table = store.table("Escalate:ends", WAITING)
        self.known: Table = store.table("Escalate:finished", 1_000)

    def use_store(self, store: Store) -> None:
        """Remember in `store`, unless it was given one."""
        super().use_store(store)
        if self._store is None:
            self._store = store
            self._settle(store)

    def report_to(self, hear: Callable[[Event], object]) -> None:
        """Call `hear` with an event for every escalated run."""
        self._channel.add(hear)

    def check(self, pool: Pool) -> None:
        """Check that `to` is a target or role of the pool."""
        super().check(pool)
        if self.to is not None:
            pool.select(self.to)

    def __call__(self, view: View, shortlist: Shortlist) -> Any:
        state = self._followed(self.runs.get(self._key(view)), view)
        shortlist = shortlist.signed_by(self.name, self.level).remember(self, state)
        if not state["floor"]:
            return shortlist
        better = self._better(view, shortlist, state["floor"])
        if not better and not state["mixed"]:
            return shortlist.remark(f"{state['why']}, and no better target is in the pool")
        if self.note and better and state["at"] == state["floor"]:  # the first call of the target that takes over
            shortlist = shortlist.hand_over(self.note.replace("{why}", state["why"]), better)
        return shortlist.prefer(better or _keys(shortlist.pool, state["floor"]), state["why"])

    def learn(self, attempt: Attempt) -> None:
        """Record the target that made the step and the state of the run."""
        super().learn(attempt)
        call = attempt.call
        if not attempt.accepted or call.ask is not None:
            return
        found = next((value for owner, value in call.shortlist.memo if owner is self), None)
        view = call.view
        key = self._key(view)
        state: dict[str, Any] = {**(found if found is not None else self._followed(self.runs.get(key), view))}
        who = attempt.target.base
        if state["at"] and state["at"] != who:
            state["mixed"] = True
        state["at"] = who
        state["run"] = state["run"] or view.decision
        fresh = state["floor"] and not (self.runs.get(key) or _START)["floor"]
        self.runs.put(key, state)
        if fresh:
            details = {"from": state["floor"]}
            self._channel.send(Event(EventKind.ESCALATED, who, state["why"], attempt.ended, view.decision, details))
        if not state["mixed"]:
            end = {part: state[part] for part in ("run", "at", "marks")}
            end["tenant"], end["course"] = view.scope.tenant, state["course"]["run"]
            self.ends.put(("", view.decision), end)

    def feedback(self, decision: str, reward: float, kind: str = "feedback") -> None:
        """Count the run of a decision as finished, once. An escalated run does not count for its first target."""
        super().feedback(decision, reward, kind)
        found = self.ends.get(("", decision))
        if found is None or WEIGHTS.get(kind, 0.0) < 1:
            return
        first = False

        def counted(before: bool | None) -> bool:
            nonlocal first
            first = before is None
            return True

        self.ends.update(("", f"run {found['run']}"), counted)
        if first:
            marks = Marks(tuple(found["marks"][0]), *found["marks"][1:])
            self.observe(found["at"], marks.finished(Trajectory(*found["course"]), reward), tenant=found["tenant"])

    def observe(self, target: str, run: FinishedRun, *, tenant: str = "") -> None:
        """Learn from a finished run of a target, such as a recorded one."""

        def more(state: Mapping[str, Any] | None) -> dict[str, Any]:
            runs = ([] if state is None else load(state)[0])[1 - KEPT :]
            runs.append(run)
            return dump(runs, profile(runs))

        self.known.update((tenant, target), more)

    def profile(self, target: str, tenant: str = "") -> Profile:
        """Armed channels and thresholds of a target, from its finished runs."""
        state = self.known.get((tenant, target))
        return Profile() if state is None else load(state)[1]

    def dump(self) -> Mapping[str, Any]:
        """Open runs and statistics of finished ones, as JSON data."""
        tables = {"runs": self.runs, "ends": self.ends, "finished": self.known}
        return {**super().dump(), **{name: dump_table(table) for name, table in tables.items()}}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`.

        Raises:
            ConfigurationError: `state` is not a result of `dump`; nothing is restored.
        """
        what = "state of Escalate"
        found: list[tuple[Table, Key, Any]] = []
        try:
            for name, table in (("runs", self.runs), ("ends", self.ends), ("finished", self.known)):
                for key, value in rows(mapping(state, what), name, what):
                    if name == "runs":
                        TrajectoryState.load(value["course"])
                    elif name == "finished":
                        load(value)
                    found.append((table, tuple(map(str, key)), value))
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(f"{what}: it is not what its dump gives ({error!r}); start without that state") from error
        super().load(state)
        for table, key, value in found:
            table.put(key, value)

    def _key(self, view: View) -> Key:
        level = self.level
        if level is Level.TASK and "task" not in view.named:
            level = Level.AGENT  # from one user request to the next: see `_followed`
        return view.scope.key(level)

    def _followed(self, state: Mapping[str, Any] | None, view: View) -> dict[str, Any]:
        """The state of a run after its new turns."""
        talk = view.conversation
        now: dict[str, Any] = {**_START, "course": _NEW, "marks": _NO_MARKS} if state is None else {**state}
        start = _where(talk, now)
        if start >= len(talk):
            return now
        course, marks = TrajectoryState.load(now["course"]), Marks(tuple(now["marks"][0]), *now["marks"][1:])
        each_task = self.level is Level.TASK and "task" not in view.named
        known = self.profile(now["at"], view.scope.tenant)
        for after, request, turn in read_on(course, talk[start:], self.drift):
            before, course = course, after
            if request is None:
                marks = marks.after(course.run)
                if self._judge(now, before, course, known):
                    # The next target starts from zero.
                    course = course._replace(run=Trajectory(), seen={}, row=0, step=StepObservation())
                continue
            if each_task and course.run.steps and not still_broken(request):
                now |= {"floor": "", "why": "", "over": 0, "run": "", "mixed": False}
                course, marks = TrajectoryState(), Marks()
            if self._wanted(turn.text):
                now |= {"floor": now["at"] or _ANYBODY, "why": _SAID}
        last = talk[-1]
        now |= {"course": course.dump(), "marks": [list(marks.marks), marks.peak, marks.steps]}
        now |= {"read": len(talk), "anchor": digest(last.role, last.text, last.arguments)}
        return now

    def _judge(self, now: dict[str, Any], before: TrajectoryState, course: TrajectoryState, known: Profile) -> bool:
        """Release or latch after one step; return whether it latched now."""
        who, run = now["at"], course.run
        if now["floor"] and before.broken and not course.broken and now["why"] != _SAID:
            now |= {"floor": "", "why": "", "over": 0}  # the failing check passes
            return False
        if not who:
            return False
        because = ""
        if known.failures_predict:
            threshold = max(self.threshold, known.peak)
            now["over"] = now["over"] + 1 if run.suspicion > threshold else 0
            if (times := max(course.row, course.step.again) + 1) >= self.loop:
                because = f"{'the same failing output' if course.step.again >= course.row else 'the same step'} {times} times"
            elif now["over"] >= self.confirm:
                because = f"suspicion {run.suspicion:.1f} is above {threshold:.1f}"
        if not because and known.effort_predicts and (rank := known.rank(run.effort)) > known.limit:
            because = f"it is more laborious than {rank:.0%} of its finished runs"
        if because:
            now |= {"floor": who, "why": f"{who}'s run goes wrong: {because}", "over": 0}
        return bool(because)

    def _better(self, view: View, shortlist: Shortlist, than: str) -> frozenset[str]:
        """Names of the targets that may take over the run."""
        pool = shortlist.pool
        if self.to is not None:
            return pool.select(self.to) - _keys(pool, than)
        if than not in pool:  # no target has made a step yet
            return pool.select("strong")
        if self.judged:
            targets = pool.targets
            chances = {
                target.name: each.p for target, each in zip(targets, self._estimates(view, targets), strict=True) if each.n
            }
            return frozenset(name for name, chance in chances.items() if chance > chances.get(than, 1.0))
        names: Sequence[str] = [target.base for target in pool.targets]
        better = names[: names.index(than)] if than in names else []
        return frozenset(target.name for target in pool if target.base in better)

    def _wanted(self, text: str) -> bool:
        if not self.words:
            return False
        ends = (text if len(text) <= 2 * _ENDS else f"{text[:_ENDS]}\n{text[-_ENDS:]}").lower()
        return any(phrase in ends for phrase in self.words)

    @staticmethod
    def _examples() -> list[Escalate]:
        from switchwise.quality.priors import Priors

        return [Escalate(), Escalate("strong", per="agent"), Escalate(quality=Priors(), words=["words of the user"], note=NOTE)]


_ANYBODY: Final = "*"
_SAID: Final = "the user asks for a stronger model"
_NEW: Final = TrajectoryState().dump()
_NO_MARKS: Final[list[Any]] = [[], 0.0, 0]
_START: Final[Mapping[str, Any]] = {
    "at": "",  # target of the last step
    "floor": "",  # target whose run failed
    "why": "",
    "over": 0,  # steps in a row above the threshold
    "read": 0,  # turns that were read
    "anchor": "",  # digest of the last of them
    "run": "",  # the run, by its first decision
    "mixed": False,  # steps by several targets
}


def _keys(pool: Pool, name: str) -> frozenset[str]:
    """The target of that name with its further keys; the name alone where the pool does not have it."""
    return pool.select(name) if name in pool else frozenset([name])


def _where(talk: Any, state: Mapping[str, Any]) -> int:
    """Index of the first new turn; where the history was rewritten, only its last step is new."""
    read = state["read"]
    if not read:
        return max(0, len(talk) - _FIRST)
    if read <= len(talk):
        last = talk[read - 1]
        if digest(last.role, last.text, last.arguments) == state["anchor"]:
            return int(read)
    at = len(talk)
    while at > 0 and talk[at - 1].role == "tool":
        at -= 1
    return max(0, at - 1)


def _lower(given: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(phrase.lower() for phrase in words("Escalate", "words", given)))


class _Nothing:
    """An estimator without evidence."""

    def estimate(self, view: View, targets: Sequence[Any], given: Sequence[Any]) -> Sequence[Any]:  # noqa: ARG002
        return given
