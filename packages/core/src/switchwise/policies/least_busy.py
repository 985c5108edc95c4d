"""Balance over equivalent targets by their calls in flight.

Use it for several deployments or servers of one model: the call goes to the one with the fewest calls under way. With
`hold(LeastBusy("gpt"), per="agent")`, a conversation stays on its first deployment, which has its prompt cache, and only new
conversations are balanced. Not over different models: it does not compare quality. Not for several keys of one
model, which rotate without it (`Target.key_of`). Put it last, so that it only breaks ties.

Source: least outstanding requests, as in nginx's `least_conn` and LiteLLM's `least-busy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.validation import number
from switchwise.nouns.view import View
from switchwise.state.load import TracksLoad, in_flight
from switchwise.state.store import Store


class LeastBusy(TracksLoad):
    """Order equivalent targets by calls in flight, the least busy first; ties are broken at random, by the seed of the step.

    Parameters:
        among: target or role whose targets are equivalent; only these exchange places. Empty: all targets that earlier policies
            left equal.
        capacity: target -> its capacity relative to the others, in any unit; 1 if not named.
        store: where the load is kept; None: the router's store, else this process.

    Raises:
        ConfigurationError: a capacity is not above 0; or, when the router is built, a name is neither a target nor a role.

    >>> from switchwise import Pool, Router, Target, View
    >>> router = Router(Pool([Target("east"), Target("west")]), LeastBusy())
    >>> runs = [router.start(View()) for _ in range(6)]
    >>> sorted(run.call.target.name for run in runs)
    ['east', 'east', 'east', 'west', 'west', 'west']
    """

    name = "LeastBusy"
    balances = True

    def __init__(self, among: str = "", capacity: Mapping[str, float] | None = None, store: Store | None = None) -> None:
        super().__init__(store=store)
        self.among = among
        self.capacity = dict(capacity or {})
        for target, value in self.capacity.items():
            number("LeastBusy", f"capacity[{target!r}]", value, above=True)

    def check(self, pool: Pool) -> None:
        """Check that each name is a target or role of the pool."""
        for word in [*([self.among] if self.among else []), *self.capacity]:
            pool.select(word)

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        among = shortlist.pool.select(self.among) if self.among else [target.name for target in shortlist.targets]
        if sum(target.name in among for target in shortlist.targets) < 2:
            return shortlist
        busy = {name: in_flight(self.load(name), view.now) / self.capacity.get(name, 1.0) for name in among}

        def load(target: Target) -> float:
            return busy[target.name] + draw(view.seed, target.name) * 1e-3

        def because(target: Target) -> str:
            return f"{target.name} is the least busy: {in_flight(self.load(target.name), view.now)} calls in flight"

        return shortlist.balance(among, load, because) if self.among else shortlist.order(load, because)

    @staticmethod
    def _examples() -> list[LeastBusy]:
        return [LeastBusy(), LeastBusy("fast", {"luna": 2.0})]


def draw(seed: int, name: str) -> float:
    """A pseudo-random number from 0 to 1 for this step and target; the same if the step decides again."""
    return int.from_bytes(blake2b(f"{seed}\0{name}".encode(), digest_size=6).digest(), "big") / 2**48
