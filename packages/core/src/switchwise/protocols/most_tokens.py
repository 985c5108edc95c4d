"""Upper bound of the tokens that a call can use: the amount reserved before its usage is known."""

from __future__ import annotations

from math import ceil

from switchwise.nouns.exchange.ask import Ask
from switchwise.nouns.target import Target
from switchwise.nouns.view import View
from switchwise.protocols.ask_text import bytes_of

BYTES_PER_TOKEN = 2  # a lower bound in practice (English has about 4, hexadecimal digits about 2)


def most_tokens(target: Target, view: View, ask: Ask | None, margin: float, allowance: int) -> tuple[int, int]:
    """Return upper bounds of prompt and answer, in tokens.

    Parameters:
        target: the called target.
        view: the request.
        ask: questions sent instead of the request; None: the request itself.
        margin: factor on the estimated prompt length.
        allowance: answer length to assume if nothing limits it.
    """
    if ask is None:
        return ceil(max(0, view.tokens) * margin), longest_answer(target, view.needs.max_output, allowance)
    return ceil(bytes_of(ask, view.seed) / BYTES_PER_TOKEN), _uncapped(target, allowance)


def longest_answer(target: Target, asked: int | None, allowance: int) -> int:
    """Return the longest possible answer in tokens: limited by the request, else by the target's client.

    Parameters:
        asked: limit in the request; None if it has none.
        allowance: answer length to assume if nothing limits it.
    """
    sends = target.defaults
    longest = asked if asked is not None and asked >= 0 else sends.max_output
    if longest is None:
        longest = _uncapped(target, allowance)
    return (
        longest + sends.thinking if longest <= sends.thinking else longest
    )  # adapters add the thinking budget to so low a limit


def _uncapped(target: Target, allowance: int) -> int:
    return min(target.can.max_output or allowance, allowance)
