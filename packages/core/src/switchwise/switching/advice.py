"""What is said of one call: who should take it, and why, in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from switchwise.nouns.target import Target
from switchwise.switching.plan import Choice
from switchwise.switching.planner import CONTROL, TRIAL


class Advice(NamedTuple):
    """Who should take a call.

    Parameters:
        best: name of the target.
        values: name -> expected USD of the plan that begins with it; only their order counts between targets that are not `best`.
        mode: what the decision is for: see `planner`.
        home: name of the target that hard calls of the thread go to.
        choices: name -> the arithmetic against home.
        blind: names of targets of whose caching nothing is known.
    """

    best: str
    values: Mapping[str, float]
    mode: str
    home: str
    choices: Mapping[str, Choice]
    blind: tuple[str, ...]

    def because(self, target: Target) -> str:
        """The arithmetic in one line."""
        known = f"; nothing is known of caching at {', '.join(self.blind)}" if self.blind else ""
        if self.mode == CONTROL:
            return f"stay: this stretch is left to {self.home}, to learn how many calls it needs{known}"
        if target.name in self.choices:
            trial = " (tried although it seemed to need more calls)" if self.mode == TRIAL else ""
            return f"go: {_go(self.choices[target.name], self.home)}{trial}{known}"
        if not self.choices:
            return f"{target.name} is the only one with a price{known}"
        name, choice = min(self.choices.items(), key=lambda item: item[1].other)
        return f"stay: {_stay(choice, name)}{known}"


def lead_of(advice: Advice) -> float:
    """How far the best plan is ahead of the next, as a share of what that costs."""
    if not advice.choices:
        return 1.0
    plans = [choice.other for choice in advice.choices.values()]
    plans.append(min([choice.home for choice in advice.choices.values()]))
    least, second = sorted(plans)[:2]
    return 1.0 - least / second if second > 0.0 else 0.0


def _go(choice: Choice, home: str) -> str:
    if choice.cold > 0.5 * choice.other_call and choice.saving > 0.0:
        return (
            f"a cold write of ${choice.cold:.3f} is repaid by {choice.easy:.1f} easy calls that save ${choice.saving:.4f} each"
        )
    return f"${choice.other_call:.4f} against ${choice.home_call:.4f} at {home}"


def _stay(choice: Choice, name: str) -> str:
    if choice.saving <= 0.0:
        return f"a call at {name} would cost ${-choice.saving:.4f} more than reading what is cached here"
    if choice.cold > 0.5 * choice.other_call:
        return f"a cold write of ${choice.cold:.3f} would not be repaid by {choice.easy:.1f} easy calls at ${choice.saving:.4f}"
    return (
        f"${choice.other_call:.4f} at {name} now, and what would have to be written again here, against ${choice.home_call:.4f}"
    )
