"""Test tools: scripted targets, a manual clock, and conformance checks of policies, estimators and adapters."""

from switchwise.testing.adapters import check_adapter
from switchwise.testing.clock import Clock
from switchwise.testing.conformance import check_policy
from switchwise.testing.estimators import check_estimator
from switchwise.testing.scripted import Fails, Says, Script

__all__ = ["Clock", "Fails", "Says", "Script", "check_adapter", "check_estimator", "check_policy"]
