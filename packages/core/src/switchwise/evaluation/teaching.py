"""What a router would have learnt from a recording: so that a service that starts again is not cold."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from switchwise.evaluation.cost_model import Lane
from switchwise.evaluation.journals import is_journal, read_journal
from switchwise.evaluation.policies import kind
from switchwise.evaluation.routers import advisor_of, tariffs
from switchwise.evaluation.sessions import EASY, Thread, read_sessions
from switchwise.prompt_cache.rates import Tariff
from switchwise.router import Router
from switchwise.switching.planner import Planner


def teach(router: Router, path: str | Path, easy: Collection[str] = EASY["reads"]) -> int:
    """Let the planners of a router learn from its journal, or from sessions recorded before there was a router.

    They learn the rhythm of the calls, how many calls each target needs, and what switching has cost so far. Costs are those of the
    replay's model, not the recorded ones. What is cached where is not carried over: caches do not live that long.

    Parameters:
        router: its pool should have the targets of the journal; calls of others are left out.
        path: a file that `JsonLines` wrote, or of the `agent_sessions` format: the strongest target is taken to have made those calls.
        easy: what counts as easy in the latter.

    Returns the number of calls that were taken in; 0: no policy of the router plans.

    Raises:
        ConfigurationError: the file is neither, or a target has no price.
    """
    threads = read_journal(path).threads if is_journal(path) else read_sessions(path, easy)
    priced = dict(zip([target.name for target in router.pool.targets], tariffs(router), strict=True))
    advisors = {id(advisor): advisor for policy in router.policies if (advisor := advisor_of(policy)) is not None}
    taken = 0
    for thread in sorted(threads, key=lambda thread: thread.steps[0].at):
        counts = [_learn(advisor.planner, thread, priced) for advisor in advisors.values()]
        taken += max(counts, default=0)
    return taken


def _learn(planner: Planner, thread: Thread, priced: dict[str, Tariff]) -> int:
    home = next(iter(priced))
    lanes: dict[str, Lane] = {}
    course = planner.course(kind(thread))
    taken = 0
    planner.learns = True
    for step in thread.steps:
        name = step.by or home
        if name not in priced:
            continue
        taken += 1
        home = home if step.easy else name
        for lane in lanes.values():
            lane.cut(step.kept)
        lane = lanes.setdefault(name, Lane(priced[name], 0 if lanes else thread.shared, step.at))
        other = "" if name == home else name
        cost = lane.call(step.at, step.prompt, step.output)
        planner.saw(
            course,
            step.at,
            step.prompt,
            step.output,
            easy=step.easy,
            kept=min(step.kept, course.prompt),
            home=priced[home],
            model=other,
            cost=cost,
        )
    planner.ended(course)
    return taken
