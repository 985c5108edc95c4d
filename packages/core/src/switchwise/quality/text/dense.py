"""Ten dense features of a text that do not depend on its words.

Needs numpy.
"""

from __future__ import annotations

from functools import cache
from math import log1p
from typing import Any

NAMES = (
    "log characters",
    "log words",
    "bytes per word",
    "share of digits",
    "share of capitals",
    "share of mathematical signs",
    "log lines",
    "question marks",
    "commas",
    "longest word",
)
_MATHS = b"+-*/=<>^%$\\{}()[]|_"


def dense(text: bytes) -> tuple[float, ...]:
    """The features of `NAMES`, unscaled.

    >>> dict(zip(NAMES, dense(b"What is 2 + 2?"), strict=True))["share of digits"]
    0.14285714285714285
    """
    np, classes, kinds = _tables()
    raw = np.frombuffer(text, np.uint8)
    length = max(len(raw), 1)
    digits, capitals, maths, lines, questions, commas = (np.bincount(raw, minlength=256) @ classes).tolist()
    inside = np.zeros(len(raw) + 2, np.int8)
    inside[1:-1] = kinds[raw]
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    spans = edges[1::2] - edges[::2]
    words = len(spans)
    return (
        log1p(len(raw)),
        log1p(words),
        float(spans.sum()) / words if words else 0.0,
        digits / length,
        capitals / length,
        maths / length,
        log1p(lines),
        log1p(questions),
        log1p(commas),
        log1p(float(spans.max())) if words else 0.0,
    )


@cache
def _tables() -> tuple[Any, Any, Any]:
    import numpy as np

    classes = np.zeros((256, 6))
    for byte in range(256):
        word = chr(byte)
        classes[byte] = [
            word.isdigit() and byte < 128,
            word.isupper() and byte < 128,
            byte in _MATHS,
            word == "\n",
            word == "?",
            word == ",",
        ]
    kinds = np.array([byte >= 128 or chr(byte).isalnum() for byte in range(256)], np.int8)
    return np, classes, kinds
