"""Balance over equivalent targets by how fast they answer.

Use it where deployments of one model differ in speed, by region or by hour. Not over models that differ: the fastest is rarely the best.
Put it last, so that it breaks ties only; hold it per agent to keep conversations where their prompt cache is.

Source: peak EWMA, as in Finagle and Linkerd: the decayed mean of the latency, times the calls in flight and one. A draw of `explore` goes to
the target that was measured longest ago, so that one that has recovered is found again.
"""

from __future__ import annotations

from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.validation import number
from switchwise.nouns.view import View
from switchwise.state.load import TracksLoad, in_flight, measured, seconds
from switchwise.state.store import Store

_EXPLORES = 0x9E3779B97F4A7C15  # so that the draw is not that of another policy


class LowestLatency(TracksLoad):
    """Order equivalent targets by expected wait: seconds to the first chunk (to the end of what is not streamed), times the calls in flight and one.

    A target that was never measured is tried first.

    Parameters:
        among: the target or role whose targets are equivalent; they exchange places, all others keep theirs. Empty: all targets that
            earlier policies left equal.
        half_life: seconds after which a measured latency counts half.
        explore: share of the calls that go to the target measured longest ago, from 0 to 1.
        store: where the load is kept; None: the router's store, else this process.

    Raises:
        ConfigurationError: a number is out of range; or, when the router is built, `among` is neither a target nor a role.

    >>> from switchwise import Pool, Router, Target, View, drive
    >>> from switchwise.testing import Clock, Script
    >>> clock = Clock()
    >>> slow = lambda call: clock.advance(3) or "slowly"
    >>> router = Router(Pool([Target("far"), Target("near")]), LowestLatency(explore=0), clock=clock, timer=clock)
    >>> for _ in range(2):
    ...     _ = list(drive(router.start(View()), Script(far=slow, near="quickly").perform))
    >>> router.decide(View()).names
    ('near', 'far')
    """

    name = "LowestLatency"
    balances = True

    def __init__(self, among: str = "", half_life: float = 60.0, explore: float = 0.02, store: Store | None = None) -> None:
        number("LowestLatency", "half_life", half_life, above=True)
        number("LowestLatency", "explore", explore, most=1.0)
        super().__init__(half_life, store)
        self.among = among
        self.explore = explore

    def check(self, pool: Pool) -> None:
        """Check that each name is a target or role of the pool."""
        if self.among:
            pool.select(self.among)

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        among = shortlist.pool.select(self.among) if self.among else [target.name for target in shortlist.targets]
        present = [target.name for target in shortlist.targets if target.name in among]
        if len(present) < 2:
            return shortlist
        entries = {name: self.load(name) for name in present}
        wait = {name: (seconds(entry) or 0.0) * (in_flight(entry, view.now) + 1) for name, entry in entries.items()}
        explores = (view.seed ^ _EXPLORES) % 10_007 < self.explore * 10_007
        if explores:
            oldest = min(present, key=lambda name: measured(entries[name]))
            wait[oldest] = -1.0

        def expected(target: Target) -> float:
            return wait[target.name]

        def because(target: Target) -> str:
            if wait[target.name] < 0:
                return f"{target.name} was measured longest ago"
            known = seconds(entries[target.name])
            return f"{target.name} was never measured" if known is None else f"{target.name} is the fastest: {known:.2f} s"

        return shortlist.balance(among, expected, because) if self.among else shortlist.order(expected, because)

    @staticmethod
    def _examples() -> list[LowestLatency]:
        return [LowestLatency(), LowestLatency("fast", explore=0.5)]
