"""Conformance checks for estimators.

    from switchwise.testing import check_estimator

    def test_my_estimator():
        check_estimator(lambda: MyEstimator(...))

They raise `AssertionError`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from switchwise.nouns.call import Attempt, Call
from switchwise.nouns.exchange.conversation import Conversation
from switchwise.nouns.exchange.feedback import WEIGHTS
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.signals import Turn
from switchwise.nouns.target import Pool
from switchwise.nouns.view import View
from switchwise.quality.estimate import UNKNOWN, Estimate, Estimator, Grade, Observes, estimate
from switchwise.testing import material

Make = Callable[[], Estimator]
THREADS = 4


def check_estimator(make: Make, pool: Pool | None = None) -> None:
    """Check that an estimator keeps the contract of `switchwise.quality.estimate`.

    Parameters:
        make: returns a new instance with empty state.
        pool: a suitable pool; None: four targets named opus, sol, haiku and luna.

    Raises:
        AssertionError: it breaks the contract; the message gives the reason.

    >>> from switchwise.quality import LabelTable
    >>> check_estimator(LabelTable)
    """
    for check in ESTIMATOR_CHECKS:
        check(make, pool or material.pool())


def gives_one_estimate_per_target(make: Make, pool: Pool) -> None:
    """It gives one estimate per target, with a probability, non-negative evidence and a source; omitting targets does not change the
    others.
    """
    quality = _taught(make, pool)
    for view in views():
        found = estimate(quality, view, pool.targets)
        assert len(found) == len(pool.targets), f"{len(found)} estimates for {len(pool.targets)} targets"
        for each in found:
            assert 0 <= each.p <= 1, f"p={each.p} is not a probability"
            assert each.n >= 0, f"n={each.n} is negative"
            assert each.source, "an estimate does not say where it is from"
            assert each.dollars is None or each.dollars >= 0, f"dollars={each.dollars} is negative"
        assert estimate(quality, view, ()) in ([], ()), "no targets: no estimates"


def is_repeatable(make: Make, pool: Pool) -> None:
    """Estimating twice gives the same result and does not change its state."""
    quality = _taught(make, pool)
    remembered = _dumped(quality)
    first, second = _all(quality, pool), _all(quality, pool)
    assert first == second, "asked twice, it gave two answers"
    assert _dumped(quality) == remembered, "being asked changed its memory"


def keeps_what_it_cannot_improve(make: Make, pool: Pool) -> None:
    """It keeps the evidence of the given estimates."""
    quality = make()
    given = [Estimate(0.7, 30.0, 0.1, 2.0, "given") for _ in pool.targets]
    for view in views():
        for each in quality.estimate(view, pool.targets, given):
            assert each.n > 0, "it lost the evidence that it was given"
            assert each.dollars is not None, "it lost the cost that it was given"


def learns_from_grades(make: Make, pool: Pool) -> None:
    """Grades of every kind move the estimate in the right direction; other targets are unchanged."""
    if not isinstance(make(), Observes):
        return
    view, target = views()[4], pool.targets[1]
    for kind in WEIGHTS:
        better, worse = make(), make()
        assert isinstance(better, Observes)
        assert isinstance(worse, Observes)
        for _ in range(30):
            better.observe(better.filed(view), target.name, Grade(1.0, kind, 0.02, 3.0))
            worse.observe(worse.filed(view), target.name, Grade(0.0, kind, 0.02, 3.0))
        up, down = (estimate(each, view, [target])[0] for each in (better, worse))
        assert up.p >= down.p, f"thirty solved tasks ({kind}) leave it at {up.p}, thirty failed ones at {down.p}"
        if better.filed(view):  # if it distinguishes the view from others
            assert up.p > down.p, f"thirty grades of kind {kind} did not move it"


def counts_an_outcome_once(make: Make, pool: Pool) -> None:
    """An attempt or feedback that arrives twice, from two policies that share it, counts once."""
    once, twice = make(), make()
    if not hasattr(once, "learn") or not hasattr(twice, "learn"):
        return
    attempt = _attempt(pool, accepted=True)
    for quality, times in ((once, 1), (twice, 2)):
        learner: Any = quality
        for _ in range(times):
            learner.learn(attempt)
        for _ in range(times):
            learner.feedback(attempt.call.view.decision, 1.0)
    assert _all(once, pool) == _all(twice, pool), "an outcome that was reported twice counted twice"
    assert _dumped(once) == _dumped(twice), "an outcome that was reported twice is stored twice"


def carries_its_memory(make: Make, pool: Pool) -> None:
    """Its dump is JSON, and a new instance that loads it gives the same estimates."""
    quality, other = _taught(make, pool), make()
    if not hasattr(quality, "dump") or not hasattr(other, "load"):
        return
    other.load(json.loads(json.dumps(quality.dump(), allow_nan=False)))
    assert _all(other, pool) == _all(quality, pool), "after load(dump()) it says something else"
    assert _dumped(other) == _dumped(quality), "dump, load and dump give two states"


def keeps_no_text(make: Make, pool: Pool) -> None:
    """Its state contains no text of the conversation."""
    quality = _taught(make, pool)
    assert "zanzibar" not in json.dumps(_dumped(quality)), "it remembers text of a conversation"


def is_thread_safe(make: Make, pool: Pool) -> None:
    """It may be used and taught from many threads at once."""
    quality = make()
    errors: list[BaseException] = []
    start = threading.Barrier(THREADS)

    def work(number: int) -> None:
        try:
            start.wait()
            for i, view in enumerate(views()):
                estimate(quality, view, pool.targets)
                if isinstance(quality, Observes):
                    quality.observe(
                        quality.filed(view), pool.targets[(i + number) % len(pool)].name, Grade(float(i % 2), "task")
                    )
                _dumped(quality)
        except BaseException as error:  # noqa: BLE001  (carried to the thread that reports it)
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise AssertionError(f"used by {THREADS} threads at once, it failed: {errors[0]!r}") from errors[0]


ESTIMATOR_CHECKS: tuple[Callable[[Make, Pool], None], ...] = (
    gives_one_estimate_per_target,
    is_repeatable,
    keeps_what_it_cannot_improve,
    learns_from_grades,
    counts_an_outcome_once,
    carries_its_memory,
    keeps_no_text,
    is_thread_safe,
)


def views() -> list[View]:
    """Requests of every kind, each with text."""
    prompts = ("Tell me of zanzibar.", "Fix the bug in line 7 of zanzibar.py: `x[i] = y[i + 1]` fails.", "Hello", "")
    found = []
    for i, view in enumerate(material.views()):
        turns = [
            Turn("system", "You help."),
            Turn("user", prompts[i % len(prompts)]),
            Turn("assistant", "Yes."),
            Turn("tool", "17"),
        ]
        found.append(replace(view, conversation=Conversation(turns)))
    return found


def _taught(make: Make, pool: Pool) -> Estimator:
    quality = make()
    if isinstance(quality, Observes):
        for i, view in enumerate(views()):
            for j, target in enumerate(pool):
                grade = Grade(float((i + j) % 3 > 0), list(WEIGHTS)[i % len(WEIGHTS)], 0.01 * (j + 1), 1.0)
                quality.observe(quality.filed(view), target.name, grade)
    return quality


def _attempt(pool: Pool, accepted: bool) -> Attempt:
    view = views()[5]
    call = Call(pool.targets[0], view, Shortlist(pool))
    return Attempt(call, view.now, view.now + 1, Reply("yes"), verdict=Verdict(accepted), cost=0.01, latency=1.0)


def _all(quality: Estimator, pool: Pool) -> Sequence[Any]:
    return [list(quality.estimate(view, pool.targets, [UNKNOWN] * len(pool))) for view in views()]


def _dumped(quality: object) -> Any:
    dump = getattr(quality, "dump", None)
    return json.loads(json.dumps(dump())) if callable(dump) else None
