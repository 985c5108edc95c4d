"""The policies, one per file, each with parameters, a doctest and its source."""

from typing import TYPE_CHECKING

from switchwise.lazily import lazily
from switchwise.policies.hold import hold

if TYPE_CHECKING:
    from switchwise.policies.allow_list import AllowList
    from switchwise.policies.anchor import Anchor
    from switchwise.policies.budget import Budget
    from switchwise.policies.by_agent import ByAgent
    from switchwise.policies.by_decision import ByDecision
    from switchwise.policies.by_phase import ByPhase
    from switchwise.policies.by_step import ByStep
    from switchwise.policies.canary import Canary
    from switchwise.policies.cap import Cap
    from switchwise.policies.cheapest import Cheapest
    from switchwise.policies.consensus import Consensus
    from switchwise.policies.escalate import Escalate
    from switchwise.policies.explore import Explore
    from switchwise.policies.fits import Fits
    from switchwise.policies.floor import Floor
    from switchwise.policies.follow_decision import Follows
    from switchwise.policies.guard import Guard
    from switchwise.policies.headroom import Headroom
    from switchwise.policies.healthy import Healthy
    from switchwise.policies.hedge import Hedge
    from switchwise.policies.least_busy import LeastBusy
    from switchwise.policies.lowest_latency import LowestLatency
    from switchwise.policies.may_pin import MayPin
    from switchwise.policies.next_turn import NextTurn
    from switchwise.policies.rate_limits import RateLimits
    from switchwise.policies.residency import Residency
    from switchwise.policies.rotation import Rotation
    from switchwise.policies.rules import Rules
    from switchwise.policies.stick import Stick
    from switchwise.policies.weighted import Weighted
    from switchwise.policies.worth import Worth

__all__ = [
    "AllowList",
    "Anchor",
    "Budget",
    "ByAgent",
    "ByDecision",
    "ByPhase",
    "ByStep",
    "Canary",
    "Cap",
    "Cheapest",
    "Consensus",
    "Escalate",
    "Explore",
    "Fits",
    "Floor",
    "Follows",
    "Guard",
    "Headroom",
    "Healthy",
    "Hedge",
    "LeastBusy",
    "LowestLatency",
    "MayPin",
    "NextTurn",
    "RateLimits",
    "Residency",
    "Rotation",
    "Rules",
    "Stick",
    "Weighted",
    "Worth",
    "hold",
]

if not TYPE_CHECKING:
    __getattr__ = lazily(__name__, __all__, Follows="follow_decision")
