"""Decides, for one easy call after the other, whether it stays with the home model; and learns from what was called.

It joins the comparison of plans with what it learns: habits of the calls, calls that a weaker model needs, and the cap on what
switching may cost in all. `Cheapest` asks it with what the ledger knows; a replay asks it with what its simulated caches hold.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

from fairlead.caching.cap import SpendCap
from fairlead.caching.effort import Effort, Stretches
from fairlead.caching.habits import PRIORS, Habits, Priors, Rhythm
from fairlead.caching.plan import Choice, Outlook, Standing, compare
from fairlead.caching.slots import dump_slots, load_slots, mapping
from fairlead.caching.survival import survival
from fairlead.caching.tariff import Tariff

_BROKEN = 0.5  # a prefix that keeps less than this share of its tokens counts as lost
_YOUNG = 0.25  # of its lifetime: until then a cache is not about to lapse
_KNOWN = 10.0  # stretches of the home model that are enough to leave fewer to it
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

    __slots__ = ("_outlooks", "added", "by", "home_at", "home_warm", "kind", "mode", "prompt", "rest", "rhythm", "taken")

    def __init__(self, kind: str, habits: Habits) -> None:
        self.kind = kind
        self.rhythm = Rhythm(habits)
        self.prompt = 0.0
        self.home_warm = 0.0  # of the home model, had nothing ever been switched
        self.home_at = float("-inf")
        self.mode = PLAN
        self.by = ""  # who made the last call
        self.taken = False  # another model took part in this stretch
        self.rest: dict[str, tuple[float, int]] = {}  # what was left of the stretch when a model took over; known from so many
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
        for ttl in self._outlooks:
            self._outlooks[ttl] = self.rhythm.outlook(ttl)


class Planner:
    """Compares plans for easy calls, and learns. Safe to use from many threads.

    Parameters:
        priors: what is assumed before anything was seen.
        cap: by what share the whole bill may exceed that of never switching.
        margin: share of a cold write that must be gained beyond it before a plan begins with one.
        control: share of easy stretches that are left to the home model, to learn how many calls it needs; more in the beginning,
            while little is known of that. 0 where history tells.
    """

    def __init__(self, priors: Priors = PRIORS, *, cap: float = 0.02, margin: float = 0.02, control: float = 0.0) -> None:
        self.priors = priors
        self.cap = SpendCap(cap)
        self.margin = margin
        self.control = control
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
            self._of(kind).add(stretch)

    def decide(self, course: Course, prompt: float, home: Warmth, others: Mapping[str, Warmth], draw: float) -> Plan:
        """Who should take an easy call. Deciding changes nothing; `saw` does.

        Parameters:
            course: the thread.
            prompt: tokens of the prompt to be sent.
            home: the model that hard calls go to.
            others: name -> a model that could take this call.
            draw: a random number in [0, 1), the same for the whole step: some stretches are left to chance, to learn from them.
        """
        begins = not course.rhythm.stretch
        if course.mode == CONTROL or (begins and draw < self._controlled(course.kind)):
            return Plan("", CONTROL, {})
        trial = course.mode == TRIAL
        calls = {name: 1.0 if trial else self.calls(name) for name in others}
        choices = self._compare(course, prompt, home, others, calls)
        best = self._best(choices)
        if best and not self.cap.allows:  # what is to pay at once must do so if the model needs as many calls as it well may
            most = {name: 1.0 / self._efforts[name].least if name in self._efforts else 1.0 for name in others}
            best = self._best(self._compare(course, prompt, home, others, most))
        if not best and not trial and begins and draw > 0.5:
            doubted = {name: self._efforts[name].tried(draw) for name in others if name in self._efforts}
            again = self._compare(course, prompt, home, {name: others[name] for name in doubted}, doubted)
            best = self._best(again)
            if best:
                return Plan(best, TRIAL, {**choices, **again})
        return Plan(best, course.mode if trial else PLAN, choices)

    def draws(self, course: Course, draw: float) -> bool:
        """Whether that random number may make of the call something else than what the plan says: a control or a trial."""
        if course.rhythm.stretch:
            return course.mode != PLAN
        return draw < self._controlled(course.kind) or (draw > 0.5 and bool(self._efforts))

    def _controlled(self, kind: str) -> float:
        """Share of stretches to be left to the home model: many while few of its own are known, but the very first is planned."""
        if not self.control:
            return 0.0
        seen = self._stretches.get(kind)
        if seen is None:
            return self.control
        begun = seen.own + seen.given
        return max(self.control, (_KNOWN / (_KNOWN + seen.own)) ** 2 * begun / (begun + 1.0))

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
            course.mode = mode if easy else PLAN
            alive = survival(now - course.home_at, home.ttl, home.longest)
            never = home.cost(prompt, alive * home.rule.whole(min(course.home_warm, kept, prompt)), output)
            self.cap.add(cost, never, model)
            self._carry(course, prompt, home, model, broken)
            course.rhythm.saw(now, prompt, output, easy, broken=broken)
            course.home_warm, course.home_at, course.prompt, course.by = prompt, now, prompt, model
            course.changed()

    def ended(self, course: Course) -> None:
        """The thread will not go on."""
        with self._lock:
            self._close(course)

    def dump(self) -> dict[str, Any]:
        """What was learnt of kinds of threads and of models, and what was spent, as JSON types."""
        with self._lock:
            return {
                "cap": dump_slots(self.cap, ("share", "start", "_open")),
                "habits": {kind: dump_slots(habits) for kind, habits in self._habits.items()},
                "stretches": {kind: dump_slots(seen) for kind, seen in self._stretches.items()},
                "efforts": {model: dump_slots(effort) for model, effort in self._efforts.items()},
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
        efforts = {model: Effort() for model in mapping(state.get("efforts", {}), "state of the planner, efforts")}
        parts: tuple[tuple[str, Mapping[str, object]], ...] = (
            ("habits", habits),
            ("stretches", stretches),
            ("efforts", efforts),
        )
        for name, things in parts:
            for kind, thing in things.items():
                load_slots(thing, state[name][kind], f"state of the planner, {name} of {kind!r}")
        with self._lock:
            self.cap = cap
            self._habits.update(habits)
            self._stretches.update(stretches)
            self._efforts.update(efforts)

    def _stretch(self, course: Course, easy: bool, model: str) -> None:
        if not easy:
            self._close(course)
        elif model:
            stretches = self._of(course.kind)
            if not course.taken:
                course.taken = True
                stretches.given += 1
                if self.control and course.rhythm.stretch:
                    stretches.add(course.rhythm.stretch, ended=False)
            if model not in course.rest:
                rest = stretches.rest(course.rhythm.stretch + 1)
                if rest is None:
                    return
                course.rest[model] = rest, stretches.own
            self._effort(model).called(*course.rest[model])
            self.cap.works(model, self._effort(model).least)

    def _close(self, course: Course) -> None:
        """The stretch is over: who made its last call finished it."""
        length, last = course.rhythm.stretch, course.by
        if length and not course.taken and self.control:  # where history tells, home stretches would be counted twice
            self._of(course.kind).add(length)
        if length and last in course.rest:
            self._effort(last).finished(course.rest[last][1])
            self.cap.works(last, self._effort(last).least)
        course.rest.clear()
        course.taken = False
        course.mode = PLAN

    def _carry(self, course: Course, prompt: float, home: Tariff, model: str, broken: bool) -> None:
        """Calls of other models leave their tokens in the prompt; the home model's later calls pay for them."""
        added, rates = course.added, home.at(prompt)
        grown = max(0.0, prompt - course.prompt)
        if broken:
            added.clear()
        elif course.by:
            added[course.by] = added.get(course.by, 0.0) + grown
            if not model:
                self.cap.carried(course.by, grown * (rates.write - rates.read))
        if not model:
            for name, tokens in added.items():
                self.cap.carried(name, tokens * rates.read)

    def _of(self, kind: str) -> Stretches:
        if kind not in self._stretches:
            if len(self._stretches) >= _KINDS:
                return next(iter(self._stretches.values()))
            self._stretches[kind] = Stretches()
        return self._stretches[kind]

    def _effort(self, model: str) -> Effort:
        if model not in self._efforts:
            self._efforts[model] = Effort()
        return self._efforts[model]

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
