"""switchwise: sends each model call of an agent to the model that should answer it."""

from typing import TYPE_CHECKING

from switchwise.engine.drive import adrive, drive
from switchwise.engine.policy import Flow, Policy
from switchwise.engine.run import Run
from switchwise.lazily import lazily
from switchwise.nouns.call import Attempt, Call, Outcome
from switchwise.nouns.errors import (
    AllTargetsFailed,
    BudgetExceeded,
    ConfigurationError,
    FailureKind,
    Interrupted,
    NoTarget,
    SwitchwiseError,
    TargetError,
)
from switchwise.nouns.exchange.ask import Ask, Question
from switchwise.nouns.exchange.gather import Gather, Repeat, Together
from switchwise.nouns.exchange.limits import Limits
from switchwise.nouns.exchange.on_broken import Continue
from switchwise.nouns.exchange.reply import Answer, EndReason, Reply, Verdict
from switchwise.nouns.scope import Level, Scope
from switchwise.nouns.shortlist import Note, Shortlist
from switchwise.nouns.signals import Phase, Signals, StepKind, Turn
from switchwise.nouns.target import Capabilities, Pool, Price, Target
from switchwise.nouns.usage import Usage, usage_of
from switchwise.nouns.view import Needs, View
from switchwise.observe.spending import spending
from switchwise.policies.hold import hold
from switchwise.router import Router

if TYPE_CHECKING:
    from switchwise.adapting.efforts import efforts
    from switchwise.suggestion import Suggestion

__version__ = "0.1.0"

__all__ = [
    "AllTargetsFailed",
    "Answer",
    "Ask",
    "Attempt",
    "BudgetExceeded",
    "Call",
    "Capabilities",
    "ConfigurationError",
    "Continue",
    "EndReason",
    "FailureKind",
    "Flow",
    "Gather",
    "Interrupted",
    "Level",
    "Limits",
    "Needs",
    "NoTarget",
    "Note",
    "Outcome",
    "Phase",
    "Policy",
    "Pool",
    "Price",
    "Question",
    "Repeat",
    "Reply",
    "Router",
    "Run",
    "Scope",
    "Shortlist",
    "Signals",
    "StepKind",
    "Suggestion",
    "SwitchwiseError",
    "Target",
    "TargetError",
    "Together",
    "Turn",
    "Usage",
    "Verdict",
    "View",
    "adrive",
    "drive",
    "efforts",
    "hold",
    "spending",
    "usage_of",
]

if not TYPE_CHECKING:
    __getattr__ = lazily(__name__, ["Suggestion", "efforts"], efforts="adapting.efforts")
