"""Thompson sampling over `Worth`: where a switch is free, draw each target's chance of success from its posterior.

Use it as insurance against wrong priors and models that get worse, not to save money: with good priors its regret approaches
that of the best fixed choice, never less. Put floors and budgets before it. Hold it per session or agent, so that a thread
keeps its draw.

Source: W. R. Thompson (1933); docs/guide/quality.md has the regret on recorded outcomes.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from random import Random

from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.view import View
from switchwise.quality.choosing import GUARD, Weighs
from switchwise.quality.estimate import Estimate, Estimator


def at_the_start(view: View) -> bool:
    """Return whether a switch is free: the thread has no answer yet."""
    return view.signals.first


class Explore(Weighs):
    """Thompson sampling over an estimator: a target with little evidence is sometimes drawn high, and so gets tried.

    The estimator's evidence sets the spread of the draw: priors count as 20 outcomes in `LabelTable`, which forgets only when a
    rate is shown to have dropped.

    Parameters:
        quality: an estimator that learns, such as `Shrunk(Priors(), LabelTable())`.
        value: worth of a solved task in USD.
        second: cost of a second of waiting in USD.
        free: condition on the request for drawing; otherwise the means count, as in `Worth`. None: the thread has no answer
            yet.
        most: upper bound of the evidence, in outcomes, so that exploration never ends; 0: none.
        when: condition on the request for having an opinion; None: always.

    Raises:
        ConfigurationError: a parameter is out of range, or `quality` is not an estimator.

    >>> from random import Random
    >>> from switchwise import Pool, Router, Signals, Target, View
    >>> from switchwise.policies import Explore
    >>> from switchwise.quality import Priors
    >>> pool = Pool([Target("a", model="minimax-m3"), Target("b", model="claude-opus-4-8"), Target("c", model="house-model")])
    >>> router = Router(pool, Explore(Priors("bug_fixing"), value=5.0, most=20), rng=Random(7))
    >>> first = [router.decide(View(signals=Signals(first=True))).names[0] for _ in range(100)]
    >>> sorted(set(first))
    ['a', 'b', 'c']
    """

    name = "Explore"

    def __init__(
        self,
        quality: Estimator,
        value: float,
        second: float = 0.0,
        *,
        free: Callable[[View], bool] | None = None,
        most: float = 0.0,
        when: Callable[[View], bool] | None = None,
    ) -> None:
        super().__init__(quality, value, second, GUARD, when)
        self.free, self.most = free or at_the_start, most

    def _opinion(self, view: View, shortlist: Shortlist) -> Shortlist:
        targets = shortlist.targets
        estimates = self._estimates(view, targets)
        spent = self._spent(view, targets, estimates)
        if spent is None:
            return shortlist.remark("the cost of the targets is unknown: give prices, or an estimator with costs")
        if not self.free(view):
            if not any(each.n for each in estimates):
                return shortlist.remark("no evidence for any target")
            return self._ranked(shortlist, estimates, spent, [each.p for each in estimates])
        drawn = [self._draw(view.seed, target.base, each) for target, each in zip(targets, estimates, strict=True)]
        doubtful = [each if each.n else each._replace(n=1e-9) for each in estimates]
        return self._ranked(shortlist, doubtful, spent, drawn, ", as drawn")

    def _draw(self, seed: int, name: str, known: Estimate) -> float:
        n = min(known.n, self.most) if self.most else known.n
        bits = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")
        return Random(seed ^ bits).betavariate(known.p * n + 0.5, (1 - known.p) * n + 0.5)

    @staticmethod
    def _examples() -> list[Explore]:
        from switchwise.quality.label_table import LabelTable
        from switchwise.quality.priors import Priors
        from switchwise.quality.shrunk import Shrunk

        return [Explore(Shrunk(Priors(), LabelTable()), 1.0), Explore(LabelTable(), 0.5, most=200)]
