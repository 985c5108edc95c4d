"""Estimators of each target's chance to solve a call, with evidence and source; one per file. docs/guide/quality.md compares
them.
"""

from typing import TYPE_CHECKING

from switchwise.lazily import lazily
from switchwise.quality.estimate import Estimate, Estimator, Grade, estimate

if TYPE_CHECKING:
    from switchwise.quality.ask_model import AskModel
    from switchwise.quality.complexity import Complexity
    from switchwise.quality.label_table import LabelTable
    from switchwise.quality.nearest import Nearest
    from switchwise.quality.priors import Priors
    from switchwise.quality.saved import load_quality, save_quality
    from switchwise.quality.semantic import Semantic
    from switchwise.quality.shrunk import Shrunk
    from switchwise.quality.task_memory import TaskMemory
    from switchwise.quality.text_difficulty import TextDifficulty

__all__ = [
    "AskModel",
    "Complexity",
    "Estimate",
    "Estimator",
    "Grade",
    "LabelTable",
    "Nearest",
    "Priors",
    "Semantic",
    "Shrunk",
    "TaskMemory",
    "TextDifficulty",
    "estimate",
    "load_quality",
    "save_quality",
]

if not TYPE_CHECKING:
    __getattr__ = lazily(__name__, __all__, load_quality="saved", save_quality="saved")
