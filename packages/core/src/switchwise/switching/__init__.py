"""Stay or switch: compare the expected cost of plans until the prompt caches are lost."""

from switchwise.switching.forecast import Priors
from switchwise.switching.plan import Choice, Comparison, Outlook, Standing, comparison
from switchwise.switching.planner import Planner
from switchwise.switching.thread_state import NEW, ThreadState

__all__ = ["NEW", "Choice", "Comparison", "Outlook", "Planner", "Priors", "Standing", "ThreadState", "comparison"]
