"""Teach a router from a recording, so that a restarted service has learned values."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from switchwise.evaluation.journals import is_journal, read_journal
from switchwise.evaluation.policies import BROKEN
from switchwise.evaluation.policies import kind as kind_of
from switchwise.evaluation.routers import advisor_of, cache_rates
from switchwise.evaluation.sessions import EASY, Thread, read_sessions
from switchwise.router import Router
from switchwise.switching.planner import Planner
from switchwise.switching.thread_state import NEW


def teach(router: Router, path: str | Path, easy: Collection[str] = EASY["reads"]) -> int:
    """Let the planners of a router learn from its journal, or from sessions recorded without a router; return the number of calls.

    They learn statistics of the calls, and how many calls each target needs, and keep learning both. Cached prefixes are not learned:
    caches do not live that long.

    Parameters:
        router: its pool should have the targets of the journal; calls of other targets are skipped.
        path: a file of `JsonLines`, or of the `agent_sessions` format, whose calls count as the strongest target's.
        easy: definition of easy calls in the latter.

    Returns the number of learned calls; 0: no policy of the router plans.

    Raises:
        ConfigurationError: the file is neither, or a target has no price.
    """
    threads = read_journal(path).threads if is_journal(path) else read_sessions(path, easy)
    cache_rates(router)  # says which target has no price
    priced = [target.name for target in router.pool.targets]
    advisors = {id(advisor): advisor for policy in router.policies if (advisor := advisor_of(policy)) is not None}
    taken = 0
    for thread in sorted(threads, key=lambda thread: thread.steps[0].at):
        counts = [_learn(advisor.planner, thread, priced) for advisor in advisors.values()]
        taken += max(counts, default=0)
    return taken


def _learn(planner: Planner, thread: Thread, priced: Collection[str]) -> int:
    home = next(iter(priced))
    state, kind = NEW.copy(), kind_of(thread)
    taken = 0
    planner.learns = True
    for step in thread.steps:
        name = step.by or home
        if name not in priced:
            continue
        taken += 1
        home = home if step.easy else name
        broken = step.kept < BROKEN * state["prompt"]
        by = "" if name == home else name
        planner.saw(state, kind, step.at, step.prompt, step.output, easy=step.easy, broken=broken, by=by)
    planner.ended(state, kind)
    return taken
