"""Balance over equivalent targets by their latency.

Use it where deployments of one model differ in speed, by region or by hour. Not over different models: the fastest is rarely
the best. Put it last, so that it only breaks ties; hold it per agent to keep each conversation on the deployment with its
prompt cache.

Source: peak EWMA, as in Finagle and Linkerd: the decayed mean latency, times one plus the calls in flight. With probability
`explore`, the call goes to the target measured longest ago, so that a recovered target is used again.
"""

from __future__ import annotations

from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.validation import number
from switchwise.nouns.view import View
from switchwise.state.load import TracksLoad, in_flight, measured, seconds
from switchwise.state.store import Store

_EXPLORES = 0x9E3779B97F4A7C15  # so that the draw is independent of other policies


class LowestLatency(TracksLoad):
    """Order equivalent targets by expected wait: seconds to the first chunk (unstreamed: to the end), times one plus the calls
    in flight.

    A target without a measurement is tried first.

    Parameters:
        among: target or role whose targets are equivalent; only these exchange places. Empty: all targets that earlier policies
            left equal.
        half_life: seconds after which a measured latency counts half as much.
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
