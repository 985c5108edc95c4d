"""The policies: one to a file, each with parameters, an example that runs, and its source."""

from switchwise.policies.anchor import Anchor
from switchwise.policies.budget import Budget
from switchwise.policies.by_agent import ByAgent
from switchwise.policies.by_decision import ByDecision
from switchwise.policies.by_phase import ByPhase
from switchwise.policies.by_step import ByStep
from switchwise.policies.canary import Canary
from switchwise.policies.cheapest import Cheapest
from switchwise.policies.escalate import Escalate
from switchwise.policies.explore import Explore
from switchwise.policies.fits import Fits
from switchwise.policies.floor import Floor
from switchwise.policies.follow_decision import Follows
from switchwise.policies.healthy import Healthy
from switchwise.policies.hold import hold
from switchwise.policies.rules import Rules
from switchwise.policies.stick import Stick
from switchwise.policies.weighted import Weighted
from switchwise.policies.worth import Worth

__all__ = [
    "Anchor",
    "Budget",
    "ByAgent",
    "ByDecision",
    "ByPhase",
    "ByStep",
    "Canary",
    "Cheapest",
    "Escalate",
    "Explore",
    "Fits",
    "Floor",
    "Follows",
    "Healthy",
    "Rules",
    "Stick",
    "Weighted",
    "Worth",
    "hold",
]
