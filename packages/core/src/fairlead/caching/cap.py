"""A hard cap on what switching may cost in all: the guarantee for when every estimate is wrong.

Beside the real bill runs the bill that one would have had without ever switching: the same work at the home model, its cache as it
would then be. Once the real one exceeds the other by more than the allowed share, nothing is invested any more: a call goes
elsewhere only where it is cheaper at once, until the difference has been earned back.

The same work is not the same calls: a model that needs more of them makes calls that the home model would not have made, and they lengthen
every prompt that follows. Both count as spent on switching, for all calls so far, by what is now known of each model (`works`).

Source: the routing budget of Plano (katanemo) caps switch spend; this one counts what switching saved, and what it made longer, too.
"""

from __future__ import annotations


class SpendCap:
    """Whether there is still something to invest.

    Parameters:
        share: by how much the bill may exceed that of never switching: 0.02 is 2 %.
        start: calls whose mean cost is granted in advance, so that the first switch is possible.
    """

    __slots__ = ("_away", "_calls", "_carried", "_home", "_open", "_work", "share", "spent", "start")

    def __init__(self, share: float = 0.02, start: int = 200) -> None:
        self.share = share
        self.start = start
        self.spent = 0.0
        self._calls = 0
        self._open: bool | None = True  # as it was found last; None: something was taken in since
        self._home = 0.0
        self._away: dict[str, float] = {}
        self._carried: dict[str, float] = {}
        self._work: dict[str, float] = {}

    def add(self, spent: float, never: float, model: str = "") -> None:
        """Take in one call.

        Parameters:
            spent: USD that it cost.
            never: USD that the same call would have cost at home.
            model: who made it; empty: the home model.
        """
        self._open = None
        self._calls += 1
        self.spent += spent
        if model:
            self._away[model] = self._away.get(model, 0.0) + never
        else:
            self._home += never

    def carried(self, model: str, cost: float) -> None:
        """Take in USD that a call at home cost because of what calls of `model` had added to its prompt."""
        self._open = None
        self._carried[model] = self._carried.get(model, 0.0) + cost

    def works(self, model: str, work: float) -> None:
        """Take in that a call of `model` does that much of a call of the home model: 1 where it needs no more calls."""
        self._open = None
        self._work[model] = work

    @property
    def never(self) -> float:
        """USD that the work done so far would have cost without ever switching."""
        work = self._work
        same = sum(cost * work.get(model, 1.0) for model, cost in self._away.items())
        longer = sum(cost * (1.0 - work.get(model, 1.0)) for model, cost in self._carried.items())
        return self._home + same - longer

    @property
    def allows(self) -> bool:
        """Something may be invested."""
        if self._open is None:
            never = self.never
            self._open = self.spent - never <= self.share * never * (1.0 + self.start / max(1, self._calls))
        return self._open
