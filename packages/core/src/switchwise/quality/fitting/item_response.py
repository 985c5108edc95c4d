"""Item response models: one difficulty per question, one ability and slope per target.

Needs numpy. Source: A. Birnbaum (1968), the two-parameter logistic model; for language models F. M. Polo et al., "tinyBenchmarks" (2024).
"""

from __future__ import annotations

from typing import Any

CLIP = 0.02  # least distance of probabilities from 0 and 1 before the logit
SLOPE, OFFSET = 20.0, 5.0  # penalties of `adjustments`: of a slope's distance from -0.5, of an offset
ROUNDS = 25
PRIOR = 0.1  # precision of the normal prior on a difficulty; a prior of 1 pulls questions that no target, or every target, solves towards the middle
FARTHEST = 6.0  # largest difficulty, in log odds


def logit(p: Any) -> Any:
    """Log odds of probabilities, clipped to [0.02, 0.98]."""
    import numpy as np

    p = np.clip(p, CLIP, 1 - CLIP)
    return np.log(p) - np.log1p(-p)


def sigmoid(x: Any) -> Any:
    """The probability of log odds."""
    import numpy as np

    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))


def difficulties(outcomes: Any) -> Any:
    """Difficulty of each question in log odds; larger is harder.

    Alternates Newton steps for the questions (a wide normal prior) and the targets (normal priors on ability and slope).

    Parameters:
        outcomes: (questions, targets) from 0 to 1; NaN: not known.
    """
    import numpy as np

    known = ~np.isnan(outcomes)
    y = np.where(known, outcomes, 0.0)
    rates = (y.sum(0) + 1) / (known.sum(0) + 2)
    ability, slope = logit(rates), np.ones(outcomes.shape[1])
    hard = np.zeros(outcomes.shape[0])
    for _ in range(ROUNDS):
        for _ in range(2):
            p = sigmoid(ability - slope * hard[:, None])
            gap, spread = np.where(known, p - y, 0.0), np.where(known, p * (1 - p), 0.0)
            hard += np.clip((gap @ slope - PRIOR * hard) / (spread @ slope**2 + PRIOR), -1, 1)
        hard = np.clip(hard - hard.mean(), -FARTHEST, FARTHEST)
        p = sigmoid(ability - slope * hard[:, None])
        gap, spread = np.where(known, y - p, 0.0), np.where(known, p * (1 - p), 0.0)
        a, b = gap.sum(0) - 0.1 * (ability - ability.mean()), -(gap * hard[:, None]).sum(0) - 4.0 * (slope - 1)
        aa, bb = spread.sum(0) + 0.1, (spread * hard[:, None] ** 2).sum(0) + 4.0
        ab = -(spread * hard[:, None]).sum(0)
        down = aa * bb - ab**2
        ability = ability + np.clip((bb * a - ab * b) / down, -1, 1)
        slope = np.clip(slope + np.clip((aa * b - ab * a) / down, -0.5, 0.5), 0.1, 4.0)
    return hard


def adjustments(outcomes: Any, given: Any, hard: Any) -> tuple[Any, Any]:
    """Per target an offset `c` and a slope `w`, so that `sigmoid(given + c + w * hard)` fits its outcomes.

    Parameters:
        outcomes: (questions, targets) from 0 to 1; NaN: not known.
        given: (questions, targets) log odds without the text.
        hard: (questions,) difficulty as predicted from the text, of mean 0, by a model that did not see these outcomes.
    """
    import numpy as np

    known = ~np.isnan(outcomes)
    y, x = np.where(known, outcomes, 0.0), hard[:, None]
    c, w = np.zeros(outcomes.shape[1]), np.full(outcomes.shape[1], -0.5)
    for _ in range(ROUNDS):
        p = sigmoid(given + c + w * x)
        gap, spread = np.where(known, y - p, 0.0), np.where(known, p * (1 - p), 0.0)
        a, b = gap.sum(0) - OFFSET * c, (gap * x).sum(0) - SLOPE * (w + 0.5)
        aa, bb = spread.sum(0) + OFFSET, (spread * x**2).sum(0) + SLOPE
        ab = (spread * x).sum(0)
        down = aa * bb - ab**2
        c, w = c + (bb * a - ab * b) / down, w + (aa * b - ab * a) / down
    return c, w
