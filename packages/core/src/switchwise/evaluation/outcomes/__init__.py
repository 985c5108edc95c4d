"""Recorded outcomes of tasks by target, with costs, read from public and your own files."""

from switchwise.evaluation.outcomes.read import read_outcomes
from switchwise.evaluation.outcomes.table import Outcomes

__all__ = ["Outcomes", "read_outcomes"]
