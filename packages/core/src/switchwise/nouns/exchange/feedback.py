"""Outcomes of decisions and their sources, as passed to a router (`Router.feedback`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

WEIGHTS: Mapping[str, float] = {
    "task": 1.0,  # the end of a task: its tests pass, its change was accepted
    "gate": 1.0,  # a check of a whole run: how the run ended
    "sent_back": 1.0,  # a check of a whole run rejected it, and the run continues: its end was claimed wrongly
    "evaluation": 1.0,  # a graded run of an evaluation
    "feedback": 1.0,  # a user or an application said so
    "langsmith": 1.0,  # feedback that was given there
    "review": 0.5,  # a person approved (1), edited (0.5) or rejected (0) it at an interrupt
    "verdict": 0.5,  # a verifier's opinion of one reply
    "recorded": 0.5,  # a recorded set: other prompts, another time
    "user_turn": 0.1,  # what the user said next: weak
}
"""Source of an outcome -> how much it counts, as a share of an outcome that was checked."""
FINAL = frozenset(["task", "gate", "feedback", "evaluation", "langsmith"])
"""Sources that say how a whole task or answer ended."""


class Feedback(NamedTuple):
    """One outcome; `router.feedback(*outcome)` reports it.

    Parameters:
        decision: the id of the decision that turned out so.
        reward: from 0 (bad) to 1 (good).
        kind: source of the outcome, one of `WEIGHTS`.
    """

    decision: str
    reward: float
    kind: str = "feedback"
