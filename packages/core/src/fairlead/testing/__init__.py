"""What fairlead is tested with, for the tests of those who build on it."""

from fairlead.testing.clock import Clock
from fairlead.testing.conformance import check_policy
from fairlead.testing.scripted import Fails, Says, Script

__all__ = ["Clock", "Fails", "Says", "Script", "check_policy"]
