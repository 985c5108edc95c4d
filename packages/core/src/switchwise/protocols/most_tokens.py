"""The most tokens that a call can take: what is set aside for it before its usage is known."""

from __future__ import annotations

from math import ceil

from switchwise.nouns.exchange.ask import Ask
from switchwise.nouns.target import Target
from switchwise.nouns.view import View
from switchwise.protocols.ask_text import bytes_of

BYTES_PER_TOKEN = 2  # a lower bound in practice (English has about 4, hexadecimal digits about 2)


def most_tokens(target: Target, view: View, ask: Ask | None, margin: float, allowance: int) -> tuple[int, int]:
    """The longest prompt and answer that a call may have, in tokens.

    Parameters:
        target: whom it goes to.
        view: the request.
        ask: questions that are sent in place of it.
        margin: factor on the estimate of the prompt.
        allowance: longest answer where nothing caps it.
    """
    if ask is None:
        return ceil(max(0, view.tokens) * margin), longest_answer(target, view.needs.max_output, allowance)
    return ceil(bytes_of(ask, view.seed) / BYTES_PER_TOKEN), _uncapped(target, allowance)


def longest_answer(target: Target, asked: int | None, allowance: int) -> int:
    """The longest answer, in tokens: as the request caps it, else as the target's client does.

    Parameters:
        asked: the limit of the request; None: it has none.
        allowance: longest answer where nothing caps it.
    """
    sends = target.defaults
    longest = asked if asked is not None and asked >= 0 else sends.max_output
    if longest is None:
        longest = _uncapped(target, allowance)
    return (
        longest + sends.thinking if longest <= sends.thinking else longest
    )  # the adapters add what is thought to so short a limit


def _uncapped(target: Target, allowance: int) -> int:
    return min(target.can.max_output or allowance, allowance)
