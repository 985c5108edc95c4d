"""A clock that is advanced by hand."""

from __future__ import annotations


class Clock:
    """Clock for a router's `clock=`: time passes only by `advance`, without sleeping.

    Parameters:
        now: seconds at the start.

    >>> clock = Clock()
    >>> start = clock()
    >>> clock.advance(2.5)
    >>> clock() - start
    2.5
    """

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Advance by `seconds`. Also usable as `sleep=` of `drive`."""
        self.now += seconds

    async def aadvance(self, seconds: float) -> None:
        """As `advance`, for `adrive`."""
        self.now += seconds
