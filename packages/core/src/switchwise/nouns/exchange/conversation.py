"""The turns of a conversation, converted only when they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

from switchwise.nouns.signals import Turn


class Conversation(Sequence[Turn]):
    """The messages of a request as neutral turns. A turn is made on first access and kept as long as this object.

    It lives for one step, as the view does. Readers must keep neither it nor its text: only features and digests.

    Parameters:
        messages: the framework's own messages, in order; later additions to them are ignored. Without `turn`, turns.
        turn: converts a message to a turn.
        last_user: index of the user's last message; None: searched from the end.
        part: indices of the messages to include; None: all.

    >>> talk = Conversation([Turn("user", "Hello"), Turn("assistant", "Hi"), Turn("user", "Bye")])
    >>> len(talk), talk[-1].text, [turn.role for turn in talk[:2]], talk.last_user
    (3, 'Bye', ['user', 'assistant'], 'Bye')
    """

    __slots__ = ("_last_user", "_made", "_part", "_turn", "source")

    def __init__(
        self,
        messages: Sequence[Any] = (),
        turn: Callable[[Any], Turn] | None = None,
        last_user: int | None = None,
        part: range | None = None,
    ) -> None:
        self.source = messages
        """The framework's own messages, for a policy that knows the framework; read only."""
        self._turn = turn
        self._last_user = last_user
        self._part = range(len(messages)) if part is None else part
        self._made: dict[int, Turn] | None = None

    def __len__(self) -> int:
        return len(self._part)

    @overload
    def __getitem__(self, at: int) -> Turn: ...
    @overload
    def __getitem__(self, at: slice) -> Conversation: ...
    def __getitem__(self, at: int | slice) -> Turn | Conversation:
        if isinstance(at, slice):
            return Conversation(self.source, self._turn, None, self._part[at])
        return self._of(self._part[at])

    def __iter__(self) -> Iterator[Turn]:
        return map(self._of, self._part)

    def __reversed__(self) -> Iterator[Turn]:
        return map(self._of, reversed(self._part))

    @property
    def user_turn(self) -> Turn | None:
        """The last user turn; None if there is none."""
        if self._last_user is not None:
            return self._of(self._last_user) if self._last_user >= 0 else None
        return next((turn for turn in reversed(self) if turn.role == "user"), None)

    @property
    def last_user(self) -> str:
        """Text of the last user turn; empty if there is none."""
        turn = self.user_turn
        return turn.text if turn is not None else ""

    def _of(self, index: int) -> Turn:
        if self._turn is None:
            given: Turn = self.source[index]
            return given
        if self._made is None:
            self._made = {}
        turn = self._made.get(index)
        if turn is None:
            turn = self._made[index] = self._turn(self.source[index])
        return turn

    def __repr__(self) -> str:
        return f"Conversation({len(self)} messages)"
