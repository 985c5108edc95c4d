"""Convert texts to vectors: by hashed character n-grams (default) or by your embedding model.

| embedder | needs | time |
|---|---|---|
| `hashed_ngrams` | numpy | some 60 us |
| `model2vec("minishlab/potion-base-8M")` | `pip install model2vec`, its weights | some 100 us |
| `embedder_of(embeddings)` | any LangChain `Embeddings` or LlamaIndex `BaseEmbedding` | a call of its model |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from switchwise.nouns.errors import ConfigurationError

Embedder = Callable[[str], Any]
"""Function of a text that returns a vector, of the same length for all texts."""

DIMENSIONS = 512
_SHORT, _LONG = 3, 5


def hashed_ngrams(text: str) -> Any:
    """The counts of words and of character 3- to 5-grams, hashed with signs into 512 dimensions, of norm 1; needs numpy.

    >>> import numpy as np
    >>> a, b, c = (hashed_ngrams(text) for text in ("refund my order", "I want my order refunded", "write a sonnet"))
    >>> bool(a @ b > a @ c)
    True
    """
    import numpy as np

    raw = np.frombuffer(f" {' '.join(text.lower().split())} ".encode()[:4_000], np.uint8).astype(np.uint64)
    found = np.zeros(DIMENSIONS)
    with np.errstate(over="ignore"):
        for size in range(_SHORT, _LONG + 1):
            if len(raw) < size:
                break
            powers = np.array([0x100000001B3**i % 2**64 for i in range(size)], np.uint64)
            hashes = (np.lib.stride_tricks.sliding_window_view(raw + np.uint64(1), size) * powers).sum(axis=1, dtype=np.uint64)
            hashes *= np.uint64(0x9E3779B97F4A7C15)
            signs = np.where((hashes >> np.uint64(40)) & np.uint64(1), 1.0, -1.0)
            found += np.bincount((hashes >> np.uint64(55)).astype(np.int64), signs, DIMENSIONS)
    norm = float(np.sqrt(found @ found))
    return found / norm if norm else found


def model2vec(name: str) -> Embedder:
    """A static embedding model.

    Raises:
        ConfigurationError: `model2vec` is not installed.
    """
    try:
        from model2vec import StaticModel  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise ConfigurationError("model2vec is not installed: pip install model2vec") from None
    model = StaticModel.from_pretrained(name)
    return lambda text: model.encode([text])[0]


def embedder_of(thing: Any) -> Embedder:
    """Return a function of the text from a function, a LangChain `Embeddings` or a LlamaIndex `BaseEmbedding`.

    Raises:
        ConfigurationError: `thing` is none of these.
    """
    for method in ("embed_query", "get_text_embedding"):
        if callable(found := getattr(thing, method, None)):
            embed: Embedder = found
            return embed
    if callable(thing) and not isinstance(thing, type):
        function: Embedder = thing
        return function
    raise ConfigurationError(f"embed={thing!r}: give a function of the text, or embeddings of LangChain or LlamaIndex")


def unit(vector: Any) -> Any:
    """Scale a vector to norm 1; needs numpy."""
    import numpy as np

    found = np.asarray(vector, float)
    norm = float(np.sqrt(found @ found))
    return found / norm if norm else found
