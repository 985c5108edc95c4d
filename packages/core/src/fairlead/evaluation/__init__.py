"""Recorded outcomes and sessions: what other decisions would have cost, with standard errors."""

from fairlead.evaluation.compare import Bought, Comparison, compare_recording
from fairlead.evaluation.journals import Journal, read_journal
from fairlead.evaluation.replay import PairResult, Setting, Tally, replay, simulate
from fairlead.evaluation.routers import load_router, replay_router
from fairlead.evaluation.sessions import EASY, Step, Thread, read_sessions
from fairlead.evaluation.teaching import teach

__all__ = [
    "EASY",
    "Bought",
    "Comparison",
    "Journal",
    "PairResult",
    "Setting",
    "Step",
    "Tally",
    "Thread",
    "compare_recording",
    "load_router",
    "read_journal",
    "read_sessions",
    "replay",
    "replay_router",
    "simulate",
    "teach",
]
