"""Empirical Bayes shrinkage by the method of moments.

A label with `n` outcomes of mean `y` is estimated as `(n * y + k * p) / (n + k)`, where `p` is the mean of its parent. `k`, in
outcomes, is the variance of one outcome over the variance between labels. The part that all targets share (a label is hard for
all of them) is removed first: it is no reason to prefer a target. Needs numpy.

Source: C. N. Morris, "Parametric empirical Bayes inference" (1983).
"""

from __future__ import annotations

from typing import Any

LEAST, MOST = 5.0, 1e6  # bounds of k


def pseudo_outcomes(counts: Any, means: Any, parents: Any, variance: float) -> float:
    """Weight of the parent's mean, in outcomes.

    Parameters:
        counts: (labels, targets) outcomes.
        means: (labels, targets) mean outcomes; anything where `counts` is 0.
        parents: (targets,) mean outcomes over all labels.
        variance: of one outcome around its label's mean, pooled over the targets.

    >>> import numpy as np
    >>> counts = np.full((4, 2), 100.0)
    >>> alike, apart = np.full((4, 2), 0.5), np.array([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1], [0.1, 0.9]])
    >>> [round(pseudo_outcomes(counts, means, np.array([0.5, 0.5]), 0.25)) for means in (alike, apart)]
    [1000000, 5]
    """
    import numpy as np

    known = counts > 0
    labels = known.any(axis=1)
    if labels.sum() < 2 or variance <= 0:
        return MOST if variance > 0 else LEAST
    own = np.where(known, means - parents, np.nan)
    targets = known.shape[1]
    common = np.nansum(np.where(known, own, 0.0), axis=1) / np.maximum(known.sum(axis=1), 1)
    own = own - common[:, None]
    weights = np.where(known, counts, 0.0)
    share = max(targets - 1, 1) / targets  # share of the noise that remains after removing the common part
    between = np.nansum(weights * np.nan_to_num(own) ** 2) / weights.sum()
    noise = variance * share * known.sum() / weights.sum()
    spread = max(between - noise, 1e-9) / share
    return float(min(max(variance / spread, LEAST), MOST))


def shrunk(counts: Any, means: Any, parents: Any, k: float) -> Any:
    """(labels, targets) means, each moved towards its parent's as if that were `k` outcomes."""
    import numpy as np

    return (np.where(counts > 0, counts * means, 0.0) + k * parents) / (counts + k)
