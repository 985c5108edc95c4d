"""The verifiers: they judge replies before these are shown, and finished work before a run ends.

Give one of the first kind to a router as `verify=`; a plain function will do. `Command` judges finished work: give it to a
`switchwise.gate.Gate`.
"""

from switchwise.verifiers.answers import NotCut, NotEmpty, Parses, Usable, usable
from switchwise.verifiers.command import Command
from switchwise.verifiers.judge import Judge
from switchwise.verifiers.predicate import Predicate
from switchwise.verifiers.schema import Schema

__all__ = ["Command", "Judge", "NotCut", "NotEmpty", "Parses", "Predicate", "Schema", "Usable", "usable"]
