"""What each provider still has cached, and what that means for the next call."""

from fairlead.caching.habits import Priors
from fairlead.caching.plan import Choice, Outlook, Standing, compare
from fairlead.caching.planner import Planner
from fairlead.caching.rules import CacheRule, CacheRules
from fairlead.caching.tariff import Tariff

__all__ = ["CacheRule", "CacheRules", "Choice", "Outlook", "Planner", "Priors", "Standing", "Tariff", "compare"]
