"""Read from a user's next message whether the last answer was good: a complaint, or a word that it works. It changes no decision.

Off unless it stands in the chain. Use it where nothing better says how answers turn out: estimators count such an outcome for a tenth of one that
was checked. Not for agents whose work a test or a gate can check, and not where users write in languages that `read` does not know.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.scope import Level
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.validation import whole
from switchwise.nouns.view import View
from switchwise.state.in_process import InProcess
from switchwise.state.store import Store, Table

_LONGEST: Final = 400  # characters; a longer message is a new request
_BAD: Final = re.compile(
    r"^\W*(?:no|nope|wrong|incorrect)\b(?! (?:problem|worries|need|thanks|thank))|\bthat(?:'s| is| was) (?:not (?:right|correct|what|true)|wrong|incorrect)\b"
    r"|\bnot what i (?:asked|meant|wanted|said)\b|\bstill (?:fails|failing|broken|wrong|(?:not|doesn't|does not|isn't|is not) work)"
    r"|\b(?:doesn't|does not|didn't|did not) work\b|\byou(?:'ve| have)? (?:misunderst\w+|made a mistake|forgot|missed|ignored|broke)\b"
    r"|\b(?:try again|undo (?:that|this|it)|revert (?:that|this|it))\b"
)
_GOOD: Final = re.compile(
    r"\b(?:that|it|this|everything) (?:now )?works\b(?! (?:only|if|but))|\bworks now\b|\b(?:all )?tests pass\b|\bthat(?:'s| is) (?:it|right|correct)\b"
)
"""Words that confirm a result. Thanks do not: people thank for failures, too."""


def reaction(text: str) -> float | None:
    """What a short English message says of the answer before it: 1.0 it works, 0.0 a complaint, None neither or both.

    >>> reaction("No, that's not what I asked."), reaction("It works now."), reaction("Thanks! And in 1912?")
    (0.0, 1.0, None)
    """
    if len(text) > _LONGEST:
        return None
    said = text.lower().replace("\u2019", "'")
    bad, good = _BAD.search(said) is not None, _GOOD.search(said) is not None
    return None if bad == good else float(good)


class NextTurn:
    """Report what a user's message says of the answer before it, as feedback of kind `user_turn`.

    Parameters:
        read: text of the message -> reward from 0 to 1, or None: it says nothing.
        size: conversations that are followed.
        store: where the last decision of each is kept; None: in this process. No text is kept.

    Raises:
        ConfigurationError: `read` cannot be called, or the size is none.

    >>> from switchwise import Pool, Router, Target
    >>> from switchwise.quality import LabelTable
    >>> from switchwise.policies import NextTurn, Worth
    >>> router = Router(Pool([Target("opus"), Target("haiku")]), NextTurn(), Worth(LabelTable(), value=1.0))
    """

    name = "NextTurn"

    def __init__(
        self, read: Callable[[str], float | None] = reaction, *, size: int = 10_000, store: Store | None = None
    ) -> None:
        if not callable(read):
            raise ConfigurationError(f"NextTurn(read={read!r:.80}): give a function of the text that returns a reward or None")
        whole("NextTurn", "size", size)
        self._read, self._size = read, size
        self._given_store = store is not None
        self._last: Table = (store or InProcess()).table("next_turn", size)
        self._graders: tuple[Callable[[str, float, str], object], ...] = ()

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:  # noqa: ARG002  (a policy)
        return shortlist

    def use_store(self, store: Store) -> None:
        """Keep the last decisions in `store`; without effect where it was given a store already."""
        if not self._given_store:
            self._given_store, self._last = True, store.table("next_turn", self._size)

    def grade_to(self, feedback: Callable[[str, float, str], object]) -> None:
        """Report to `feedback` what is read."""
        if feedback not in self._graders:
            self._graders = (*self._graders, feedback)

    def learn(self, attempt: Attempt) -> None:
        """Note whose answer the conversation has now; read what the user said of the one before."""
        view = attempt.call.view
        if attempt.call.ask is not None or not attempt.accepted:
            return
        key, talk = view.scope.key(Level.AGENT), view.conversation
        before = self._last.get(key)
        self._last.put(key, view.decision)
        spoken = len(talk) > 1 and talk[-1].role == "user" and any(turn.role == "assistant" for turn in talk)
        if before is None or before == view.decision or not spoken:
            return
        reward = self._read(talk[-1].text)
        if reward is not None:
            for feedback in self._graders:
                feedback(before, reward, "user_turn")

    @staticmethod
    def _examples() -> list[NextTurn]:
        return [NextTurn(), NextTurn(lambda text: 0.0 if "!" in text else None, size=10)]
