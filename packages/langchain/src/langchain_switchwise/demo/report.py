"""What the demo shows: a line for each call as it is made, and a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from switchwise import Attempt
from switchwise.observe.journal import Record

_COLUMNS = "{:<17} {:<13} {:<12} {:>4}  {:<6} {:<9} {:<9} {:>14} {:>10}  {}"


def headings() -> str:
    """The first line of the table."""
    return _COLUMNS.format("session", "agent", "task", "step", "target", "level", "policy", "in (cached)", "USD", "because")


def row(record: Record) -> str:
    """One call."""
    cached = f"{record.input_tokens:,} ({record.cache_read_tokens or 0:,})" if record.input_tokens is not None else "-"
    cost = f"{record.cost:.6f}" if record.cost is not None else "-"
    because = record.because if record.result == "accepted" else f"{record.result.upper()}: {record.failure or record.because}"
    if record.attempt > 1:
        because = f"fallback no. {record.attempt - 1}; {because}"
    return _COLUMNS.format(
        record.session[:17],
        record.agent,
        record.task,
        record.step,
        record.target,
        record.level,
        record.policy,
        cached,
        cost,
        because,
    ).rstrip()


def show(attempt: Attempt) -> None:
    """A sink that prints each attempt as it is made."""
    print(row(Record.of(attempt)), flush=True)


def cost(records: Iterable[Record]) -> float:
    """USD of these calls, as far as it is known."""
    return sum(record.cost or 0.0 for record in records)


def summary(records: list[Record], strong: str, cost_of_strong: float, how: str) -> str:
    """The figures at the end.

    Parameters:
        records: all attempts.
        strong: the target that all calls could have gone to.
        cost_of_strong: what that costs, in USD.
        how: how that was found out.
    """
    answered = [record for record in records if record.result == "accepted"]
    failed = Counter(f"{record.target}: {record.failure}" for record in records if record.result == "failed")
    levels = Counter(record.level for record in answered)
    shares = Counter(record.target for record in answered)
    spent = cost(records)
    deciding = sum(record.deciding for record in records)
    lines = [
        f"calls                {len(answered)} answered, {len(records) - len(answered)} failed ({_listed(failed) or 'none'})",
        f"share per target     {_listed({name: f'{count / len(answered):.0%}' for name, count in shares.most_common()})}",
        f"decided at level     {_listed(levels)}",
        f"cost                 ${spent:.4f}",
        f"cost, all on {strong:<7} ${cost_of_strong:.4f} ({how})",
        f"saved                {1 - spent / cost_of_strong:.0%}" if cost_of_strong else "saved                unknown",
        f"time spent deciding  {deciding * 1e3:.1f} ms in all, {deciding / len(records) * 1e6:.0f} microseconds a call",
    ]
    return "\n".join(lines)


def _listed(counts: dict[str, str] | Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
