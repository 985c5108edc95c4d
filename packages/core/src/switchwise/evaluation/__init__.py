"""Recorded outcomes and sessions: what other decisions would have cost, with standard errors."""

from switchwise.evaluation.compare import Comparison, JournalBill, compare_recording
from switchwise.evaluation.cost_model import Delegation, delegation
from switchwise.evaluation.journals import Journal, read_journal
from switchwise.evaluation.replay import PairResult, PolicyTotals, Setting, replay, simulate
from switchwise.evaluation.routers import load_router, replay_router
from switchwise.evaluation.sessions import EASY, Step, Thread, read_sessions
from switchwise.evaluation.teaching import teach

__all__ = [
    "EASY",
    "Comparison",
    "Delegation",
    "Journal",
    "JournalBill",
    "PairResult",
    "PolicyTotals",
    "Setting",
    "Step",
    "Thread",
    "compare_recording",
    "delegation",
    "load_router",
    "read_journal",
    "read_sessions",
    "replay",
    "replay_router",
    "simulate",
    "teach",
]
