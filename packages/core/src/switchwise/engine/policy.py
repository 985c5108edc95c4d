"""What a policy is, and what it may offer besides.

A policy is called with the view and the shortlist so far and returns a shortlist: narrowed by `require`, ranked by
`prefer` or `order`, or as it was. A plain function will do. Rules:
1. The same view and shortlist give the same answer: time is `view.now`, randomness is `view.seed`.
2. It does no I/O. One that must ask a model first is a generator: it yields an `Ask` and is sent the `Reply`, whose `answers` hold what is
   known; a `TargetError` is thrown into it where there is no reply. A `Gather` puts several at once; `Shortlist.together` calls several targets.
3. It never locks while it yields.
4. One whose class says `momentary = True` is about the next minutes (load, health): it is not asked about requests that may wait for hours.
5. What it remembers it learns in `learn`, not while it is asked: deciding twice must not count twice.
6. It may read what was said (`view.last_user`, `view.conversation`). It never keeps it: features and digests only, in memory, notes and dumps.
7. What it remembers lies in a table of a store, under keys that begin with the tenant (`Scope.key`).
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
"""Straight-line code of a policy or verifier: it yields each question that it needs answered, is sent the replies, and returns a T.

For an `Ask` it is sent the `Reply`; for a `Gather`, of each of its effects the reply, the `TargetError`, or None where it was cancelled.
"""
Steps = Generator[Call | Live, Any, T]
"""The engine's own: yields each call to be made, the caller's request and questions alike, and what is to be live where that is more than one."""


class NotMade(BaseException):
    """Thrown into a flow that is closed before its call was made: what was set aside for it is released."""


Opinion = Shortlist | Flow[Shortlist]
Policy = Callable[[View, Shortlist], Opinion]


class Verifier(Protocol):
    """Judges a reply before it is shown."""

    def __call__(self, view: View, reply: Reply) -> Verdict | Flow[Verdict]:
        """The verdict; or, where a model must be asked first, a generator that yields the calls and returns it."""


# Optional methods of a policy. Each is optional and found by its name when the router is built.
@runtime_checkable
class Checks(Protocol):
    """It can tell at construction that it does not suit a pool."""

    def check(self, pool: Pool) -> None:
        """Raise `ConfigurationError` if this policy cannot work with `pool`."""


@runtime_checkable
class Reserves(Protocol):
    """It hands out something that runs out, such as money, and must not hand it out twice.

    One that says `gives_way = True` refuses a call for the moment only: it will rule the target out itself when it is asked again.
    """

    def reserve(self, call: Call) -> bool:
        """Set aside what `call` may use up, just before it is made; False: there is no longer enough, decide again.

        Every reservation is followed by one `learn` of the attempt, which settles it, or by `release`.
        """

    def release(self, call: Call) -> None:
        """Take back the reservation for `call`, which is not made after all."""


@runtime_checkable
class Queues(Protocol):
    """It lets a call that it refuses wait its turn. Waiting belongs to the request (`View.decision`), of which each look makes another `Call`."""

    def wait_for(self, call: Call) -> float | None:
        """Seconds after which the router decides again, `call` keeping its place in the queue until then; None: it does not wait."""

    def leave(self, view: View) -> None:
        """Give back the place of this request, which goes on, ends or is closed. Harmless if it has none."""


@runtime_checkable
class Resends(Protocol):
    """What it sets aside for a call, the call uses up each time that it is sent."""

    def resend(self, call: Call) -> bool:
        """Set aside once more what `call` may use up: its connection was dead, and it is sent again; False: there is not enough.

        The `learn` or `release` that follows settles all of it.
        """


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
        """Take in how well the decision turned out, from 0 to 1, and what says so: see `switchwise.nouns.exchange.feedback.WEIGHTS`."""


@runtime_checkable
class Grades(Protocol):
    """It knows how decisions turned out: a gate, a reader of what users say."""

    def grade_to(self, feedback: Callable[[str, float, str], object]) -> None:
        """Call `feedback` with each outcome: decision, reward from 0 to 1, and kind (`WEIGHTS`). Called by each router that it becomes part of."""


@runtime_checkable
class Reports(Protocol):
    """It has events for the observers: a circuit opened, a budget ran low."""

    def report_to(self, hear: Callable[[Event], object]) -> None:
        """Send every event to `hear` too. Called by each router that it becomes part of; see `switchwise.observe.Channel`.

        Events are sent outside of locks: an observer may ask the policy how it stands.
        """


@runtime_checkable
class Remembers(Protocol):
    """Its memory can be carried to another process."""

    def dump(self) -> Mapping[str, Any]:
        """All that it remembers, as JSON types."""

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`.

        Raises:
            ConfigurationError: it is not what `dump` gives; nothing is taken over.
        """


@runtime_checkable
class ChecksState(Protocol):
    """It can tell beforehand whether it would load a state: `Router.load` takes over all of a state or nothing."""

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Raise `ConfigurationError` where `load` would; take nothing over."""


@runtime_checkable
class Caches(Protocol):
    """It keeps whole answers. A router asks it after all policies, so that no requirement is gone around."""

    def look_up(self, view: View, shortlist: Shortlist) -> tuple[Shortlist, Stored | None]:
        """The answer to give in place of calling the first target of `shortlist`, and the shortlist with a remark on it."""

    def learn(self, attempt: Attempt) -> None:
        """Keep the answer of an attempt, where it is worth it."""


@runtime_checkable
class UsesStore(Protocol):
    """Its memory can live in a store that a router is given."""

    def use_store(self, store: Store) -> None:
        """Keep the memory in `store`. Called before anything is remembered; without effect where it was given a store already."""


def name_of(policy: object) -> str:
    """The name that a policy's notes are signed with: its own `name`, or that of its function or class."""
    name = getattr(policy, "name", None) or getattr(policy, "__name__", None)
    return name if isinstance(name, str) else type(policy).__name__


def refuse_what_is_no_policy(part: object) -> None:
    """Raise `ConfigurationError` for what cannot be asked with a view and a shortlist."""
    if isinstance(part, type):
        raise ConfigurationError(f"{part.__name__} is a class: write {part.__name__}(...)")
    if not callable(part):
        if isinstance(part, list | tuple):
            raise ConfigurationError("a list is not a policy: give the policies one by one, Router(pool, *policies)")
        raise ConfigurationError(f"{part!r:.80} is no policy: give functions of (view, shortlist), after the pool")
