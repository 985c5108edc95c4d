"""Lexical differences of two questions, used in addition to similarity. Keeps digests of words, no text.

An embedding captures the topic; whether two questions have one answer often depends on a number, a "not", a name, or an order ("from A to
B"). None of these is a veto: as features of a learnt score they allow more hits with fewer errors.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from zlib import crc32

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|\d+(?:[.,:/-]\d+)*|[^\W_]*\d[\w-]*")
_STOP = frozenset(
    "a an and are as at be been but by can could did do does for from had has have how i if in into is it its just me my of on or our please so "
    "some than that the their them then there these they this to up us was we were what when where which who why will with would you your".split()
)
_NEGATIONS = frozenset(
    "no not never none nobody nothing without cannot neither nor isn't aren't doesn't don't didn't won't can't couldn't wasn't".split()
)
_OPPOSITES = {
    word: tuple(sorted(pair))
    for pair in (
        ("on", "off"), ("open", "close"), ("start", "stop"), ("enable", "disable"), ("increase", "decrease"), ("add", "remove"), ("up", "down"),
        ("before", "after"), ("buy", "sell"), ("in", "out"), ("first", "last"), ("most", "least"), ("min", "max"), ("minimum", "maximum"),
        ("lock", "unlock"), ("send", "receive"), ("high", "low"), ("more", "less"), ("activate", "deactivate"), ("import", "export"),
        ("deposit", "withdraw"), ("accept", "decline"), ("above", "below"), ("cheapest", "dearest"), ("old", "new"), ("raise", "lower"),
    )
    for word in pair
}  # fmt: skip
FEATURES = (
    "constant",
    "similarity",
    "margin",
    "shared words",
    "numbers",
    "negation",
    "opposites",
    "names",
    "order",
    "one word",
)


_FLEETING = re.compile(
    r"\b(?:today|tonight|tomorrow|yesterday|now|currently|current|latest|recent|price|prices|weather|status|my|mine|me)\b|\S+@\S+\.\w+|\d{6,}",
    re.I,
)


def fleeting(text: str) -> bool:
    """Return whether a question depends on the time or the person, so that its answer must not be shared.

    >>> fleeting("What is the weather?"), fleeting("How do I top up a card?")
    (True, False)
    """
    return _FLEETING.search(text) is not None


class Wording(NamedTuple):
    """Features of a question, as digests.

    Parameters:
        words: its content words in order.
        numbers: its numbers and codes, sorted.
        negations: number of negating words.
        opposites: words with an opposite, and their pair.
        names: words written as names within a sentence.
    """

    words: tuple[int, ...]
    numbers: tuple[str, ...]
    negations: int
    opposites: frozenset[tuple[tuple[str, ...], str]]
    names: frozenset[int]


def wording(text: str) -> Wording:
    """Return the features of a question."""
    tokens = _WORD.findall(text)
    lower = [word.lower() for word in tokens]
    content = tuple([crc32(word.encode()) for word in lower if word not in _STOP and not word[0].isdigit()])
    numbers = tuple(sorted(word for word in lower if any(c.isdigit() for c in word)))
    opposites = frozenset([(_OPPOSITES[word], word) for word in lower if word in _OPPOSITES])
    names = frozenset([crc32(word.lower().encode()) for word in tokens[1:] if word[0].isupper() and word != "I"])
    return Wording(content, numbers, sum(word in _NEGATIONS for word in lower), opposites, names)


def features(one: Wording, other: Wording, similarity: float, margin: float) -> tuple[float, ...]:
    """Return the numbers of `FEATURES` for a question and the nearest known one.

    >>> dict(zip(FEATURES, features(wording("turn the lamp on"), wording("turn the lamp off"), 0.9, 0.1)))["opposites"]
    1.0
    """
    mine, its = set(one.words), set(other.words)
    shared = len(mine & its) / (len(mine | its) or 1)
    turned = any(pair == facing and word != its_word for pair, word in one.opposites for facing, its_word in other.opposites)
    return (
        1.0,
        similarity,
        min(margin, 0.4),
        shared,
        float(one.numbers != other.numbers),
        float(one.negations % 2 != other.negations % 2),
        float(turned),
        float(one.names != other.names),
        float(mine == its and one.words != other.words),
        float(len(mine - its) == 1 == len(its - mine)),
    )


def same_words(found: tuple[float, ...]) -> bool:
    """Whether the features of a pair say: the same content words, and no number, negation, name or order that differs.

    >>> same_words(features(wording("How do I top up?"), wording("how can I top it up"), 0.9, 0.1))
    True
    >>> same_words(features(wording("from Paris to London"), wording("from London to Paris"), 1.0, 0.1))
    False
    """
    return found[3] >= 1.0 and not any(found[4:])
