"""A hard cap on what switching may cost in all: the guarantee for when every estimate is wrong.

Beside the real bill runs the bill that one would have had without ever switching: the same calls at the home model, its cache as it
would then be. Once the real one exceeds the other by more than the allowed share, nothing is invested any more: a call goes
elsewhere only where it is cheaper at once, until the difference has been earned back.

Source: the routing budget of Plano (katanemo) caps switch spend; this one counts what switching saved, too.
"""

from __future__ import annotations


class SpendCap:
    """Whether there is still something to invest.

    Parameters:
        share: by how much the bill may exceed that of never switching: 0.02 is 2 %.
        start: calls whose mean cost is granted in advance, so that the first switch is possible.
    """

    __slots__ = ("_calls", "never", "share", "spent", "start")

    def __init__(self, share: float = 0.02, start: int = 200) -> None:
        self.share = share
        self.start = start
        self.spent = 0.0
        self.never = 0.0
        self._calls = 0

    def add(self, spent: float, never: float) -> None:
        """Take in one call: USD that it cost, and that the work it did would have cost at home."""
        self.spent += spent
        self.never += never
        self._calls += 1

    @property
    def allows(self) -> bool:
        """Something may be invested."""
        if not self._calls:
            return True
        granted = self.share * self.never * (1.0 + self.start / self._calls)
        return self.spent - self.never <= granted
