"""Decide for each easy call whether it stays at the home target; learn from the calls made.

Learning how many calls a model needs is off by default; `explore`, `history` or a loaded state turns it on. A wrong result can
be corrected: where the mean says stay, a draw from the posterior at the start of a run may say go, for one call (`TRIAL`). With
`explore`, some runs stay at the home target to measure its calls (`CONTROL`), if that costs less than it may save.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.validation import number
from switchwise.state.codec import dump_slots, load_slots, mapping
from switchwise.state.forking import rlock
from switchwise.switching.calls_needed import MOST, CallsNeeded, LifeTable
from switchwise.switching.forecast import PRIORS, CallPriors, Forecast
from switchwise.switching.plan import Choice, Standing, compared
from switchwise.switching.thread_state import ThreadState

PLAN, CONTROL, TRIAL = "plan", "control", "trial"
_YOUNG = 0.25  # share of its lifetime before which a cache is not about to expire
_TRIED = 1 / 3  # share of the runs staying at home by the mean that begin with a draw from the posterior
_HALF = 0.5  # largest share of runs kept at the home target
_KNOWN = 20.0  # runs of the home target after which fewer are kept there
_DERIVED = ("_built", "_logs")  # derived fields of a life table
_KINDS = 256  # kinds of threads with their own life table; further kinds share the first
_WHAT = "state of the planner"

Plan = tuple[str, str, Mapping[str, Choice]]
"""The target of a call (empty: the home target), its purpose, and the comparison with each other target."""


class Planner:
    """Compare plans for easy calls, and learn. Thread-safe.

    Parameters:
        priors: assumptions before any observation.
        explore: share of the runs of easy calls kept at the home target to measure its calls; more while there is little
            evidence. 0: none, and calls needed are learnt only from history.

    Raises:
        ConfigurationError: `explore` is not from 0 to 1.
    """

    def __init__(self, priors: CallPriors = PRIORS, *, explore: float = 0.0) -> None:
        number("Planner", "explore", explore, most=1.0)
        self.forecast = Forecast(priors)
        self.explore = explore
        self.learns = explore > 0.0
        """Whether runs are counted, to learn how many calls each target needs."""
        self._tables: dict[str, LifeTable] = {}
        self._needed: dict[str, CallsNeeded] = {}
        self._lock = rlock()

    def calls(self, name: str) -> float:
        """Expected calls of a target per call of the home target."""
        return self._needed[name].calls if name in self._needed else 1.0

    def history(self, kind: str, run: int) -> None:
        """Learn a run of easy calls by the home target alone: the baseline for the others."""
        with self._lock:
            self.learns = True
            self._table(kind).add(run)

    def decide(
        self, thread: ThreadState, kind: str, prompt: float, home: Standing, others: Mapping[str, Standing], draw: float
    ) -> Plan:
        """Decide which target takes an easy call. Only `saw` learns.

        Parameters:
            thread, kind: state of the thread, and its kind: the agent's name.
            prompt: tokens of the prompt to be sent.
            home: the target of hard calls.
            others: name -> other candidate.
            draw: a random number in [0, 1), the same for the whole step.
        """
        if thread["control"]:
            return "", CONTROL, {}
        needed = self._needed
        calls = {name: needed[name].calls for name in others if name in needed} if needed else {}
        best, choices = self._compare(prompt, home, others, calls)
        if thread["run"] or not self.learns:
            return best, PLAN, choices
        if best:
            if self.explore and draw < self._controlled(kind):
                better, most = self._compare(prompt, home, others, dict.fromkeys(others, MOST))
                costs = choices[best].home - choices[best].other
                if not better and costs <= most[best].other - most[best].home:
                    return "", CONTROL, {}
            return best, PLAN, choices
        if draw >= _TRIED:
            return "", PLAN, choices
        drawn = {name: needed[name].drawn(draw / _TRIED) for name in others if name in needed}
        doubted = {name: others[name] for name, need in drawn.items() if need < calls[name]}
        best, tried = self._compare(prompt, home, doubted, drawn)
        return (best, TRIAL, {**choices, **tried}) if best else ("", PLAN, choices)

    def saw(
        self,
        thread: ThreadState,
        kind: str,
        now: float,
        prompt: float,
        output: float,
        *,
        easy: bool,
        broken: bool = False,
        by: str = "",
        mode: str = PLAN,
    ) -> None:
        """Learn one call, and update the state of its thread in place.

        Parameters:
            thread, kind: state and kind of the thread.
            now: start of the call, in seconds.
            prompt, output: tokens.
            easy: several targets were acceptable.
            broken: most of the previous prompt is no longer its beginning.
            by: the called target; empty: the home target.
            mode: mode of its plan.
        """
        with self._lock:
            if self.learns:
                self._run(thread, kind, easy, by)
            self.forecast.saw(thread, now, prompt, output, easy=easy, broken=broken)
            thread["control"] = easy and mode == CONTROL
            thread["calls"] += 1
            thread["run"] = thread["run"] + 1 if easy else 0
            thread["at"], thread["prompt"], thread["by"] = now, prompt, by

    def ended(self, thread: ThreadState, kind: str) -> None:
        """Learn that the thread has ended."""
        with self._lock:
            if self.learns:
                self._run(thread, kind, False, "")
            thread["run"], thread["control"] = 0, False

    def dump(self) -> dict[str, Any]:
        """The forecast, and the life tables by kind of thread, as JSON types."""
        with self._lock:
            tables = {kind: dump_slots(table, _DERIVED) for kind, table in self._tables.items()}
            return {"forecast": dump_slots(self.forecast, ("_outlooks",)), "runs": tables}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`. If it has calls needed, learning is on from now on.

        Raises:
            ConfigurationError: `state` is not a result of `dump`; nothing is restored.
        """
        forecast, what = Forecast(self.forecast.priors), f"{_WHAT}, runs"
        load_slots(forecast, state.get("forecast", {}), f"{_WHAT}, forecast")
        tables = {kind: LifeTable() for kind in mapping(state.get("runs", {}), what)}
        for kind, table in tables.items():
            load_slots(table, state["runs"][kind], f"{what} of {kind!r}")
            if not table.sound:
                raise ConfigurationError(f"{what} of {kind!r}: not as this version keeps them; start without that state")
        with self._lock:
            self.forecast = forecast
            self._tables.update(tables)
            self.learns = self.learns or bool(tables)
            for kind, table in self._tables.items():
                for name in table.others:
                    self._learn(kind, name)

    def _controlled(self, kind: str) -> float:
        """Share of runs to keep at the home target."""
        known = self._tables[kind].runs if kind in self._tables else 0
        return max(self.explore, _HALF * (_KNOWN / (_KNOWN + known)) ** 2)

    def _compare(
        self, prompt: float, home: Standing, others: Mapping[str, Standing], calls: Mapping[str, float]
    ) -> tuple[str, dict[str, Choice]]:
        """The name of the target with the cheapest plan, empty if staying is cheapest; and the comparison with each target."""
        choices = compared(home, others, prompt, self.forecast.outlook, self._lapse, calls)
        cheaper = [(choice.other, name) for name, choice in choices.items() if choice.other < choice.home]
        return min(cheaper)[1] if cheaper else "", choices

    def _lapse(self, at: Standing) -> float:
        """Probability that its cache is lost by the next call, if this call is made elsewhere."""
        longest, found = at[0].longest, at[1]
        if not found.tokens or found.age <= _YOUNG * longest:
            return 0.0
        return self.forecast.pause_between(longest - found.age, longest)

    def _run(self, thread: ThreadState, kind: str, easy: bool, by: str) -> None:
        """Learn from this call whether the run continued or ended with the previous one."""
        ended, given, length, last = not easy, easy and bool(by), thread["run"], thread["by"]
        if length and last:
            self._table(kind).called(last, length, ended=ended)
            self._learn(kind, last)
        if length and not thread["shared"] and (ended or given):
            self._table(kind).add(length, ended=ended)
        thread["shared"] = not ended and (thread["shared"] or given)

    def _learn(self, kind: str, name: str) -> None:
        evidence = self._table(kind).evidence(name)
        if evidence is not None:
            self._needed.setdefault(name, CallsNeeded()).learn(kind, evidence)
        elif self.explore:
            self._needed.setdefault(name, CallsNeeded())

    def _table(self, kind: str) -> LifeTable:
        if kind not in self._tables and len(self._tables) >= _KINDS:
            return next(iter(self._tables.values()))
        return self._tables.setdefault(kind, LifeTable())
