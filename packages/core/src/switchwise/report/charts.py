"""Charts for notebooks, on altair (extra `viz`). Each takes records or evaluation results, and returns an `altair.Chart`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import import_module
from math import isclose, sqrt
from typing import TYPE_CHECKING, Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.observe.journal.record import Record
from switchwise.report.moves import newest_pool
from switchwise.report.steps import JournalStep, Session, sessions_of, steps_of

if TYPE_CHECKING:
    from switchwise.evaluation.outcomes.table import Outcomes
    from switchwise.evaluation.trials import SetResult

COLOURS = ("#0f8578", "#d9730d", "#7a4fd6", "#cc3366", "#2f6fd6", "#6f8f12", "#a233b5", "#64748b")
"""Of targets, in the order of the pool; distinguishable on light and dark backgrounds."""
LEVELS = ("session", "agent", "task", "step")
_WIDE = 1.96


def shares(records: Iterable[Record]) -> Any:
    """Share of the answers per target, by deciding level.

    Parameters:
        records: of a journal.

    Raises:
        ConfigurationError: altair is not installed, or nothing was answered.
    """
    alt, journal = _altair(), list(records)
    answers = [step.last for step in steps_of(journal) if step.answered]
    counts = Counter((record.level, record.target) for record in _some(answers))
    rows = [{"level": level, "target": target, "steps": steps} for (level, target), steps in counts.items()]
    return (
        alt.Chart(_data(alt, rows), title="Who answered, by the level of the decision")
        .mark_bar()
        .encode(
            x=alt.X("steps:Q", title="steps"),
            y=alt.Y("level:N", sort=list(LEVELS), title=None),
            color=_colour(alt, journal),
            order=alt.Order("steps:Q", sort="descending"),
            tooltip=["level:N", "target:N", "steps:Q"],
        )
        .properties(width=480, height=140)
    )


def cost_over_steps(records: Iterable[Record], session: str | None = None) -> Any:
    """Cost of each step of a session, and below its prompt with the cached part.

    Parameters:
        records: of a journal.
        session: its name; None: the dearest.

    Raises:
        ConfigurationError: altair is not installed, or there is no such session.
    """
    alt, journal = _altair(), list(records)
    found = _session(journal, session)
    rows = [_step(number, step) for number, step in enumerate(found.steps, 1)]
    x = alt.X("step:O", title="step", axis=alt.Axis(labelOverlap=True, labelAngle=0))
    cost = (
        alt.Chart(_data(alt, rows), title=f"{found.name}: cost of each step")
        .mark_bar()
        .encode(
            x=x.title(None),
            y=alt.Y("usd:Q", title="USD"),
            color=_colour(alt, journal),
            tooltip=["step:O", "agent:N", "target:N", "usd:Q"],
        )
        .properties(width=560, height=150)
    )
    parts = [
        {"step": row["step"], "tokens": row[part], "part": name, "place": place}
        for row in rows
        for place, (part, name) in enumerate((("cached", "from a cache"), ("fresh", "not cached")))
    ]
    prompt = (
        alt.Chart(_data(alt, parts), title="its prompt")
        .mark_bar()
        .encode(
            x=x,
            y=alt.Y("tokens:Q", title="tokens"),
            color=alt.Color(
                "part:N",
                title="prompt tokens",
                scale=alt.Scale(domain=["not cached", "from a cache"], range=["#64748b", "#cbd5e1"]),
            ),
            order="place:Q",
            tooltip=["step:O", "part:N", "tokens:Q"],
        )
        .properties(width=560, height=110)
    )
    return alt.vconcat(cost, prompt).resolve_scale(color="independent")


def timeline(records: Iterable[Record], session: str | None = None) -> Any:
    """Times of the attempts of a session, by agent; failed and rejected ones are marked by a cross.

    Parameters:
        records: of a journal.
        session: its name; None: the dearest.

    Raises:
        ConfigurationError: altair is not installed, or there is no such session.
    """
    alt, journal = _altair(), list(records)
    found = _session(journal, session)
    rows = [
        {
            "agent": record.agent,
            "target": record.target,
            "from": round(record.time - found.began, 3),
            "to": round(record.time - found.began + record.latency, 3),
            "result": record.failure or record.result,
            "because": f"{record.policy}: {record.because}",
        }
        for step in found.steps
        for record in step.records
    ]
    agents = list(dict.fromkeys(row["agent"] for row in rows))
    base = alt.Chart(_data(alt, rows), title=f"{found.name}: who worked when").encode(
        y=alt.Y("agent:N", sort=agents, title=None)
    )
    bars = base.mark_bar(height=14, cornerRadius=2).encode(
        x=alt.X("from:Q", title="seconds since it began"),
        x2="to:Q",
        color=_colour(alt, journal),
        tooltip=["agent:N", "target:N", "result:N", "from:Q", "to:Q", "because:N"],
    )
    crosses = base.mark_point(shape="cross", angle=45, color="#d64545", filled=True, size=60).encode(x="to:Q")
    failed = crosses.transform_filter("datum.result != 'accepted'")
    return (bars + failed).properties(width=560, height=32 * max(len(agents), 2))


def pareto(outcomes: Outcomes, result: SetResult | None = None) -> Any:
    """Score against cost: each target with its 95 % interval, the front that no other target beats, and routers. The front and routers carry their names.

    Parameters:
        outcomes: of `read_outcomes`; those of `compare_recording` have no scores.
        result: of `evaluate` on them: its routers are drawn too, where they have one cost.

    Raises:
        ConfigurationError: altair is not installed, or no costs are known.
    """
    alt = _altair()
    rows = [row for number in range(len(outcomes.targets)) if (row := _target(outcomes, number)) is not None]
    if not rows:
        raise ConfigurationError(f"{outcomes.name}: no target has both a score and a cost: there is nothing to draw")
    for name, metrics in (result.routers if result is not None else {}).items():
        solved, cost = metrics.get("solved"), metrics.get("cost")
        if (
            solved
            and cost
            and solved.value is not None
            and cost.value is not None
            and not _alone(rows, cost.value, solved.value)
        ):
            low, high = (solved.value if end is None else end for end in (solved.low, solved.high))
            rows.append({"name": name, "what": "router", "cost": cost.value, "score": solved.value, "low": low, "high": high})
    front, best = [], float("-inf")
    for row in sorted(rows, key=lambda row: (row["cost"], -row["score"])):
        if row["what"] == "target" and row["score"] > best:
            best = row["score"]
            front.append(row)
    wide = min(row["cost"] for row in rows) > 0 and max(row["cost"] for row in rows) > 20 * min(row["cost"] for row in rows)
    scale = alt.Scale(type="log") if wide else alt.Scale(zero=False)
    x = alt.X("cost:Q", title=f"cost of a task, {outcomes.unit or 'unknown'}", scale=scale)
    y = alt.Y("score:Q", title="score", scale=alt.Scale(zero=False))
    base = alt.Chart(_data(alt, rows), title=f"{outcomes.name}: score against cost").encode(x=x)
    line = alt.Chart(_data(alt, front)).mark_line(color="#64748b", strokeDash=[4, 3], interpolate="step-after").encode(x=x, y=y)
    error = base.mark_rule(opacity=0.6).encode(y=alt.Y("low:Q", title="score"), y2="high:Q", color=_kind(alt))
    points = base.mark_point(filled=True, size=90).encode(
        y=y, color=_kind(alt), shape=alt.Shape("what:N", legend=None), tooltip=["name:N", "cost:Q", "score:Q"]
    )
    journal = [{**row, "name": row["name"].rpartition("/")[2]} for row in rows if row in front or row["what"] == "router"]
    labels = alt.Chart(_data(alt, journal)).mark_text(align="left", dx=8, dy=-8)
    names = labels.encode(x=x, y=y, text="name:N", color=_kind(alt))
    return (line + error + points + names).properties(width=560, height=320)


def _alone(rows: Sequence[dict[str, Any]], cost: float, score: float) -> bool:
    """Whether a router is one target all the time: that stands there already."""
    return any(row["what"] == "target" and isclose(row["cost"], cost) and isclose(row["score"], score) for row in rows)


def _kind(alt: Any) -> Any:
    return alt.Color("what:N", title=None, scale=alt.Scale(domain=["target", "router"], range=[COLOURS[0], COLOURS[1]]))


def _target(outcomes: Outcomes, number: int) -> dict[str, Any] | None:
    """The row of a target; None if its score or cost is unknown."""
    scores, costs = outcomes.scores[:, number], outcomes.costs[:, number]
    known, priced = scores[~(scores != scores)], costs[~(costs != costs)]  # NaN: it was not run on this task
    if not len(known) or not len(priced):
        return None
    mean, error = float(known.mean()), float(known.std()) / sqrt(len(known))
    cost = float(priced.mean())
    name = outcomes.targets[number]
    return {
        "name": name,
        "what": "target",
        "cost": cost,
        "score": mean,
        "low": mean - _WIDE * error,
        "high": mean + _WIDE * error,
    }


def _altair() -> Any:
    try:
        return import_module("altair")
    except ModuleNotFoundError:
        raise ConfigurationError('charts need altair: pip install "switchwise[viz]"') from None


def _data(alt: Any, rows: Sequence[dict[str, Any]]) -> Any:
    return alt.Data(values=rows)


def _colour(alt: Any, records: Sequence[Record]) -> Any:
    names = list(dict.fromkeys([*newest_pool(records), *(record.target for record in records)]))
    colours = [COLOURS[place % len(COLOURS)] for place in range(len(names))]
    return alt.Color("target:N", title="target", scale=alt.Scale(domain=names, range=colours))


def _session(records: Sequence[Record], name: str | None) -> Session:
    sessions = sessions_of(steps_of(_some(records)))
    found = next((session for session in sessions if name is None or session.name == name), None)
    if found is None:
        raise ConfigurationError(f"session={name!r}: the journal has {', '.join(session.name for session in sessions[:8])}")
    return found


def _some(records: Sequence[Record]) -> Sequence[Record]:
    if not records:
        raise ConfigurationError("the journal has no answers: there is nothing to draw")
    return records


def _step(number: int, step: JournalStep) -> dict[str, Any]:
    record = step.last
    prompt, cached = record.input_tokens or 0, record.cache_read_tokens or 0
    return {
        "step": number,
        "agent": record.agent,
        "target": record.target,
        "usd": round(step.cost, 9),
        "cached": cached,
        "fresh": max(prompt - cached, 0),
    }
