"""Keep a thread at the key that it has called last, and give new threads the key with the fewest calls in flight.

Use it to place the rotation of keys yourself, or to give it a store of its own: where several keys of one model are in the pool
(`Target.key_of`) and the chain has none, the router adds one at the end. Not for regions or servers, see `LeastBusy`. It breaks ties only: whether a
key may be called is decided by `Healthy`, `Headroom` and the budgets, each of which keeps its own account of a key.

Source: least outstanding requests with session affinity, as load balancers have it; ties by rendezvous hashing (D. G. Thaler and C. V. Ravishankar,
"Using name-based mappings to increase hit rates", IEEE/ACM Transactions on Networking 6, 1998), so that a restarted process makes the same choice.
"""

from __future__ import annotations

from collections.abc import Sequence

from switchwise.engine.policy import Policy
from switchwise.nouns.call import Attempt
from switchwise.nouns.scope import Key, Level
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.view import View
from switchwise.state.in_process import InProcess
from switchwise.state.load import TracksLoad, in_flight
from switchwise.state.store import Store

_SIZE = 10_000
_TABLE = "Rotation"


class Rotation(TracksLoad):
    """Order the keys of each model: the one that gave this thread its last answer, then the least busy.

    Calls without a session are threads of one call.

    Parameters:
        store: where load and threads are kept; None: in this process, or in the store of the router.

    >>> from switchwise import Pool, Router, Scope, Target, View
    >>> router = Router(Pool([Target("opus"), Target("opus#2", key_of="opus"), Target("haiku")]))
    >>> runs = [router.start(View(Scope(f"s{i}"))) for i in range(6)]
    >>> sorted(run.call.target.name for run in runs)
    ['opus', 'opus', 'opus', 'opus#2', 'opus#2', 'opus#2']
    """

    name = "Rotation"

    def __init__(self, store: Store | None = None) -> None:
        super().__init__(store=store)
        self.threads = (store or InProcess()).table(_TABLE, _SIZE)

    def use_store(self, store: Store) -> None:
        """Keep load and threads in `store`, unless it was given one."""
        if self._store is None:
            self.threads = store.table(_TABLE, _SIZE)
        super().use_store(store)

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        for base in shortlist.pool.rotating:
            keys = shortlist.pool.select(base)
            if sum(target.name in keys for target in shortlist.targets) > 1:
                shortlist = self._rotated(base, keys, view, shortlist)
        return shortlist

    def _rotated(self, base: str, keys: frozenset[str], view: View, shortlist: Shortlist) -> Shortlist:
        last = self.threads.get(_thread(view, base)) if view.scope.session else None
        busy = {name: in_flight(self.load(name), view.now) for name in keys}

        def place(target: Target) -> tuple[bool, int, bytes]:
            return target.name != last, busy[target.name], _draw(view, target.name)

        def because(leader: Target) -> str:
            if leader.name not in keys:
                return f"the keys of {base} take turns behind {leader.name}"
            if leader.name == last:
                return f"the prompt cache of this thread is at {leader.name}"
            return f"{leader.name} is the least busy of {len(keys)} keys: {busy[leader.name]} calls in flight"

        places = {target.name: float(i) for i, target in enumerate(sorted(_among(shortlist.targets, keys), key=place))}
        return shortlist.balance(keys, lambda target: places[target.name], because)

    def learn(self, attempt: Attempt) -> None:
        """Learn that the call has ended, and which key gave the thread an accepted answer."""
        super().learn(attempt)
        view, target = attempt.call.view, attempt.target
        if attempt.accepted and attempt.call.ask is None and view.scope.session:
            self.threads.put(_thread(view, target.base), target.name)


def with_rotation(pool: Pool, policies: Sequence[Policy], rotation: Rotation) -> tuple[Policy, ...]:
    """The chain, which ends with `rotation` where several keys of one model are in the pool and it has no other."""
    others = [policy for policy in policies if policy is not rotation]
    given = any(isinstance(policy, Rotation) for policy in others)
    return (*others, rotation) if pool.rotating and not given else tuple(others)


def _among(targets: Sequence[Target], keys: frozenset[str]) -> list[Target]:
    return [target for target in targets if target.name in keys]


def _thread(view: View, base: str) -> Key:
    return (*view.scope.key(Level.AGENT), base)


def _draw(view: View, name: str) -> bytes:
    """The same for a thread at each of its calls; for calls without a session, the same for a step."""
    from hashlib import blake2b  # OpenSSL: imported only where a model has several keys

    whose = view.scope.key(Level.AGENT) if view.scope.session else (str(view.seed),)
    return blake2b("\0".join((*whose, name)).encode(), digest_size=8).digest()
