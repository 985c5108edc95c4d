"""Routers tried on recorded outcomes, compared with simple baselines."""

from switchwise.evaluation.trials.evaluate import SetResult, evaluate

__all__ = ["SetResult", "evaluate"]
