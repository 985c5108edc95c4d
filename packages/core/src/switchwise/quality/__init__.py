"""Estimators: how likely each target solves this call, how much is known, and from where. One to a file; docs/quality.md says which when."""

from switchwise.quality.estimate import Estimate, Estimator, Grade, estimate
from switchwise.quality.label_table import LabelTable
from switchwise.quality.priors import Priors
from switchwise.quality.shrunk import Shrunk

__all__ = [
    "Estimate",
    "Estimator",
    "Grade",
    "LabelTable",
    "Priors",
    "Shrunk",
    "estimate",
]
