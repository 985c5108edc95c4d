"""Feedback that was given in LangSmith, as outcomes of this router's decisions.

    for outcome in langsmith_feedback(Client(), project_name="support"):
        router.feedback(*outcome)

Nothing of LangSmith is imported: give the client that you have, or what you exported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.feedback import Feedback

BATCH = 100  # runs whose feedback is asked for at once


def langsmith_feedback(
    source: object, *, keys: Collection[str] = (), best: Mapping[str, float] | None = None, **filters: Any
) -> list[Feedback]:
    """One outcome of kind `langsmith` per decision: the mean of its scores.

    Feedback on a run that made no decision, such as a whole trace, counts for the last decision beneath it. A run says its decision by the metadata
    `switchwise_decision`, which the adapter writes.

    Parameters:
        source: a `langsmith.Client`; or the exported rows of runs and of feedback together, as mappings or as objects of its schemas. Runs without separate
            feedback rows are read by their `feedback_stats`.
        keys: names of the feedback that counts; empty: all that has a score.
        best: name of a feedback -> its best score; 1 where none is given.
        filters: for a client: those of its `list_runs`, such as `project_name` and `start_time`.

    Raises:
        ConfigurationError: a score is not between 0 and the best one, or the source is something else.

    >>> runs = [{"id": "r1", "run_type": "chain", "extra": {"metadata": {"switchwise_decision": "ab"}}}]
    >>> langsmith_feedback([*runs, {"run_id": "r1", "key": "stars", "score": 4}], best={"stars": 5})
    [Feedback(decision='ab', reward=0.8, kind='langsmith')]
    """
    rows = [*_asked(source, filters)] if hasattr(source, "list_feedback") else [*_given(source)]
    runs = [row for row in rows if _of(row, "run_type")]
    notes = [row for row in rows if _of(row, "run_id") and _of(row, "key")]
    decisions = _decisions(runs)
    scores: dict[str, list[float]] = defaultdict(list)
    for run, key, score in _scores(runs, notes):
        decision = decisions.get(run)
        if decision is None or score is None or (keys and key not in keys):
            continue
        top = (best or {}).get(key, 1.0)
        if not 0 <= score <= top:
            raise ConfigurationError(
                f"the feedback {key!r} has the score {score:g}: give best={{{key!r}: the best one}}, or keys= without it"
            )
        scores[decision].append(score / top)
    return [Feedback(decision, sum(found) / len(found), "langsmith") for decision, found in scores.items()]


def _asked(client: Any, filters: Mapping[str, Any]) -> Iterator[object]:
    runs = list(client.list_runs(**filters))
    yield from runs
    ids = [run.id for run in runs]
    for start in range(0, len(ids), BATCH):
        yield from client.list_feedback(run_ids=ids[start : start + BATCH])


def _given(source: object) -> Iterable[object]:
    if isinstance(source, str | Mapping) or not isinstance(source, Iterable):
        raise ConfigurationError(
            f"langsmith_feedback({source!r:.80}): give a langsmith.Client, or rows of runs and of feedback"
        )
    return source


def _decisions(runs: Iterable[object]) -> dict[str, str]:
    """Run id -> its decision, or the last one beneath it."""
    known = {str(_of(run, "id")): run for run in runs}
    found: dict[str, str] = {}
    order = sorted(known.items(), key=lambda item: str(_of(item[1], "dotted_order") or _of(item[1], "start_time") or ""))
    own = {name: decision for name, run in order if (decision := _decision(run))}
    for name, decision in own.items():  # in the order of time: the last one stays
        above = str(_of(known[name], "parent_run_id") or "")
        while above in known and above not in own:
            found[above] = decision
            above = str(_of(known[above], "parent_run_id") or "")
    return {**found, **own}


def _decision(run: object) -> str:
    metadata = (_of(run, "extra") or {}).get("metadata") or {}
    return str(metadata.get("switchwise_decision") or "")


def _scores(runs: Iterable[object], notes: Collection[object]) -> Iterator[tuple[str, str, float | None]]:
    """Run id, name and score of each feedback."""
    for note in notes:
        yield str(_of(note, "run_id")), str(_of(note, "key")), _number(_of(note, "score"))
    if not notes:
        for run in runs:
            for key, stats in (_of(run, "feedback_stats") or {}).items():
                if isinstance(stats, Mapping):
                    yield str(_of(run, "id")), str(key), _number(stats.get("avg"))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _of(row: object, name: str) -> Any:
    return row.get(name) if isinstance(row, Mapping) else getattr(row, name, None)
