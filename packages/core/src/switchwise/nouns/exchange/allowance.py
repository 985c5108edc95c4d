"""What a provider says that an account may still send."""

from __future__ import annotations

from typing import NamedTuple


class Allowance(NamedTuple):
    """One rate limit of a provider, as the headers of an answer state it.

    Parameters:
        of: what is counted: `requests`, `tokens`, `input_tokens` or `output_tokens`.
        limit: how much a window allows.
        left: how much of it was left when the answer was sent.
        resets: seconds from then until all of it is there again; None: the provider does not say.
    """

    of: str
    limit: int
    left: int
    resets: float | None = None
