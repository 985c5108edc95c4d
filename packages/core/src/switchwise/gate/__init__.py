"""The gate: finished work is checked before a run ends, and goes back where it is not good."""

from switchwise.gate.finding import Begins, Check, ChecksAsync, Finding, Standing, Work
from switchwise.gate.gate import CAREFUL, MARK, Gate, Passage, Ruling

__all__ = ["CAREFUL", "MARK", "Begins", "Check", "ChecksAsync", "Finding", "Gate", "Passage", "Ruling", "Standing", "Work"]
