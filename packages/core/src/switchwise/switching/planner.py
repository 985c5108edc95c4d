"""Decides, for one easy call after the other, whether it stays with the home model; and learns from what was called.

It joins the comparison of plans with what it learns: habits of the calls, calls that a weaker model needs, and the cap on what
switching may cost in all. `Cheapest` asks it with what the ledger knows; a replay asks it with what its simulated caches hold.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.validation import number
from switchwise.prompt_cache.rates import Tariff
from switchwise.state.codec import dump_slots, load_slots, mapping
from switchwise.switching.calls_needed import WORK, Effort, Evidence, Stretches
from switchwise.switching.forecast import PRIORS, Habits, Priors, Rhythm
from switchwise.switching.plan import Choice, Outlook, Standing, compare
from switchwise.switching.switching_budget import Made, SpendCap

_BROKEN = 0.5  # a prefix that keeps less than this share of its tokens counts as lost
_DROPPED = 0.7  # a prompt this much shorter than the one before it holds a summary of it
_GRACE = 30.0  # seconds after its lifetime in which a cache may still be there
_YOUNG = 0.25  # of its lifetime: until then a cache is not about to lapse
_HALF = 0.5  # of the stretches are left to the home model, at most, to learn from
_KNOWN = 20.0  # stretches of the home model that are enough to leave fewer to it
_MOST = 1.0 / WORK[-1]  # calls that a model may need at most
_DERIVED = ("_built", "_going", "_known", "_seen")  # of stretches: what follows from the rest
_KINDS = 256  # kinds of threads whose habits are kept apart; any further kind shares those of the first


class Warmth(NamedTuple):
    """What one model has in its cache of a prompt.

    Parameters:
        tariff: its rates.
        tokens: leading tokens that it has seen.
        chance: probability that it still knows them.
        age: seconds since it was used last in this thread.
    """

    tariff: Tariff
    tokens: float = 0.0
    chance: float = 0.0
    age: float = 0.0


PLAN, CONTROL, TRIAL = "plan", "control", "trial"


class Plan(NamedTuple):
    """Who takes a call.

    Parameters:
        model: its name; empty: the home model.
        mode: `plan`; or what the whole stretch is used for: `control` (left to the home model) or `trial` (given away in spite of doubts).
        choices: the arithmetic, for each of the others.
    """

    model: str
    mode: str
    choices: Mapping[str, Choice]


class Course:
    """What the planner keeps of one thread. About 1 kB.

    Parameters:
        kind: threads of a kind share habits: the agent's name.
        habits: those of the kind.
    """

    __slots__ = ("_outlooks", "added", "by", "home_at", "kind", "mode", "prompt", "rhythm", "stake", "taken")

    def __init__(self, kind: str, habits: Habits) -> None:
        self.kind = kind
        self.rhythm = Rhythm(habits)
        self.prompt = 0.0
        self.home_at = float("-inf")
        self.mode = PLAN
        self.stake = 0.0  # USD that the trial which was advised last is expected to lose
        self.by = ""  # who made the last call
        self.taken = False  # another model took part in this stretch
        self.added: dict[str, float] = {}  # tokens of the prompt that calls of other models added
        self._outlooks: dict[float, Outlook] = {}

    def outlook(self, ttl: float) -> Outlook:
        """What to expect of the calls to come; worked out once between two calls."""
        found = self._outlooks.get(ttl)
        if found is None:
            found = self._outlooks[ttl] = self.rhythm.outlook(ttl)
        return found

    def changed(self) -> None:
        """Something was learnt: expectations are worked out anew, now, so that the next decision need not."""
        for ttl in list(self._outlooks):  # a copy: parallel calls of the thread may be asking for others
            self._outlooks[ttl] = self.rhythm.outlook(ttl)


class Planner:
    """Compares plans for easy calls, and learns. Safe to use from many threads.

    Parameters:
        priors: what is assumed before anything was seen.
        cap: by what share the whole bill may exceed that of never switching.
        margin: share of a cold write that must be gained beyond it before a plan begins with one.
        control: share of easy stretches that are left to the home model, to learn how many calls it needs; more while little is known of that
            and much depends on it. 0: none, and nothing is learnt of calls needed, unless history tells.

    Raises:
        ConfigurationError: one of them is out of range.
    """

    def __init__(self, priors: Priors = PRIORS, *, cap: float = 0.02, margin: float = 0.02, control: float = 0.0) -> None:
        number("Planner", "cap", cap)
        number("Planner", "margin", margin)
        number("Planner", "control", control, most=1.0)
        self.priors = priors
        self.cap = SpendCap(cap)
        self.margin = margin
        self.control = control
        self.learns = control > 0.0
        """Stretches of the home model are counted."""
        self._habits: dict[str, Habits] = {}
        self._stretches: dict[str, Stretches] = {}
        self._efforts: dict[str, Effort] = {}
        self._lock = threading.Lock()

    def course(self, kind: str) -> Course:
        """The record of a thread that begins."""
        with self._lock:
            return Course(kind, self._of_kind(kind))

    def calls(self, model: str) -> float:
        """Calls that `model` is taken to need where the home model needs one."""
        effort = self._efforts.get(model)
        return 1.0 if effort is None else effort.calls

    def history(self, kind: str, stretch: int) -> None:
        """Take in an easy stretch that the home model did alone, in calls: what others are measured by."""
        with self._lock:
            self.learns = True
            self._of(kind).add(stretch)

    def decide(self, course: Course, prompt: float, home: Warmth, others: Mapping[str, Warmth], draw: float) -> Plan:
        """Who should take an easy call. Deciding teaches nothing; `saw` does.

        Parameters:
            course: the thread.
            prompt: tokens of the prompt to be sent.
            home: the model that hard calls go to.
            others: name -> a model that could take this call.
            draw: a random number in [0, 1), the same for the whole step: some stretches are left to chance, to learn from them.
        """
        begins = not course.rhythm.stretch
        if course.mode == CONTROL or (
            begins and draw < self._controlled(course.kind) and self._depends(course, prompt, home, others)
        ):
            return Plan("", CONTROL, {})
        trial = course.mode == TRIAL
        calls = {name: 1.0 if trial else self.calls(name) for name in others}
        choices = self._compare(course, prompt, home, others, calls)
        best = self._best(choices)
        if best and not self.cap.allows:  # what is to pay at once must do so if the model needs as many calls as it well may
            most = {name: 1.0 / self._efforts[name].least if name in self._efforts else 1.0 for name in others}
            best = self._best(self._compare(course, prompt, home, others, most))
        if not best and not trial and begins and draw > 0.5 and self.cap.tries:
            doubted = {name: self._efforts[name].tried(draw) for name in others if name in self._efforts}
            again = self._compare(course, prompt, home, {name: others[name] for name in doubted}, doubted)
            best = self._best(again)
            if best:
                course.stake = max(0.0, choices[best].other - choices[best].home)
                return Plan(best, TRIAL, {**choices, **again})
        return Plan(best, course.mode if trial else PLAN, choices)

    def draws(self, course: Course, draw: float) -> bool:
        """Whether that random number may make of the call something else than what the plan says: a control or a trial."""
        if course.rhythm.stretch:
            return course.mode != PLAN
        return draw < self._controlled(course.kind) or (draw > 0.5 and bool(self._efforts) and self.cap.tries)

    def _controlled(self, kind: str) -> float:
        """Share of stretches to be left to the home model: none before anything is at risk, half where all that is allowed is."""
        if not self.control or not self._efforts:
            return 0.0
        seen = self._stretches.get(kind)
        known = seen.own if seen is not None else 0
        return max(self.control, _HALF * self.cap.risk * (_KNOWN / (_KNOWN + known)) ** 2)

    def _depends(self, course: Course, prompt: float, home: Warmth, others: Mapping[str, Warmth]) -> bool:
        """Whether it matters how many calls the others need: not where one would pay even if it were the most."""
        return not self._best(self._compare(course, prompt, home, others, dict.fromkeys(others, _MOST)))

    def _best(self, choices: Mapping[str, Choice]) -> str:
        if self.cap.allows:
            going = [(choice.other, name) for name, choice in choices.items() if choice.other < choice.home]
        else:
            going = [(choice.detour, name) for name, choice in choices.items() if choice.detour < 0.0]
        return min(going)[1] if going else ""

    def _compare(
        self, course: Course, prompt: float, home: Warmth, others: Mapping[str, Warmth], calls: Mapping[str, float]
    ) -> dict[str, Choice]:
        habits = course.rhythm.habits
        at_home = _standing(home, habits)
        longest = home.tariff.longest
        found: dict[str, Choice] = {}
        for name, other in others.items():
            there = other.tariff.longest
            ttl = min(longest or there, there or longest)
            standing = _standing(other, habits, calls[name])
            found[name] = compare(at_home, standing, prompt, course.outlook(ttl), self.margin)
        return found

    def saw(
        self,
        course: Course,
        now: float,
        prompt: float,
        output: float,
        *,
        easy: bool,
        kept: float,
        home: Tariff,
        model: str = "",
        cost: float = 0.0,
        mode: str = PLAN,
    ) -> None:
        """Take in one call that was made.

        Parameters:
            course: its thread.
            now: when it began, in seconds.
            prompt, output: tokens.
            easy: any of several models would have done.
            kept: leading tokens of the prompt before it that were still there.
            home: the tariff of the home model.
            model: who made it; empty: the home model.
            cost: USD.
            mode: of the plan that it was made by.
        """
        broken = course.rhythm.calls > 0 and kept < _BROKEN * course.prompt
        with self._lock:
            self._stretch(course, easy, model)
            if mode == TRIAL and course.mode != TRIAL:
                self.cap.tried += course.stake
            course.mode = mode if easy else PLAN
            self._bill(course, now, prompt, output, kept, home, model, cost)
            course.rhythm.saw(now, prompt, output, easy, broken=broken)
            course.home_at, course.prompt, course.by = now, prompt, model
            course.changed()

    def ended(self, course: Course) -> None:
        """The thread will not go on."""
        with self._lock:
            self._stretch(course, False, "")
            course.mode = PLAN

    def dump(self) -> dict[str, Any]:
        """What was learnt of kinds of threads and of models, and what was spent, as JSON types."""
        with self._lock:
            return {
                "cap": dump_slots(self.cap, ("share", "start", "_open", "_risk", "_allowed")),
                "habits": {kind: dump_slots(habits) for kind, habits in self._habits.items()},
                "stretches": {kind: dump_slots(seen, _DERIVED) for kind, seen in self._stretches.items()},
            }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `dump` gave.

        Raises:
            ConfigurationError: it is something else; then nothing is taken over.
        """
        cap = SpendCap(self.cap.share, self.cap.start)
        load_slots(cap, {**mapping(state.get("cap", {}), "state of the planner"), "_open": None}, "state of the planner, cap")
        habits = {kind: Habits(self.priors) for kind in mapping(state.get("habits", {}), "state of the planner, habits")}
        stretches = {kind: Stretches() for kind in mapping(state.get("stretches", {}), "state of the planner, stretches")}
        for name, things in (("habits", habits), ("stretches", stretches)):
            for kind, thing in things.items():
                load_slots(thing, state[name][kind], f"state of the planner, {name} of {kind!r}")
        if not all(seen.sound for seen in stretches.values()) or not cap.sound:
            raise ConfigurationError(
                "state of the planner: not as this version of switchwise keeps it; start without that state"
            )
        with self._lock:
            self.cap = cap
            self._habits.update(habits)
            self._stretches.update(stretches)
            self._efforts.clear()
            for kind, seen in self._stretches.items():
                self.learns = self.learns or seen.own > 0
                for model in seen.models:
                    self._learn(kind, model, seen.evidence(model))

    def _stretch(self, course: Course, easy: bool, model: str) -> None:
        """What this call says of the one before: it went on, or that was the end of a stretch."""
        length, last = course.rhythm.stretch, course.by
        if length and last:
            self._learn(course.kind, last, self._of(course.kind).called(last, length, ended=not easy))
        ended, given = not easy, easy and bool(model)
        if length and self.learns and not course.taken and (ended or given):
            self._of(course.kind).add(length, ended=ended)
        course.taken = not ended and (course.taken or given)

    def _learn(self, kind: str, model: str, evidence: Evidence | None) -> None:
        if evidence is None and not self.control:
            return
        if model not in self._efforts:
            self._efforts[model] = Effort()
        if evidence is not None:
            self._efforts[model].learn(kind, evidence)
        self.cap.works(model, self._efforts[model])

    def _bill(
        self, course: Course, now: float, prompt: float, output: float, kept: float, home: Tariff, model: str, cost: float
    ) -> None:
        """Calls of other models leave their tokens in the prompt, until it is summarised: what it would have cost without them."""
        warm = home.rule.whole(course.prompt) if now - course.home_at <= home.longest + _GRACE else 0.0
        by, grown = course.by, max(0.0, prompt - course.prompt)
        if prompt < _DROPPED * course.prompt:
            course.added.clear()
            by, grown = "", 0.0
        self.cap.add(Made(cost, model, home, prompt, output, warm, kept, course.added, by, grown))
        self.cap.settle()
        if by:
            course.added[by] = course.added.get(by, 0.0) + grown

    def _of(self, kind: str) -> Stretches:
        if kind not in self._stretches:
            if len(self._stretches) >= _KINDS:
                return next(iter(self._stretches.values()))
            self._stretches[kind] = Stretches()
        return self._stretches[kind]

    def _of_kind(self, kind: str) -> Habits:
        if kind not in self._habits:
            if len(self._habits) >= _KINDS:
                return next(iter(self._habits.values()))
            self._habits[kind] = Habits(self.priors)
        return self._habits[kind]


def _standing(at: Warmth, habits: Habits, calls: float = 1.0) -> Standing:
    longest = at.tariff.longest
    old = at.tokens and at.age > _YOUNG * longest
    lapse = habits.pause_between(longest - at.age, longest) if old else 0.0
    return Standing(at.tariff, at.tokens, at.chance, lapse, calls)
