"""Base of verifiers that combine others: passes checks, feedback and state on to the parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from switchwise.engine.policy import Asks, Checks, ChecksState, Learns, Remembers, Rewarded, UsesStore, Verifier, name_of
from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.reply import Verdict
from switchwise.nouns.target import Pool, Target
from switchwise.observe.verdicts import Counted
from switchwise.state.codec import mapping
from switchwise.state.store import Store


class Joined(Counted):
    """Base class of verifiers that combine others.

    Parameters:
        verifiers: the parts, in order.

    Raises:
        ConfigurationError: no verifier is given, or an argument is not a verifier.
    """

    def __init__(self, verifiers: Sequence[Verifier]) -> None:
        super().__init__()
        name = type(self).__name__
        if not verifiers:
            raise ConfigurationError(f"{name}(): give one or more verifiers, such as {name}(NotEmpty(), Judge('haiku'))")
        if strange := [each for each in verifiers if isinstance(each, type) or not callable(each)]:
            raise ConfigurationError(f"{name}({strange[0]!r:.80}): give verifiers, such as NotEmpty()")
        self.verifiers = tuple(verifiers)

    @property
    def asks(self) -> tuple[Target, ...]:
        """The models outside the pool that the parts ask."""
        return tuple([target for part in self.verifiers if isinstance(part, Asks) for target in part.asks])

    @staticmethod
    def signed(verifier: Verifier, verdict: Verdict) -> Verdict:
        """Return the verdict with the name of its verifier."""
        return replace(verdict, because=f"{name_of(verifier)}: {verdict.because}" if verdict.because else name_of(verifier))

    def check(self, pool: Pool) -> None:
        """Let the parts check the pool."""
        for part in self.verifiers:
            if isinstance(part, Checks):
                part.check(pool)

    def use_store(self, store: Store) -> None:
        """Keep the state of the parts in `store`."""
        for part in self.verifiers:
            if isinstance(part, UsesStore):
                part.use_store(store)

    def learn(self, attempt: Attempt) -> None:
        """Let the parts learn."""
        for part in self.verifiers:
            if isinstance(part, Learns):
                part.learn(attempt)

    def feedback(self, decision: str, reward: float, kind: str = "feedback") -> None:
        """Compare the verdict with the outcome, in the parts too."""
        super().feedback(decision, reward, kind)
        for part in self.verifiers:
            if isinstance(part, Rewarded):
                part.feedback(decision, reward, kind)

    def dump(self) -> Mapping[str, Any]:
        """The counts, and the state of the parts, as JSON data."""
        parts = [part.dump() if isinstance(part, Remembers) else {} for part in self.verifiers]
        return {**super().dump(), "parts": parts}

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Raise `ConfigurationError` if `state` is not a result of `dump`."""
        super().check_state(state)
        what = f"state of {type(self).__name__}"
        parts = mapping(state, what).get("parts")
        if not isinstance(parts, list) or len(parts) != len(self.verifiers):
            raise ConfigurationError(f"{what}: it is of other verifiers; start without that state")
        for part, known in zip(self.verifiers, parts, strict=True):
            if isinstance(part, ChecksState):
                part.check_state(known)

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`."""
        super().load(state)
        for part, known in zip(self.verifiers, state["parts"], strict=True):
            if isinstance(part, Remembers):
                part.load(known)
