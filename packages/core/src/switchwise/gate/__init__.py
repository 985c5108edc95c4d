"""The gate: check finished work before a run ends, and send it back if it is rejected."""

from switchwise.gate.finding import Begins, Check, ChecksAsync, Finding, Standing, Work
from switchwise.gate.gate import CAREFUL, MARK, Gate, Passage, Ruling

__all__ = ["CAREFUL", "MARK", "Begins", "Check", "ChecksAsync", "Finding", "Gate", "Passage", "Ruling", "Standing", "Work"]
