"""fairlead: sends each model call of an agent to the model that should answer it."""

from fairlead.call import Attempt, Call, Outcome, Reply, Verdict
from fairlead.drive import adrive, drive
from fairlead.errors import (
    AllTargetsFailed,
    BudgetExceeded,
    ConfigurationError,
    FailureKind,
    FairleadError,
    Interrupted,
    NoTarget,
    TargetError,
)
from fairlead.policy import Flow, Policy, hold
from fairlead.router import Router
from fairlead.run import Run
from fairlead.scope import Level, Scope
from fairlead.shortlist import Note, Shortlist
from fairlead.signals import Phase, Signals, StepKind, Turn
from fairlead.target import Capabilities, Pool, Price, Target
from fairlead.usage import Usage, usage_of
from fairlead.view import Needs, View

__version__ = "0.1.0"

__all__ = [
    "AllTargetsFailed",
    "Attempt",
    "BudgetExceeded",
    "Call",
    "Capabilities",
    "ConfigurationError",
    "FailureKind",
    "FairleadError",
    "Flow",
    "Interrupted",
    "Level",
    "Needs",
    "NoTarget",
    "Note",
    "Outcome",
    "Phase",
    "Policy",
    "Pool",
    "Price",
    "Reply",
    "Router",
    "Run",
    "Scope",
    "Shortlist",
    "Signals",
    "StepKind",
    "Target",
    "TargetError",
    "Turn",
    "Usage",
    "Verdict",
    "View",
    "adrive",
    "drive",
    "hold",
    "usage_of",
]
