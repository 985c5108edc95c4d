"""Regret of exploring policies on recorded outcomes, against knowing the best target. Needs numpy.

A call draws a task at random; the policy decides with what it learnt so far; the recorded outcome of the target that it chose is its
lesson. The reward is 1 for a solved task, less 0.05 x cost over the cost of the best single target. Regret counts against the best target
for each label, known beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from switchwise.evaluation.outcomes.table import Outcomes
from switchwise.nouns.scope import Scope
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.signals import Signals
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.view import View
from switchwise.policies.explore import Explore
from switchwise.quality.estimate import Estimate, Grade
from switchwise.quality.label_table import LabelTable
from switchwise.quality.shrunk import Shrunk

COST_WEIGHT = 0.05
LOST = 0.4  # share of its successes that the worsening target loses half-way
_START = Signals(first=True)


class Published:
    """A prior for each label and target, off by a fixed error; its costs are right.

    Parameters:
        rates: label -> target -> probability.
        dollars: label -> target -> cost.
        n: outcomes that it is worth.
    """

    def __init__(self, rates: dict[str, dict[str, float]], dollars: dict[str, dict[str, float]], n: float) -> None:
        self.rates, self.dollars, self.n = rates, dollars, n

    def estimate(self, view: View, targets: Sequence[Target], given: Sequence[Estimate]) -> Sequence[Estimate]:  # noqa: ARG002
        rates, dollars = self.rates[view.scope.agent], self.dollars[view.scope.agent]
        return [Estimate(rates[target.name], self.n, dollars[target.name], None, "a prior") for target in targets]


@dataclass(frozen=True, slots=True)
class Regret:
    """Regret per 1,000 calls against the best target for each label: mean, and the 2.5th and 97.5th percentile of the seeds."""

    mean: float
    low: float
    high: float


def regret(
    outcomes: Outcomes,
    *,
    prior: float = 20.0,
    off: float = 0.1,
    notices: bool = True,
    worsens: bool = False,
    calls: int = 3_000,
    seeds: int = 30,
) -> Regret:
    """Regret of `Explore` over a `LabelTable`.

    Parameters:
        outcomes: complete, few targets.
        prior: outcomes that a prior is worth; 0: a flat one, worth one outcome.
        off: standard deviation of the prior's error, drawn per seed.
        notices: the table forgets where a rate is shown to have dropped.
        worsens: the target that is best for the first label loses 40 % of its successes half-way.
    """

    def deciding(rng: Random, rates: Any, dollars: Any) -> Callable[[str, int], tuple[str, Callable[[float], None]]]:
        guessed = {
            label: {name: min(max(p + rng.gauss(0, off), 0.02), 0.98) if prior else 0.5 for name, p in row.items()}
            for label, row in rates.items()
        }
        table = LabelTable(lambda view: (view.scope.agent,), prior=max(prior, 1.0), notices=notices)
        quality = Shrunk(Published(guessed, dollars, max(prior, 1.0)), table)
        policy = Explore(quality, value=1.0)
        pool = Pool([Target(name) for name in outcomes.targets])
        whole = Shortlist(pool)

        def decide(label: str, seed: int) -> tuple[str, Callable[[float], None]]:
            view = View(Scope(agent=label), signals=_START, seed=seed)
            name = policy(view, whole).targets[0].name
            return name, lambda solved: table.observe(table.filed(view), name, Grade(solved, "task"))

        return decide

    return _run(outcomes, deciding, worsens, calls, seeds)


def regret_of_the_best_single(outcomes: Outcomes, worsens: bool = False, calls: int = 3_000, seeds: int = 30) -> Regret:
    """Regret of the one target that is best over all labels, known beforehand."""

    def deciding(rng: Random, rates: Any, dollars: Any) -> Callable[[str, int], tuple[str, Callable[[float], None]]]:  # noqa: ARG001
        values = {
            name: sum((rates[label][name] - dollars[label][name]) * outcomes.labels.count(label) for label in rates)
            for name in outcomes.targets
        }
        best = max(values, key=values.__getitem__)
        return lambda label, seed: (best, lambda solved: None)  # noqa: ARG005

    return _run(outcomes, deciding, worsens, calls, seeds)


def _run(outcomes: Outcomes, deciding: Any, worsens: bool, calls: int, seeds: int) -> Regret:
    import numpy as np

    scores, labels = outcomes.scores, np.array(outcomes.labels)
    dear = float(outcomes.costs[:, scores.mean(axis=0).argmax()].mean())
    costs = COST_WEIGHT * outcomes.costs / dear
    names = sorted(set(outcomes.labels))
    at = {name: i for i, name in enumerate(outcomes.targets)}

    def means(values: Any) -> dict[str, dict[str, float]]:
        return {
            label: dict(zip(outcomes.targets, values[labels == label].mean(axis=0).tolist(), strict=True)) for label in names
        }

    rates, dollars = means(scores), means(costs)
    first = names[0]
    worse = max(outcomes.targets, key=lambda name: rates[first][name] - dollars[first][name])
    totals = []
    for seed in range(seeds):
        rng = Random(seed)
        decide = deciding(rng, rates, dollars)
        lost = 0.0
        for call in range(calls):
            task = rng.randrange(len(outcomes))
            label = outcomes.labels[task]
            broken = worsens and call >= calls // 2

            def worth(name: str, label: str = label, broken: bool = broken) -> float:
                kept = 1 - LOST if broken and name == worse else 1.0
                return rates[label][name] * kept - dollars[label][name]

            name, tell = decide(label, rng.getrandbits(64))
            solved = float(scores[task, at[name]])
            if broken and name == worse and rng.random() < LOST:
                solved = 0.0
            tell(solved)
            lost += max(map(worth, outcomes.targets)) - worth(name)
        totals.append(1_000 * lost / calls)
    low, high = np.percentile(totals, [2.5, 97.5])
    return Regret(float(np.mean(totals)), float(low), float(high))
