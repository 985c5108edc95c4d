"""Argument and policy validation of a router, and the pin, which comes before all policies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from weakref import ref

from switchwise.engine.policy import (
    Asks,
    Caches,
    Checks,
    ChecksState,
    Grades,
    Policy,
    Remembers,
    Reports,
    Resends,
    Reserves,
    Rewarded,
    UsesStore,
    Verifier,
    name_of,
    refuse_what_is_no_policy,
)
from switchwise.engine.recovery import Recovery
from switchwise.nouns.call import Attempt, Call
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.view import View
from switchwise.observe.observer import Event, Observers
from switchwise.state.store import Store


def refuse_options(pool: object, store: object, recovery: object, clock: object, timer: object, rng: object) -> None:
    """Validate the options of a router.

    Raises:
        ConfigurationError: the message names the argument and the remedy.
    """
    refuse_what_is_no_pool(pool)
    if store is not None and not callable(getattr(store, "table", None)):
        raise ConfigurationError(
            f"store={store!r:.80}: give an address such as 'redis://localhost:6379/0' or 'state.db', or a switchwise.state.Store such as InProcess()"
        )
    for name, value in (("clock", clock), ("timer", timer)):
        if not callable(value):
            raise ConfigurationError(f"{name}={value!r}: give a function that returns seconds, such as time.time")
    if recovery is not None and not isinstance(recovery, Recovery):
        raise ConfigurationError(f"recovery={recovery!r}: give Recovery(patience=..., pause=...)")
    if rng is not None and not hasattr(rng, "getrandbits"):
        raise ConfigurationError(f"rng={rng!r}: give a generator, such as random.Random(7)")


def observers_of(observers: object) -> Observers:
    """The observers by verb.

    Raises:
        ConfigurationError: it is not a list of observers.
    """
    if isinstance(observers, str) or not isinstance(observers, Iterable):
        raise ConfigurationError(f"observers={observers!r:.80}: give a list, such as [JsonLines('journal.jsonl')]")
    return Observers(observers)


def described(policy: object) -> tuple[str, str, str]:
    """Describe a policy: its name, its level, and the first line of its documentation."""
    inner = getattr(policy, "policy", policy)  # for `hold`, describe the held policy
    message = (inner.__doc__ or "") if inner.__doc__ is not None else type(inner).__doc__ or ""
    level = getattr(getattr(policy, "level", None), "name", "step").lower()
    return name_of(policy), level, message.strip().partition("\n")[0]


def refuse_what_is_no_pool(pool: object) -> None:
    """Raise `ConfigurationError` for anything but a pool."""
    if not isinstance(pool, Pool):
        raise ConfigurationError(f"{pool!r:.80} is not a Pool: write Router(Pool([...]), ...)")


def take_over(remembering: Mapping[str, Remembers], state: object) -> None:
    """Restore the states of policies by name: all, or none.

    Raises:
        ConfigurationError: a state does not fit; the message names the policy.
    """
    if not isinstance(state, Mapping):
        raise ConfigurationError(f"{state!r:.80} is not a state: give a result of Router.dump()")
    if strange := state.keys() - remembering.keys():
        raise ConfigurationError(f"the state holds {', '.join(sorted(strange))}, which this router does not have")
    parts = [(name, remembering[name], memory) for name, memory in state.items()]
    for name, part, memory in parts:
        if isinstance(part, ChecksState):
            taken(name, part.check_state, memory)
    # Policies without `check_state` first: if one refuses, the others have restored nothing.
    for name, part, memory in sorted(parts, key=lambda entry: isinstance(entry[1], ChecksState)):
        taken(name, part.load, memory)


def taken(name: str, take: Callable[[Mapping[str, Any]], None], memory: Any) -> None:
    """Let a policy load its state; errors become a `ConfigurationError` with its name."""
    try:
        take(memory)
    except ConfigurationError as error:
        raise ConfigurationError(f"state of {name}: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # an edited or older file
        raise ConfigurationError(f"state of {name}: not what its dump gives ({error!r})") from error


def use_store(parts: Sequence[object], store: Store | None) -> None:
    """Pass the router's store to the policies; refuse two that write to one table, since each would count the other's data."""
    seen: dict[object, object] = {}
    for part in parts:
        if not isinstance(part, UsesStore):
            continue
        if store is not None:
            part.use_store(store)
        table = getattr(part, "table", None)
        place = table if isinstance(table, tuple) else id(table)  # a tuple names accounts that processes share
        if table is not None and seen.setdefault(place, part) is not part:
            raise ConfigurationError(
                f"two policies named {name_of(part)} would keep their memory in one table of one store: "
                "give one of them a part of it, store=Namespace(store, 'other')"
            )


def learn_all(learners: Iterable[Callable[[Attempt], object]], attempt: Attempt) -> None:
    """Let every policy learn, even after one fails: otherwise the others' reservations would never be settled."""
    failure: Exception | None = None
    for learn in learners:
        try:
            learn(attempt)
        except Exception as error:  # noqa: BLE001  (raised below)
            failure = failure or error
    if failure is not None:
        raise failure


def report_to(parts: Sequence[object], hear: Callable[[Event], object]) -> None:
    """Connect `hear` to the events of the policies."""
    for part in parts:
        if isinstance(part, Reports):
            part.report_to(hear)


class OutcomeListeners:
    """Passes outcomes on to the parts of a router that learn from them, and to components outside of its chain, such as a gate.

    Parameters:
        feedback: receives the outcomes that parts and components know of.
        parts: policies and verifiers.
        before: whose components are kept. They are held weakly: a gate that is made for one run is forgotten with it.
    """

    __slots__ = ("_feedback", "_joined", "_parts")

    def __init__(
        self,
        feedback: Callable[[str, float, str], object],
        parts: Iterable[object] = (),
        before: OutcomeListeners | None = None,
    ) -> None:
        self._feedback = feedback
        self._parts: list[Rewarded] = []
        self._joined: tuple[ref[object], ...] = before._joined if before is not None else ()
        for part in parts:
            if isinstance(part, Rewarded):
                self._parts.append(part)
            if isinstance(part, Grades):
                part.grade_to(feedback)

    def join(self, part: object, hear: Callable[[Event], object]) -> None:
        """Connect a component, with `hear` for its events; without effect if it is connected already."""
        standing = self._joined
        if any(each() is part for each in standing):
            return
        self._joined = (*[each for each in standing if each() is not None], ref(part))
        report_to([part], hear)
        if isinstance(part, Grades):
            part.grade_to(self._feedback)

    def feedback(self, decision: str, reward: float, kind: str) -> None:
        """Report an outcome to all of them."""
        for part in (*self._parts, *[each() for each in self._joined]):
            if isinstance(part, Rewarded):
                part.feedback(decision, reward, kind)


def sound(
    pool: Pool, policies: Sequence[Policy], verify: Verifier | None, cache: Caches | None
) -> tuple[list[object], tuple[Target, ...]]:
    """Validate the parts of a router; return them, and the models outside the pool that they ask.

    Raises:
        ConfigurationError: a part is invalid, or does not suit the pool.
    """
    parts: list[object] = [*policies, *([verify] if verify is not None else [])]
    for part in parts:
        refuse_what_is_no_policy(part)
    if cache is not None:
        if isinstance(cache, type) or not isinstance(cache, Caches):
            raise ConfigurationError(f"cache={cache!r:.80}: give a switchwise.response_cache.ResponseCache")
        parts.append(cache)
    models = tuple([target for part in parts if isinstance(part, Asks) for target in part.asks])
    for part in parts:
        if isinstance(part, Checks):
            checked(part, pool.with_asked(models))
    if verify is not None and len({target.base for target in pool}) < 2:
        raise ConfigurationError("verify= needs a second model to turn to when a reply is rejected; the pool has one")
    return parts, models


def checked(part: Checks, pool: Pool) -> None:
    """Let a policy check the pool; prefix its `ConfigurationError` with its name."""
    try:
        part.check(pool)
    except ConfigurationError as error:
        name, message = name_of(part), str(error)
        if message.startswith(name):
            raise
        raise ConfigurationError(f"{name}: {message}") from None


def pinned(view: View, shortlist: Shortlist) -> Shortlist:
    """Require the pinned target, if the caller named one for this call.

    A pin inherited from an enclosing run may be meant for another pool: if it is unknown here, it is ignored with a remark.

    Raises:
        ConfigurationError: the call's own pin is not in the pool.
    """
    if not view.pin:
        return shortlist
    if view.pin_inherited and not shortlist.pool.knows(view.pin):
        return shortlist.remark(f"the run around this call is pinned to {view.pin!r}, which is not in this pool")
    chosen = shortlist.pool.select(view.pin)
    return shortlist.require(lambda target: target.name in chosen, f"this call is pinned to {view.pin!r}")


class Reservers:
    """The reserving parts of a router.

    Parameters:
        parts: policies and verifiers; others than `Reserves` are skipped.
    """

    __slots__ = ("_all", "_resending")

    def __init__(self, parts: Iterable[object]) -> None:
        self._all = [part for part in parts if isinstance(part, Reserves)]
        self._resending = [part for part in self._all if isinstance(part, Resends)]

    def reserve(self, call: Call) -> Reserves | None:
        """Let every policy reserve for `call`; return the refusing one, if any: then all reservations are cancelled."""
        for i, policy in enumerate(self._all):
            if not policy.reserve(call):
                for earlier in self._all[:i]:
                    earlier.release(call)
                return policy
        return None

    def release(self, call: Call) -> None:
        """Let every policy cancel its reservation for a call that is not made."""
        for policy in self._all:
            policy.release(call)

    def resend(self, call: Call) -> bool:
        """Let every policy reserve once more for `call`; False if one refuses."""
        return all(policy.resend(call) for policy in self._resending)
