"""Choose the model of a session by evidence: the cheapest whose chance of success is within a few points of the best.

Use it held, `hold(Anchor(Priors()), per="agent")`: most of a bill depends on which model does the whole task, not on single
steps. It compares costs of whole tasks where these are known: a cheap model that takes three times the steps is not cheap. Not
for single steps inside a conversation, and not for models without evidence: then it has no opinion, and the order of the pool
decides.

Source: docs/guide/quality.md; the evidence is that of the estimator.
"""

from __future__ import annotations

from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Target
from switchwise.nouns.validation import number
from switchwise.nouns.view import View
from switchwise.quality.choosing import Weighs
from switchwise.quality.estimate import Estimator


class Anchor(Weighs):
    """Prefer the cheapest target whose chance of success is within `within` of the best.

    Parameters:
        quality: an estimator; see `switchwise.quality`.
        within: how far below the best a target may be, in probability: 0.02 is two points.
        least: evidence, in outcomes, that a target needs before it gets an agent's work (a request with tools) in place of the
            best target. A model without published results has evidence 1, from its place in the pool: enough for a question
            without tools.

    Raises:
        ConfigurationError: `within` is not between 0 and 1, `least` is negative, or `quality` is not an estimator.

    >>> from switchwise import Pool, Price, Router, Target, View
    >>> from switchwise.policies import Anchor
    >>> from switchwise.quality import Priors
    >>> pool = Pool([Target("strong", model="claude-opus-4-8"), Target("cheap", model="deepseek-v4-pro")])
    >>> [Router(pool, Anchor(Priors("bug_fixing"), within)).decide(View()).names[0] for within in (0.0, 0.2)]
    ['strong', 'cheap']
    """

    name = "Anchor"

    def __init__(self, quality: Estimator, within: float = 0.02, *, least: float = 2.0) -> None:
        super().__init__(quality, value=1.0)
        number(self.name, "within", within, most=1)
        number(self.name, "least", least)
        self.within, self.least = within, least

    def _opinion(self, view: View, shortlist: Shortlist) -> Shortlist:
        targets = shortlist.targets
        estimates = self._estimates(view, targets)
        known = [(each.p, target.name) for each, target in zip(estimates, targets, strict=True) if each.n]
        if not known:
            return shortlist.remark("no evidence for any target")
        spent = self._spent(view, targets, estimates)
        if spent is None:
            return shortlist.remark("the cost of the targets is unknown: give prices, or an estimator with costs")
        best, who = max(known)
        least = self.least if view.needs.tools else 0.0
        at = {target.name: i for i, target in enumerate(targets)}

        def rank(target: Target) -> tuple[bool, float, float]:
            i = at[target.name]
            each = estimates[i]
            near = each.n > 0 and each.p >= best - self.within - 1e-9 and (each.n >= least or target.name == who)
            return not near, spent[i] if near else -estimates[i].p, -estimates[i].p

        def because(target: Target) -> str:
            i = at[target.name]
            near = "" if target.name == who else f"; {who} is {best:.0%} likely"
            return f"{estimates[i].p:.0%} likely to solve it ({estimates[i].source}) at ${spent[i]:.4g}, the least within {self.within:.0%} of the best{near}"

        places = {key: float(place) for place, key in enumerate(sorted({rank(target) for target in targets}))}
        return shortlist.order(lambda target: places[rank(target)], because)

    @staticmethod
    def _examples() -> list[Anchor]:
        from switchwise.quality.priors import Priors

        return [Anchor(Priors()), Anchor(Priors("tool_use"), within=0.1)]
