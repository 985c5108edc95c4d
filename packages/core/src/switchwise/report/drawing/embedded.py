"""The steps of sessions as compact JSON for the page: each text once, then numbers that stand for texts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from switchwise.observe.journal.record import Record
from switchwise.report.spending import Spend
from switchwise.report.steps import JournalStep, Session


class _Table:
    """Texts, each once."""

    def __init__(self) -> None:
        self.rows: dict[Any, int] = {}

    def __call__(self, row: Any) -> int:
        return self.rows.setdefault(row, len(self.rows))


def embedded(sessions: Iterable[Session], targets: Sequence[str]) -> str:
    """JSON that may stand in a `<script>` element.

    `texts` and `opinions` are tables; a session is `[name, began, spend, steps]`; a step `[seconds since it began, agent, task, phase, kind,
    prompt, cached, output, cost, tries]`; a try `[target, purpose, result, seconds, cost, level, policy, reason, opinions, candidates]`. The page's
    script is the only reader.

    Parameters:
        sessions: those whose steps are shown.
        targets: names, in the order of their colours.
    """
    texts, opinions = _Table(), _Table()
    rows = [_session(session, texts, opinions) for session in sessions]
    found = {"targets": list(targets), "sessions": rows, "opinions": list(opinions.rows), "texts": list(texts.rows)}
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _session(session: Session, texts: _Table, opinions: _Table) -> list[Any]:
    steps = [_step(step, session.began, texts, opinions) for step in session.steps]
    return [session.name, round(session.began, 3), _spend(session.spend, texts), steps]


def _spend(spend: Spend, texts: _Table) -> list[Any]:
    parts = [_spend(part, texts) for part in spend.parts]
    return [texts(spend.name), _usd(spend.cost), spend.calls, spend.prompt, spend.cached, spend.failed, parts]


def _step(step: JournalStep, began: float, texts: _Table, opinions: _Table) -> list[Any]:
    last = step.last
    where = [texts(word) for word in (last.agent, last.task, last.phase or "", last.kind or "")]
    tokens = [last.input_tokens, last.cache_read_tokens or 0, last.output_tokens]
    tries = [_try(record, texts, opinions) for record in step.records]
    return [round(step.records[0].time - began, 1), *where, *tokens, _usd(step.cost), tries]


def _try(record: Record, texts: _Table, opinions: _Table) -> list[Any]:
    what = record.failure or record.result
    words = [texts(word) for word in (record.target, record.purpose, what)]
    reasons = [texts(word) for word in (record.level, record.policy, record.because)]
    notes = [opinions(_opinion(note, texts)) for note in record.notes]
    cost = None if record.cost is None else _usd(record.cost)
    return [*words, round(record.latency, 3), cost, *reasons, notes, [texts(name) for name in record.shortlist]]


def _opinion(note: Mapping[str, Any], texts: _Table) -> tuple[Any, ...]:
    words = tuple(texts(note.get(name, "")) for name in ("policy", "level", "because"))
    return (*words, *(tuple(texts(name) for name in note.get(side) or ()) for side in ("out", "lead", "wants")))


def _usd(amount: float) -> float:
    return round(amount, 9)
