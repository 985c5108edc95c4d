"""The policy protocol, and its optional methods.

A policy is called with the view and the shortlist so far and returns a shortlist: narrowed by `require`, ranked by `prefer` or `order`,
or unchanged. A plain function is a policy. Rules:
1. The same view and shortlist give the same answer: time is `view.now`, randomness is `view.seed`.
2. It does no I/O. A policy that asks a model is a generator: it yields an `Ask` and receives the `Reply` with its `answers`; without a
   reply, a `TargetError` is thrown into it. A `Gather` asks several at once; `Shortlist.together` calls several targets.
3. It never yields while holding a lock.
4. A class with `momentary = True` decides by the present state (load, health): it is not asked about deferred requests.
5. It changes its state in `learn`, not while deciding: deciding twice must not count twice.
6. It may read the text of the conversation (`view.last_user`, `view.conversation`), but keeps only features and digests, in its state,
   notes and dumps.
7. Its state is in a table of a store, under keys that begin with the tenant (`Scope.key`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from switchwise.nouns.call import Attempt, Call, Live
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.ask import Ask
from switchwise.nouns.exchange.gather import Gather
from switchwise.nouns.exchange.recording import Stored
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.view import View
from switchwise.observe.observer import Event
from switchwise.state.store import Store

if TYPE_CHECKING:
    from switchwise.engine.circuit import CircuitState

T = TypeVar("T")
Flow = Generator[Ask | Gather, Any, T]
"""Generator of a policy or verifier: it yields questions, receives the replies, and returns a T. For an `Ask` it receives the `Reply`;
for a `Gather`, the reply, `TargetError` or None (cancelled) of each effect.
"""
Steps = Generator[Call | Live, Any, T]
"""Generator of the engine: it yields each call to make, requests and questions alike, or the calls to keep live."""


class NotMade(BaseException):
    """Thrown into a flow that is closed before its call was made, to release its reservation."""


Opinion = Shortlist | Flow[Shortlist]
Policy = Callable[[View, Shortlist], Opinion]


class Verifier(Protocol):
    """Judges a reply before it is shown."""

    def __call__(self, view: View, reply: Reply) -> Verdict | Flow[Verdict]:
        """Return the verdict, or a generator that asks a model first and returns it."""


# Optional methods of a policy, found by name when the router is built.
@runtime_checkable
class Checks(Protocol):
    """A policy that validates the pool when the router is built."""

    def check(self, pool: Pool) -> None:
        """Raise `ConfigurationError` if this policy cannot work with `pool`."""


@runtime_checkable
class Reserves(Protocol):
    """A policy that reserves a limited resource, such as money, for each call.

    With `gives_way = True`, a refusal holds only for the moment: the policy rules the target out itself when it is asked again. Optional:
    `refusal`, the reason of the last refusal in words, and `raises`, the error if no target is left (`BudgetExceeded`).
    """

    def reserve(self, call: Call) -> bool:
        """Reserve the upper bound of `call`, just before it is made; False if too little is left: the router decides again.

        Every reservation is followed by one `learn` of the attempt, which settles it, or by `release`.
        """

    def release(self, call: Call) -> None:
        """Cancel the reservation of `call`, which is not made."""


@runtime_checkable
class Queues(Protocol):
    """A policy with a queue for refused calls. The place in the queue belongs to the request (`View.decision`); each check makes another
    `Call`.
    """

    def wait_for(self, call: Call) -> float | None:
        """Return the seconds until the router decides again, while `call` keeps its place in the queue; None if it does not wait."""

    def leave(self, view: View) -> None:
        """Remove this request from the queue, if it is in it."""


@runtime_checkable
class Resends(Protocol):
    """A policy whose reservation is used up each time the call is sent."""

    def resend(self, call: Call) -> bool:
        """Reserve the upper bound of `call` once more, because it is sent again after a dead connection; False if too little is left.

        The `learn` or `release` that follows settles all of it.
        """


@runtime_checkable
class Asks(Protocol):
    """A policy that asks models outside the pool."""

    @property
    def asks(self) -> tuple[Target, ...]:
        """These models as targets, so that requirements can name them."""


@runtime_checkable
class Learns(Protocol):
    """A policy that learns from attempts."""

    def learn(self, attempt: Attempt) -> None:
        """Learn an attempt. Called once per call, including calls of verifiers.

        The garbage collector may close an abandoned stream at any point, so locks must be reentrant.
        """


@runtime_checkable
class Breaks(Protocol):
    """A policy with circuit breakers."""

    def health(self, now: float) -> dict[str, CircuitState]:
        """State of each circuit by name."""

    def reset(self, name: str | None = None) -> None:
        """Close the circuits of that name; None: all."""


@runtime_checkable
class Rewarded(Protocol):
    """A policy that learns from later outcomes."""

    def feedback(self, decision: str, reward: float, kind: str = "feedback") -> None:
        """Take in how well the decision turned out, from 0 to 1, and what says so: see `switchwise.nouns.exchange.feedback.WEIGHTS`."""


@runtime_checkable
class Grades(Protocol):
    """It knows how decisions turned out: a gate, a reader of what users say."""

    def grade_to(self, feedback: Callable[[str, float, str], object]) -> None:
        """Call `feedback` with each outcome: decision, reward from 0 to 1, and kind (`WEIGHTS`). Called by each router that it becomes part of."""


@runtime_checkable
class Reports(Protocol):
    """A policy that sends events to observers: a circuit opened, a budget is low."""

    def report_to(self, hear: Callable[[Event], object]) -> None:
        """Call `hear` with every event. Called by each router of the policy; see `switchwise.observe.Channel`.

        Events are sent outside locks, so that an observer may call the policy.
        """


@runtime_checkable
class Remembers(Protocol):
    """A policy whose state can be saved and restored."""

    def dump(self) -> Mapping[str, Any]:
        """Return the state as JSON types."""

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`.

        Raises:
            ConfigurationError: `state` is not a result of `dump`; nothing is restored.
        """


@runtime_checkable
class ChecksState(Protocol):
    """A policy that can validate a state before `load`: `Router.load` restores all of a state or nothing."""

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Raise `ConfigurationError` if `load` would; restore nothing."""


@runtime_checkable
class Caches(Protocol):
    """A response cache. The router asks it after all policies, so that every requirement holds."""

    def look_up(self, view: View, shortlist: Shortlist) -> tuple[Shortlist, Stored | None]:
        """Return the stored answer in place of a call to the first target of `shortlist`, and the shortlist with a remark."""

    def learn(self, attempt: Attempt) -> None:
        """Store the answer of an attempt if it may be cached."""


@runtime_checkable
class UsesStore(Protocol):
    """A policy whose state can be in the router's store."""

    def use_store(self, store: Store) -> None:
        """Keep the state in `store`. Called before there is any state; no effect if the constructor got a store."""


def name_of(policy: object) -> str:
    """The name of a policy in notes: its `name`, or that of its function or class."""
    name = getattr(policy, "name", None) or getattr(policy, "__name__", None)
    return name if isinstance(name, str) else type(policy).__name__


def refuse_what_is_no_policy(part: object) -> None:
    """Raise `ConfigurationError` if `part` cannot be called with a view and a shortlist."""
    if isinstance(part, type):
        raise ConfigurationError(f"{part.__name__} is a class: write {part.__name__}(...)")
    if not callable(part):
        if isinstance(part, list | tuple):
            raise ConfigurationError("a list is not a policy: give the policies one by one, Router(pool, *policies)")
        raise ConfigurationError(f"{part!r:.80} is not a policy: give functions of (view, shortlist), after the pool")
