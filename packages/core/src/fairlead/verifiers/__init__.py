"""The verifiers: they judge replies before these are shown. Give one to a router as `verify=`; a plain function will do."""

from fairlead.verifiers.judge import Judge
from fairlead.verifiers.predicate import Predicate
from fairlead.verifiers.schema import Schema

__all__ = ["Judge", "Predicate", "Schema"]
