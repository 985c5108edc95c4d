"""Verifiers: they judge replies before these are shown, and finished work before a run ends.

A verifier of replies is passed to a router as `verify=`; a plain function is one too. Verifiers that ask models keep `counts`:
their cost and their accuracy by later outcomes. `Command` verifies finished work: pass it to a `switchwise.gate.Gate`.
"""

from switchwise.verifiers.agreement import Agreement
from switchwise.verifiers.all_of import AllOf
from switchwise.verifiers.answers import NotCut, NotEmpty, Parses, Usable, usable
from switchwise.verifiers.any_of import AnyOf
from switchwise.verifiers.command import Command
from switchwise.verifiers.judge import Judge
from switchwise.verifiers.predicate import Predicate
from switchwise.verifiers.rubric import Rubric
from switchwise.verifiers.schema import Schema
from switchwise.verifiers.witness import Witness

__all__ = [
    "Agreement",
    "AllOf",
    "AnyOf",
    "Command",
    "Judge",
    "NotCut",
    "NotEmpty",
    "Parses",
    "Predicate",
    "Rubric",
    "Schema",
    "Usable",
    "Witness",
    "usable",
]
