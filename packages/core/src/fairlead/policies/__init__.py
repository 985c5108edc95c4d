"""The policies: one to a file, each with parameters, an example that runs, and its source."""

from fairlead.policies.budget import Budget
from fairlead.policies.by_agent import ByAgent
from fairlead.policies.by_phase import ByPhase
from fairlead.policies.by_step import ByStep
from fairlead.policies.cheapest import Cheapest
from fairlead.policies.fits import Fits
from fairlead.policies.healthy import Healthy
from fairlead.policies.rules import Rules
from fairlead.policies.stick import Stick
from fairlead.policies.weighted import Weighted

__all__ = [
    "Budget",
    "ByAgent",
    "ByPhase",
    "ByStep",
    "Cheapest",
    "Fits",
    "Healthy",
    "Rules",
    "Stick",
    "Weighted",
]
