"""Order the targets by expected value: chance of success x value of a solved task, less cost and waiting.

Use it held per session, to choose the session's model: `hold(Worth(quality, value=2.0), per="session")`; likewise per agent for
sub-agents. Where there is evidence, the order of the pool does not count. Not for single steps inside a conversation:
`Cheapest` accounts for the cost of a switch.

Source: RouteLLM's threshold (arXiv 2406.18665) is the case of two targets; docs/guide/quality.md has the measurements.
"""

from __future__ import annotations

from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.view import View
from switchwise.quality.choosing import Weighs


class Worth(Weighs):
    """Prefer the target with the highest expected value: `p` x `value` - dollars per task - seconds x `second`.

    If the cost of whole tasks is not known for every target, it uses the cost of one call at list prices. An estimate from the
    text overrules the table only if its promised success exceeds `guard`. Targets without evidence come last; if no target has
    evidence, it has no opinion.

    Parameters:
        quality: an estimator; see `switchwise.quality`.
        value: worth of a solved task in USD. `switchwise calibrate` finds the value for a cost, a quality or a share.
        second: cost of a second of waiting in USD.
        guard: promised success above which an estimate from the text may overrule the table.
        when: condition on the request; None: always.

    Raises:
        ConfigurationError: a parameter is out of range, or `quality` is not an estimator.

    >>> from switchwise import Pool, Router, Target, View
    >>> from switchwise.policies import Worth
    >>> from switchwise.quality import Priors
    >>> pool = Pool([Target("strong", model="claude-opus-4-8"), Target("cheap", model="minimax-m3")])
    >>> [Router(pool, Worth(Priors("bug_fixing"), value)).decide(View()).names[0] for value in (1.0, 100.0)]
    ['cheap', 'strong']
    """

    name = "Worth"

    def _opinion(self, view: View, shortlist: Shortlist) -> Shortlist:
        targets = shortlist.targets
        estimates = self._estimates(view, targets)
        if not any(each.n for each in estimates):
            return shortlist.remark("no evidence for any target")
        spent = self._spent(view, targets, estimates)
        if spent is None:
            return shortlist.remark("the cost of the targets is unknown: give prices, or an estimator with costs")
        return self._ranked(shortlist, estimates, spent, [each.p for each in estimates])

    @staticmethod
    def _examples() -> list[Worth]:
        from switchwise.quality.label_table import LabelTable
        from switchwise.quality.priors import Priors
        from switchwise.quality.shrunk import Shrunk

        return [Worth(Priors(), 1.0), Worth(Shrunk(Priors(), LabelTable()), 0.5, second=0.001)]
