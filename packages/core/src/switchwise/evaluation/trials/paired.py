"""Compare two routers on the same recorded tasks, paired. Needs numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from switchwise.display.tables import card, table
from switchwise.evaluation.measures.curves import Resamples
from switchwise.evaluation.measures.interval import Interval
from switchwise.evaluation.measures.parallel import each
from switchwise.evaluation.outcomes.table import Outcomes
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.conversation import Conversation
from switchwise.nouns.scope import Scope
from switchwise.nouns.signals import Signals, StepKind, Turn
from switchwise.nouns.view import Needs, View
from switchwise.router import Router


@dataclass(frozen=True, slots=True, repr=False)
class Compared:
    """Two routers on the same tasks.

    Parameters:
        solved, cost: of each, per task.
        dollars_per_solved: of each; of nothing where nothing was solved.
        solved_difference, cost_difference: second minus first, paired.
        same: share of the tasks for which both chose the same target.
        shares: of each: target -> share of the tasks.
        unit: of the costs.
    """

    solved: tuple[Interval, Interval]
    cost: tuple[Interval, Interval]
    dollars_per_solved: tuple[Interval, Interval]
    solved_difference: Interval
    cost_difference: Interval
    same: float
    shares: tuple[Mapping[str, float], Mapping[str, float]]
    unit: str = ""

    @property
    def verdict(self) -> str:
        """What the outcomes show, in one sentence."""
        solved, cost = (_side(found) for found in (self.solved_difference, self.cost_difference))
        more = {1: "the second solves more", -1: "the second solves less", 0: "no difference in what is solved is shown"}[
            solved
        ]
        return f"{more}, and {({1: 'it costs more', -1: 'it costs less', 0: 'none in cost'})[cost]}"

    def __str__(self) -> str:
        def points(found: Interval) -> str:
            if found.value is None or found.low is None or found.high is None:
                return "?" if found.value is None else f"{found.value * 100:.1f}"
            return f"{found.value * 100:.1f} [{found.low * 100:.1f}, {found.high * 100:.1f}]"

        lines = [
            f"{name}: solves {points(self.solved[place])} % at {self.cost[place]} a task, {self.dollars_per_solved[place]} per solved task"
            for place, name in enumerate(("first", "second"))
        ]
        return "\n".join(
            [
                *lines,
                f"second - first, on the same tasks: {points(self.solved_difference)} points, {self.cost_difference} a task; costs in {self.unit or '?'}, 95 % over tasks",
                f"{self.verdict}; both choose the same target for {self.same:.0%}",
            ]
        )

    def __repr__(self) -> str:
        return f"Compared(second - first: solved {self.solved_difference}, cost {self.cost_difference}; same target for {self.same:.0%})"

    def _repr_html_(self) -> str:
        rows = [
            [
                name,
                *(str(each[place]) for each in (self.solved, self.cost, self.dollars_per_solved)),
                ", ".join(
                    f"{target} {share:.0%}" for target, share in sorted(self.shares[place].items(), key=lambda item: -item[1])
                ),
            ]
            for place, name in enumerate(("first", "second"))
        ]
        rows.append(["second - first", str(self.solved_difference), str(self.cost_difference), "", ""])
        title = f"Two routers on the same tasks; both choose the same target for {self.same:.0%}"
        return card(title, table(("router", "solved", "cost per task", "cost per solved", "targets"), rows, numbers=(1, 2, 3)))

    def as_dict(self) -> dict[str, Any]:
        """In JSON types."""
        found = asdict(self)
        for name in ("solved", "cost", "dollars_per_solved"):
            found[name] = [part.as_dict() for part in getattr(self, name)]
        for name in ("solved_difference", "cost_difference"):
            found[name] = getattr(self, name).as_dict()
        return found


def _side(found: Interval) -> int:
    """1: above 0 with its whole interval; -1: below; 0: neither, or no interval."""
    if found.low is None or found.high is None:
        return 0
    return 1 if found.low > 0 else -1 if found.high < 0 else 0


def compare(
    outcomes: Outcomes, first: Router, second: Router, samples: int = 300, seed: int = 0, jobs: int | None = None
) -> Compared:
    """What two routers would have reached: each task is put to both as the first call of a session, and the recorded outcome counts.

    Parameters:
        outcomes: their targets go by the names, or the models, of the routers' targets.
        first, second: routers; they decide without calls and do not learn.
        samples: resamples of the bootstrap.
        jobs: processes, as in `each`: each router decides in one. They must then be of the kind that can be pickled.

    Raises:
        ConfigurationError: a router chose a target that the outcomes do not have.
    """
    import numpy as np

    whole = outcomes.complete()
    chosen = each(partial(decisions, whole), (first, second), jobs)
    at = np.arange(len(whole))
    draws = Resamples(whole.groups(), samples, seed)
    solved = [draws.means(whole.scores[at, row][None])[:, 0] for row in chosen]
    cost = [draws.means(whole.costs[at, row][None])[:, 0] for row in chosen]
    per = [spent / np.where(got > 0, got, np.nan) for got, spent in zip(solved, cost, strict=True)]
    shares = [
        {
            whole.targets[i]: count / len(whole)
            for i, count in enumerate(np.bincount(row, minlength=len(whole.targets)).tolist())
            if count
        }
        for row in chosen
    ]

    def both(values: Sequence[Any]) -> tuple[Interval, Interval]:
        return Interval.of(values[0]), Interval.of(values[1])

    return Compared(
        both(solved),
        both(cost),
        both(per),
        Interval.of(solved[1] - solved[0]),
        Interval.of(cost[1] - cost[0]),
        float((chosen[0] == chosen[1]).mean()),
        (shares[0], shares[1]),
        whole.unit,
    )


def decisions(outcomes: Outcomes, router: Router) -> Any:
    """(tasks,) which target the router would call first for each task.

    Raises:
        ConfigurationError: it chose a target that the outcomes do not have, by name or model.
    """
    import numpy as np

    at = {name: i for i, name in enumerate(outcomes.targets)}
    columns = {target.name: at.get(target.name, at.get(target.model)) for target in router.pool}
    found = []
    for i, label in enumerate(outcomes.labels):
        text = outcomes.texts[i] if outcomes.texts is not None else ""
        view = View(
            Scope(session=outcomes.tasks[i], agent=label or "main"),
            tokens=len(text) // 4,
            needs=Needs(tools=outcomes.agentic),
            signals=Signals(step=StepKind.USER_TURN, first=True),
            conversation=Conversation([Turn("user", text)]) if text else Conversation(),
        )
        name = router.decide(view).names[0]
        column = columns[name]
        if column is None:
            raise ConfigurationError(
                f"{outcomes.name}: nothing is recorded of target {name!r}; it has {', '.join(outcomes.targets[:8])}"
                f"{' ...' if len(outcomes.targets) > 8 else ''}: name targets or their models so"
            )
        found.append(column)
    return np.array(found)
