"""What each policy of the catalogue costs at a decision: microseconds above a router without it.

.venv/bin/python tools/policy_costs.py

Four targets, a conversation of forty turns that nobody has read yet, the first example of each class (the one that its contract is checked
with). Medians in CPU time of the thread, whatever else the machine does. What a policy asks of a model is neither called nor counted.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from switchwise import Router, Scope, Turn, View
from switchwise.config.registry import known
from switchwise.nouns.exchange.conversation import Conversation
from switchwise.testing import material

CALLS, ROUNDS = 60, 7


def views() -> list[View]:
    """Calls whose user's last turn differs, so that nothing is found again."""
    turns = [Turn("user" if i % 2 == 0 else "assistant", f"turn {i}, some words that say what is wanted") for i in range(40)]
    return [
        View(Scope(f"s{i}", "coder"), 9_000, conversation=Conversation([*turns, Turn("user", f"Why does request {i} fail?")]))
        for i in range(CALLS)
    ]


def example(cls: type) -> Any:
    """An instance, as the contract is checked with."""
    return cls._examples()[0] if hasattr(cls, "_examples") else cls()


def micros(work: Any, asked: list[View]) -> float:
    """Median CPU time of one call."""
    taken = []
    for _ in range(ROUNDS):
        for view in asked:
            began = time.thread_time_ns()
            work(view)
            taken.append((time.thread_time_ns() - began) / 1e3)
    return statistics.median(taken)


def main() -> None:
    """Print a line for each."""
    asked, pool = views(), material.pool()
    bare = micros(Router(pool).decide, asked)
    print(f"a router without policies: {bare:.1f} us")
    for name, cls in sorted(known("policies").items()):
        if isinstance(cls, type):
            print(f"{name:16} {max(micros(Router(pool, example(cls)).decide, asked) - bare, 0.0):8.1f}")


if __name__ == "__main__":
    main()
