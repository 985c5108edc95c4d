"""What each provider still has cached, and what that means for the next call."""

from switchwise.prompt_cache.ledger import Expectation, Ledger
from switchwise.prompt_cache.rates import Tariff
from switchwise.prompt_cache.rules import CacheRule, CacheRules
from switchwise.switching.advice import Advice
from switchwise.switching.advisor import Advisor
from switchwise.switching.delegation import Delegation, delegation
from switchwise.switching.forecast import Priors
from switchwise.switching.plan import Choice, Outlook, Standing, compare
from switchwise.switching.planner import Planner

__all__ = [
    "Advice",
    "Advisor",
    "CacheRule",
    "CacheRules",
    "Choice",
    "Delegation",
    "Expectation",
    "Ledger",
    "Outlook",
    "Planner",
    "Priors",
    "Standing",
    "Tariff",
    "compare",
    "delegation",
]
