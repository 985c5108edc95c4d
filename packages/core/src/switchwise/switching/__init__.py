"""Stay or switch: compare the expected cost of plans until the prompt caches are lost."""

from switchwise.switching.forecast import Priors
from switchwise.switching.plan import Choice, Outlook, Standing, compare
from switchwise.switching.planner import Planner
from switchwise.switching.thread_state import ThreadState

__all__ = ["Choice", "Outlook", "Planner", "Priors", "Standing", "ThreadState", "compare"]
