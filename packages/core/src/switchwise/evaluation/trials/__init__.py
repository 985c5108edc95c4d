"""Routers tried on recorded outcomes, beside the baselines that humble them."""

from switchwise.evaluation.trials.evaluate import SetResult, evaluate

__all__ = ["SetResult", "evaluate"]
