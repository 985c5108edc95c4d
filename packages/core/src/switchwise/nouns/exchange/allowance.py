"""Rate-limit state of an account, as a provider reports it."""

from __future__ import annotations

from typing import NamedTuple


class Allowance(NamedTuple):
    """One rate limit of a provider, as the headers of an answer report it.

    Parameters:
        of: the unit: `requests`, `tokens`, `input_tokens` or `output_tokens`.
        limit: allowed per window.
        left: remaining when the answer was sent.
        resets: seconds from then until the full limit is available; None if unknown.
    """

    of: str
    limit: int
    left: int
    resets: float | None = None
