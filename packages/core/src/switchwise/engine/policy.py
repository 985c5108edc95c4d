"""What a policy is, and `hold`, which makes a preference last.

A policy is called with the view and the shortlist so far and returns a shortlist: narrowed by `require`, ranked by
`prefer` or `order`, or as it was. A plain function will do. Rules:
1. The same view and shortlist give the same answer: time is `view.now`, randomness is `view.seed`.
2. It does no I/O. One that must ask a model first is a generator: it yields an `Ask` and is sent the `Reply`, whose `answers` hold what is
   known; a `TargetError` is thrown into it where there is no reply.
3. It never locks while it yields.
4. What it remembers it learns in `learn`, not while it is asked: deciding twice must not count twice.
5. It may read what was said (`view.last_user`, `view.conversation`). It never keeps it: features and digests only, in memory, notes and dumps.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from switchwise.engine.circuit import CircuitState
from switchwise.nouns.call import Attempt, Call
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.ask import Ask
from switchwise.nouns.exchange.reply import Reply
from switchwise.nouns.scope import Key, Level
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.view import View
from switchwise.state.in_process import Memory

T = TypeVar("T")
Flow = Generator[Ask, Reply, T]
"""Straight-line code of a policy or verifier: it yields each question that it needs answered, is sent the replies, and returns a T."""
Steps = Generator[Call, Reply, T]
"""The engine's own: yields each call to be made, the caller's request and questions alike."""

Opinion = Shortlist | Flow[Shortlist]
Policy = Callable[[View, Shortlist], Opinion]


# What a policy may offer beside being called. Each is optional and found by its name when the router is built.
@runtime_checkable
class Checks(Protocol):
    """It can tell at construction that it does not suit a pool."""

    def check(self, pool: Pool) -> None:
        """Raise `ConfigurationError` if this policy cannot work with `pool`."""


@runtime_checkable
class Reserves(Protocol):
    """It hands out something that runs out, such as money, and must not hand it out twice.

    One whose class says `gives_way = True` refuses a call for the moment only: it will rule the target out itself when it is asked again.
    """

    def reserve(self, call: Call) -> bool:
        """Set aside what `call` may use up, just before it is made; False: there is no longer enough, decide again.

        Every reservation is followed by one `learn` of the attempt, which settles it, or by `release`.
        """

    def release(self, call: Call) -> None:
        """Take back the reservation for `call`, which is not made after all."""


@runtime_checkable
class Asks(Protocol):
    """It puts questions to models outside of the pool."""

    @property
    def asks(self) -> tuple[Target, ...]:
        """Those models, as targets: requirements may name them."""


@runtime_checkable
class Learns(Protocol):
    """It remembers what became of attempts."""

    def learn(self, attempt: Attempt) -> None:
        """Take in one attempt. Called once for each call made, verifiers' own calls included.

        An abandoned stream may be closed by the garbage collector, in the middle of anything: a lock must let its own thread in again.
        """


@runtime_checkable
class Breaks(Protocol):
    """It keeps circuit breakers, and shows them."""

    def health(self, now: float) -> dict[str, CircuitState]:
        """What is known of each circuit, by name."""

    def reset(self, name: str | None = None) -> None:
        """Close the circuits of that name; None: all."""


@runtime_checkable
class Rewarded(Protocol):
    """It learns from what users say later."""

    def feedback(self, decision: str, reward: float, kind: str = "feedback") -> None:
        """Take in how well the decision turned out, from 0 to 1, and what says so: see `switchwise.quality.estimate.WEIGHTS`."""


@runtime_checkable
class Remembers(Protocol):
    """Its memory can be carried to another process."""

    def dump(self) -> Mapping[str, Any]:
        """All that it remembers, as JSON types."""

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `dump` gave."""


def name_of(policy: object) -> str:
    """The name that a policy's notes are signed with: its own `name`, or that of its function or class."""
    name = getattr(policy, "name", None) or getattr(policy, "__name__", None)
    return name if isinstance(name, str) else type(policy).__name__


def refuse_what_is_no_policy(part: object) -> None:
    """Raise `ConfigurationError` for what cannot be asked with a view and a shortlist."""
    if isinstance(part, type):
        raise ConfigurationError(f"{part.__name__} is a class: write {part.__name__}(...)")
    if not callable(part):
        raise ConfigurationError(f"{part!r} is no policy: give functions of (view, shortlist), after the pool")


@dataclass(frozen=True, slots=True)
class _Held:
    names: frozenset[str]
    because: str


class hold:  # noqa: N801  (read as a verb in a chain of policies)
    """Keep a policy's favourites for as long as a session, a sub-agent or a task lasts.

    The policy is asked when nothing is held yet, or when nothing that is held may be called any more; its favourites
    are kept once one of them has given an accepted answer. Requirements are never remembered, so a policy that
    requires cannot be held. Where the policy says by its own `when` that a request is none of its business, nothing is held.

    Parameters:
        policy: one that prefers.
        per: `session`, `agent` or `task`.
        size: how many scopes are remembered; the least recently used one is forgotten first. A scope takes about 0.5 kB.

    Raises:
        ConfigurationError: an unknown level, per="step" (unheld means per step), something that is no policy, or one that requires.

    >>> from switchwise import Pool, Router, Scope, Target, View
    >>> from switchwise.policies import ByAgent
    >>> router = Router(Pool([Target("opus"), Target("haiku")]), hold(ByAgent(explorer="fast"), per="agent"))
    >>> router.decide(View(Scope("s1", "explorer"))).names
    ('haiku', 'opus')
    """

    def __init__(self, policy: Policy, *, per: Level | str, size: int = 10_000) -> None:
        self.level = Level.parse(per)
        self.name = name_of(policy)
        refuse_what_is_no_policy(policy)
        if self.level is Level.STEP:
            raise ConfigurationError(f"hold({self.name}, per='step'): unheld already means per step; leave the hold away")
        if getattr(policy, "requires", False):
            raise ConfigurationError(
                f"hold({self.name}): requirements are checked at every step, never remembered; put it into the chain as it is"
            )
        self.policy = policy
        self._when: Callable[[View], bool] | None = getattr(policy, "when", None)
        self._learn = policy.learn if isinstance(policy, Learns) else None
        self._memory: Memory[Key, _Held] = Memory(size)

    def __call__(self, view: View, shortlist: Shortlist) -> Opinion:
        if self._when is not None and not self._when(view):
            return shortlist
        signed = shortlist.signed_by(self.name, self.level)
        held = self._memory.get(view.scope.key(self.level))
        if held and any(target.name in held.names for target in shortlist.targets):
            return signed.prefer(held.names, held.because)
        opinion = self.policy(view, signed)
        if isinstance(opinion, Shortlist):
            return self._noted(signed, opinion)
        return self._asked(signed, opinion) if isinstance(opinion, Generator) else opinion  # the engine says that it is none

    def _asked(self, before: Shortlist, flow: Flow[Shortlist]) -> Flow[Shortlist]:
        return self._noted(before, (yield from flow))

    def _noted(self, before: Shortlist, after: Shortlist) -> Shortlist:
        if len(after.targets) < len(before.targets):
            raise ConfigurationError(f"hold({self.name}): it ruled targets out, and requirements cannot be held")
        favourites = after.favourites(since=before)
        if not favourites:
            return after
        because = f"{after.notes[-1].because}; held for this {self.level.name.lower()}"
        return after.remember(self, _Held(favourites, because))

    @property
    def asks(self) -> tuple[Target, ...]:
        """The models outside of the pool that the held policy asks."""
        return self.policy.asks if isinstance(self.policy, Asks) else ()

    def check(self, pool: Pool) -> None:
        """Let the held policy check the pool."""
        if isinstance(self.policy, Checks):
            self.policy.check(pool)

    def learn(self, attempt: Attempt) -> None:
        """Keep the favourites of an accepted decision, if one of them answered."""
        if self._learn is not None:
            self._learn(attempt)
        if attempt.call.shortlist.memo and attempt.accepted and attempt.call.ask is None:
            for owner, held in attempt.call.shortlist.memo:
                if owner is self and attempt.target.name in held.names:
                    self._memory.put(attempt.call.view.scope.key(self.level), held)

    def learned(self, attempt: Attempt) -> list[Any] | None:
        """What an accepted attempt made it hold, as an entry of `dump`; None: nothing. For memories kept per thread."""
        for owner, held in attempt.call.shortlist.memo:
            if owner is self and attempt.target.name in held.names:
                return [list(attempt.call.view.scope.key(self.level)), sorted(held.names), held.because]
        return None

    def feedback(self, decision: str, reward: float, kind: str = "feedback") -> None:
        """Pass it on to the held policy."""
        if isinstance(self.policy, Rewarded):
            self.policy.feedback(decision, reward, kind)

    def dump(self) -> Mapping[str, Any]:
        """What is held, and what the held policy remembers."""
        inner: Mapping[str, Any] = self.policy.dump() if isinstance(self.policy, Remembers) else {}
        return {"held": [[list(key), sorted(held.names), held.because] for key, held in self._memory.items()], "policy": inner}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `dump` gave."""
        self._memory.restore((tuple(key), _Held(frozenset(names), because)) for key, names, because in state["held"])
        if isinstance(self.policy, Remembers):
            self.policy.load(state["policy"])
