"""What each provider still has cached, and what that means for the next call."""

from fairlead.caching.advice import Advice
from fairlead.caching.advisor import Advisor
from fairlead.caching.delegation import Delegation, delegation
from fairlead.caching.habits import Priors
from fairlead.caching.keep_warm import KeepWarm
from fairlead.caching.ledger import Expectation, Ledger
from fairlead.caching.plan import Choice, Outlook, Standing, compare
from fairlead.caching.planner import Planner
from fairlead.caching.rules import CacheRule, CacheRules
from fairlead.caching.tariff import Tariff

__all__ = [
    "Advice",
    "Advisor",
    "CacheRule",
    "CacheRules",
    "Choice",
    "Delegation",
    "Expectation",
    "KeepWarm",
    "Ledger",
    "Outlook",
    "Planner",
    "Priors",
    "Standing",
    "Tariff",
    "compare",
    "delegation",
]
