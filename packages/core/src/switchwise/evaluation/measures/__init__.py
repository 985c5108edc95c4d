"""Measures of routers: curves of quality against cost, with intervals."""

from switchwise.evaluation.measures.interval import Interval

__all__ = ["Interval"]
