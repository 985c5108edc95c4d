"""Rule out the targets whose chance of success is below a floor, or too far below the best.

Use it before policies that look at prices: "planning never below 0.8", "within two points of the best". Not a tight floor with
an estimator of little evidence: then chance rules targets out; `sure` demands more evidence.

Source: quality floors, as in cost-constrained routing; docs/guide/quality.md gives the loss of each floor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.validation import number
from switchwise.nouns.view import View
from switchwise.quality.choosing import UsesQuality
from switchwise.quality.estimate import Estimate, Estimator

Bound = float | Mapping[str, float]


class Floor(UsesQuality):
    """Require a probability of success: at least `at_least`, or within `within` of the best remaining target.

    A target without evidence is not ruled out. If no target reaches the floor, the best ones stay, so some target is always
    left.

    Parameters:
        quality: an estimator; see `switchwise.quality`.
        at_least: the probability; or phase, agent or task -> probability, where the highest that applies counts.
        within: how far below the best, in probability; or phase, agent or task -> how far, where the least that applies counts.
        sure: number of standard errors subtracted from each probability before it is compared with `at_least`.

    Raises:
        ConfigurationError: neither floor is given, one is out of range, or `quality` is not an estimator.

    >>> from switchwise import Phase, Pool, Router, Signals, Target, View
    >>> from switchwise.policies import Floor
    >>> from switchwise.quality import Priors
    >>> pool = Pool([Target("strong", model="claude-opus-4-8"), Target("cheap", model="deepseek-v4-pro")])
    >>> router = Router(pool, Floor(Priors("bug_fixing"), within={"planning": 0.02}))
    >>> [router.decide(View(signals=Signals(phase=phase))).names for phase in (Phase.PLANNING, Phase.TESTING)]
    [('strong',), ('strong', 'cheap')]
    """

    name = "Floor"
    requires = True

    def __init__(
        self, quality: Estimator, *, at_least: Bound | None = None, within: Bound | None = None, sure: float = 0.0
    ) -> None:
        super().__init__(quality)
        if at_least is None and within is None:
            raise ConfigurationError("Floor: give at_least= (a probability) or within= (how far below the best)")
        for name, bound in (("at_least", at_least), ("within", within)):
            for value in bound.values() if isinstance(bound, Mapping) else () if bound is None else (bound,):
                number("Floor", name, value, most=1)
        number("Floor", "sure", sure)
        self.at_least, self.within, self.sure = at_least, within, sure

    def _opinion(self, view: View, shortlist: Shortlist) -> Shortlist:
        least, below = _applying(self.at_least, view, max), _applying(self.within, view, min)
        if least is None and below is None:
            return shortlist
        estimates = self._estimates(view, shortlist.targets)
        known = [each for each in estimates if each.n]
        if not known:
            return shortlist
        best = max(each.p for each in known)
        floor = best - below - 1e-9 if below is not None else 0.0
        sure = self.sure
        passed = [not each.n or (each.p >= floor and (least is None or _lower(each, sure) >= least)) for each in estimates]
        if not any(passed):
            passed = [each.p >= best - 1e-9 for each in estimates]
        if all(passed):
            return shortlist
        names = {target.name for target, kept in zip(shortlist.targets, passed, strict=True) if kept}

        def because() -> str:
            out = ", ".join(
                f"{target.name} {each.p:.0%} ({each.source})"
                for target, each in zip(shortlist.targets, estimates, strict=True)
                if target.name not in names
            )
            asked = [f"at least {least:.0%}"] if least is not None else []
            asked += [f"within {below:.0%} of the best, {best:.0%}"] if below is not None else []
            return f"asked for: {' and '.join(asked)}; {out}"

        return shortlist.require(lambda target: target.name in names, because)

    @staticmethod
    def _examples() -> list[Floor]:
        from switchwise.quality.label_table import LabelTable
        from switchwise.quality.priors import Priors

        return [Floor(Priors(), within=0.02), Floor(LabelTable(), at_least={"planning": 0.8, "explorer": 0.3}, sure=1.0)]


def _lower(known: Estimate, sure: float) -> float:
    return known.p - sure * (known.p * (1 - known.p) / (known.n + 1)) ** 0.5 if sure else known.p


def _applying(bound: Bound | None, view: View, strictest: Any) -> float | None:
    if not isinstance(bound, Mapping):
        return bound
    words = [view.signals.phase, view.scope.agent, view.scope.task]
    values = [bound[word] for word in words if word is not None and word in bound]
    found: float | None = strictest(values) if values else None
    return found
