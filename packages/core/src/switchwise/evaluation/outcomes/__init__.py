"""Recorded outcomes of tasks: who solved what, for how many dollars; read from public and own files."""

from switchwise.evaluation.outcomes.read import read_outcomes
from switchwise.evaluation.outcomes.table import Outcomes

__all__ = ["Outcomes", "read_outcomes"]
