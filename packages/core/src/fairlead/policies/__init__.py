"""The policies: one to a file, each with parameters, an example that runs, and its source."""

from fairlead.policies.by_agent import ByAgent
from fairlead.policies.rules import Rules
from fairlead.policy import Policy
from fairlead.target import Pool

__all__ = ["ByAgent", "Rules", "default_chain"]


def default_chain(pool: Pool) -> tuple[Policy, ...]:  # noqa: ARG001
    """The chain of `Router.default`."""
    return ()
