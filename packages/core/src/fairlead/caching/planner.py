"""Decides, for one easy call after the other, whether it stays with the home model; and learns from what was called.

It joins the comparison of plans with what it learns: habits of the calls, calls that a weaker model needs, and the cap on what
switching may cost in all. `Cheapest` asks it with what the ledger knows; a replay asks it with what its simulated caches hold.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import NamedTuple

from fairlead.caching.cap import SpendCap
from fairlead.caching.effort import Effort, Stretches
from fairlead.caching.habits import PRIORS, Habits, Priors, Rhythm
from fairlead.caching.plan import Choice, Outlook, Standing, compare
from fairlead.caching.survival import survival
from fairlead.caching.tariff import Tariff

_BROKEN = 0.5  # a prefix that keeps less than this share of its tokens counts as lost
_YOUNG = 0.25  # of its lifetime: until then a cache is not about to lapse
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

    __slots__ = ("_outlooks", "expected", "home_at", "home_warm", "kind", "made", "mode", "prompt", "rhythm")

    def __init__(self, kind: str, habits: Habits) -> None:
        self.kind = kind
        self.rhythm = Rhythm(habits)
        self.prompt = 0.0
        self.home_warm = 0.0  # of the home model, had nothing ever been switched
        self.home_at = float("-inf")
        self.mode = PLAN
        self.expected: dict[str, tuple[float, float]] = {}  # of the stretch: what was left when a model took over
        self.made: dict[str, list[int]] = {}  # since then: calls of the home model, calls of that one
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
        control: share of easy stretches that are left to the home model, to learn how many calls it needs; 0 where history tells.
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
            self._stretches.setdefault(kind, Stretches()).add(stretch)

    def decide(self, course: Course, prompt: float, home: Warmth, others: Mapping[str, Warmth], draw: float) -> Plan:
        """Who should take an easy call. Deciding changes nothing; `saw` does.

        Parameters:
            course: the thread.
            prompt: tokens of the prompt to be sent.
            home: the model that hard calls go to.
            others: name -> a model that could take this call.
            draw: a random number in [0, 1), the same for the whole step: some stretches are left to chance, to learn from them.
        """
        if course.mode == CONTROL or (not course.rhythm.stretch and draw < self.control):
            return Plan("", CONTROL, {})
        trial = course.mode == TRIAL
        choices = self._compare(course, prompt, home, others, sure=trial)
        best = self._best(choices)
        if not best and not trial and not course.rhythm.stretch:
            doubted = [name for name in others if name in self._efforts and 1.0 - draw < self._efforts[name].doubt]
            if doubted:
                again = self._compare(course, prompt, home, {name: others[name] for name in doubted}, sure=True)
                best = self._best(again)
                if best:
                    return Plan(best, TRIAL, {**choices, **again})
        return Plan(best, course.mode if trial else PLAN, choices)

    def draws(self, course: Course, draw: float) -> bool:
        """Whether that random number may make of the call something else than what the plan says: a control or a trial."""
        if course.rhythm.stretch:
            return course.mode != PLAN
        return draw < self.control or (draw > 0.5 and bool(self._efforts))

    def _best(self, choices: Mapping[str, Choice]) -> str:
        if self.cap.allows:
            going = [(choice.other, name) for name, choice in choices.items() if choice.other < choice.home]
        else:
            going = [(choice.detour, name) for name, choice in choices.items() if choice.detour < 0.0]
        return min(going)[1] if going else ""

    def _compare(
        self, course: Course, prompt: float, home: Warmth, others: Mapping[str, Warmth], sure: bool
    ) -> dict[str, Choice]:
        habits = course.rhythm.habits
        at_home = _standing(home, habits)
        longest = home.tariff.longest
        found: dict[str, Choice] = {}
        for name, other in others.items():
            there = other.tariff.longest
            ttl = min(longest or there, there or longest)
            standing = _standing(other, habits, 1.0 if sure else self.calls(name))
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
            effort = self._efforts.get(model)
            self.cap.add(cost, never * effort.work if effort else never)
            course.rhythm.saw(now, prompt, output, easy, broken=broken)
            course.home_warm, course.home_at, course.prompt = prompt, now, prompt
            course.changed()

    def ended(self, course: Course) -> None:
        """The thread will not go on."""
        with self._lock:
            self._close(course)

    def _stretch(self, course: Course, easy: bool, model: str) -> None:
        if not easy:
            self._close(course)
            return
        if model and model not in course.expected:
            stretches = self._stretches.get(course.kind)
            rest = stretches.rest(course.rhythm.stretch + 1) if stretches else None
            if rest is not None:
                course.expected[model] = rest
                course.made[model] = [0, 0]
        for name, made in course.made.items():
            if not model:
                made[0] += 1
            elif model == name:
                made[1] += 1

    def _close(self, course: Course) -> None:
        length = course.rhythm.stretch
        if course.mode == CONTROL and length:
            self._stretches.setdefault(course.kind, Stretches()).add(length)
        if len(course.made) == 1:  # where several models took part, nobody can say who needed how many
            for name, (home_calls, calls) in course.made.items():
                if name not in self._efforts:
                    self._efforts[name] = Effort()
                self._efforts[name].finished(course.expected[name], home_calls, calls)
        course.expected.clear()
        course.made.clear()
        course.mode = PLAN

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
