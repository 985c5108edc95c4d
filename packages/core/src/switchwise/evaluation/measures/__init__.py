"""What a router is worth: curves of quality against cost, and intervals for what is read from them."""

from switchwise.evaluation.measures.interval import Interval

__all__ = ["Interval"]
