"""Near duplicates among texts, so that no split puts a question into the training part and its twin into the test part.

Character 5-grams, 64 minima per text in 16 bands (candidates share a band), then the cosine of the binary 5-gram vectors. A template that most texts
share, such as instructions or worked examples in front of each question, does not count. Needs numpy.

Source: A. Z. Broder, "On the resemblance and containment of documents" (1997).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

GRAM, BANDS, PER_BAND = 5, 16, 4
ALIKE = 0.8  # cosine
LONGEST = 4_000  # bytes that are compared
CROWD = 50  # of a larger band only neighbours are compared
LOOKED_AT, MANY = 1_000, 20  # texts in which a template is looked for; with fewer there is none
TEMPLATE = 0.2  # share of the usual text's grams from which on those of more than half of the texts are a template


def duplicate_groups(texts: Sequence[str]) -> Any:
    """One whole number per text; near duplicates share it.

    >>> duplicate_groups(["What is the capital of France?", "Name a prime.", "What is the capital of France ?"]).tolist()
    [0, 1, 0]
    """
    import numpy as np

    rng = np.random.default_rng(0)
    factors = rng.integers(1, 2**63, BANDS * PER_BAND, dtype=np.uint64) | np.uint64(1)
    powers = np.array([0x100000001B3**i % 2**64 for i in range(GRAM)], np.uint64)
    grams: list[Any] = []
    bands: dict[Any, list[int]] = defaultdict(list)
    for text in texts:
        raw = np.frombuffer(" ".join(text.lower().split()).encode()[:LONGEST].ljust(GRAM), np.uint8).astype(np.uint64)
        windows = np.lib.stride_tricks.sliding_window_view(raw, GRAM)
        grams.append(np.unique((windows * powers).sum(axis=1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)))
    template = _template(grams, rng)
    for number, whole in enumerate(grams):
        own = np.setdiff1d(whole, template, assume_unique=True) if len(template) else whole
        grams[number] = own = own if len(own) else whole
        least = ((own ^ (own >> np.uint64(31)))[:, None] * factors).min(axis=0).reshape(BANDS, PER_BAND)
        for band, key in enumerate(least):
            bands[band, key.tobytes()].append(number)
    parent = list(range(len(texts)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    seen: set[tuple[int, int]] = set()
    for members in bands.values():
        for at, a in enumerate(members):
            for b in members[at + 1 : at + 2] if len(members) > CROWD else members[at + 1 :]:
                if (a, b) in seen or root(a) == root(b):
                    continue
                seen.add((a, b))
                shared = len(np.intersect1d(grams[a], grams[b], assume_unique=True))
                if shared >= ALIKE * (len(grams[a]) * len(grams[b])) ** 0.5:
                    parent[max(root(a), root(b))] = min(root(a), root(b))
    return np.unique([root(i) for i in range(len(texts))], return_inverse=True)[1]


def _template(grams: Sequence[Any], rng: Any) -> Any:
    """The grams that more than half of the texts share, where they are a large part of a text."""
    import numpy as np

    none = np.zeros(0, np.uint64)
    if len(grams) < MANY:
        return none
    looked_at = [grams[i] for i in rng.permutation(len(grams))[:LOOKED_AT]]
    found, counts = np.unique(np.concatenate(looked_at), return_counts=True)
    common = found[counts > len(looked_at) / 2]
    return common if len(common) >= TEMPLATE * np.median([len(each) for each in looked_at]) else none
