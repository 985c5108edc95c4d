"""Recorded outcomes and sessions: what other decisions would have cost, with standard errors."""

from fairlead.evaluation.replay import PairResult, Setting, Tally, replay, simulate
from fairlead.evaluation.sessions import EASY, Step, Thread, read_sessions

__all__ = ["EASY", "PairResult", "Setting", "Step", "Tally", "Thread", "read_sessions", "replay", "simulate"]
