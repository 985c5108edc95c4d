"""The verifiers: they judge replies before these are shown. Give one to a router as `verify=`; a plain function will do."""

from switchwise.verifiers.judge import Judge
from switchwise.verifiers.predicate import Predicate
from switchwise.verifiers.schema import Schema

__all__ = ["Judge", "Predicate", "Schema"]
