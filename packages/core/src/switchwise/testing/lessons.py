"""What the checks of `check_policy` do with a policy: make it, teach it, ask for its decisions and look at its state."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from switchwise.engine.policy import Checks, Learns, Policy, Remembers
from switchwise.nouns.call import Attempt
from switchwise.nouns.target import Pool
from switchwise.nouns.view import View
from switchwise.testing import material

Make = Callable[[], Policy]


def fresh(make: Make, pool: Pool) -> Policy:
    """A policy that has seen the pool and learned nothing."""
    policy = make()
    if isinstance(policy, Checks):
        policy.check(pool)
    return policy


def taught(make: Make, pool: Pool, lasting: bool = True) -> Policy:
    """A policy that has learned attempts of every kind."""
    policy = fresh(make, pool)
    teach(policy, pool, lasting)
    return policy


def teach(policy: Policy, pool: Pool, lasting: bool = True, change: Callable[[View], View] = lambda view: view) -> None:
    """Let it learn attempts of every kind at every target.

    Parameters:
        lasting: failures that last until a restart are among them.
        change: applied to each request.

    Raises:
        AssertionError: it raises an exception.
    """
    if not isinstance(policy, Learns):
        return
    for view in material.views()[::3]:
        for target in pool:
            for attempt in material.attempts(policy, pool, change(view), target, lasting):
                try:
                    policy.learn(attempt)
                except Exception as error:  # raised below, with the lesson in its words
                    raise AssertionError(f"it raised {error!r} when it learned {_described(attempt)}") from error


def _described(attempt: Attempt) -> str:
    if attempt.error is not None:
        return f"a failure ({attempt.error.kind.value})"
    if attempt.reply is None:
        return "an abandoned call"
    whose = "the answer to a question" if attempt.call.ask is not None else "an answer"
    return whose if attempt.reply.usage is not None else f"{whose} of unknown usage"


def decisions(policy: Policy, pool: Pool) -> list[object]:
    """What it decides for every request and every earlier shortlist."""
    answers = [material.answer(policy, view, before) for view in material.views() for before in material.shortlists(pool)]
    return [(answer.names, answer.notes) for answer in answers]


def dumped(policy: Policy) -> object:
    """Its state, ignoring the order of use."""
    return in_order(policy.dump()) if isinstance(policy, Remembers) else None


def in_order(state: Any) -> Any:
    """The state with its lists sorted."""
    if isinstance(state, Mapping):
        return {key: in_order(value) for key, value in state.items()}
    return sorted(map(in_order, state), key=json.dumps) if isinstance(state, list | tuple) else state


def size(root: object) -> int:
    """Bytes of all that it keeps."""
    return sum(map(sys.getsizeof, material.reached(root)))
