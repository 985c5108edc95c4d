"""Stay or switch: compare the expected cost of plans until the prompt caches are lost."""

from switchwise.switching.forecast import CallPriors
from switchwise.switching.plan import Choice, Outlook, Standing, compared
from switchwise.switching.planner import Planner
from switchwise.switching.thread_state import NEW, ThreadState

__all__ = ["NEW", "CallPriors", "Choice", "Outlook", "Planner", "Standing", "ThreadState", "compared"]
