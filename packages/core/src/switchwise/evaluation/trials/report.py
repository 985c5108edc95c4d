"""Results of routers on recorded outcomes, as text."""

from __future__ import annotations

from collections.abc import Sequence

from switchwise.evaluation.measures.interval import Interval
from switchwise.evaluation.trials.evaluate import SetResult

COLUMNS = (
    "solved",
    "cost",
    "dollars_per_solved",
    "apgr",
    "cpt50",
    "cpt80",
    "aiq",
    "log_aiq",
    "saving_98",
    "saving_98_deployable",
    "brier",
)
SHARES = frozenset(["saving_95", "saving_98", "saving_100", "saving_98_deployable", "quality_98_deployable"])
NOTE = (
    "Value [95 % interval]. An oracle knows what came of this very run: half of what it wins is luck; oracle_ceiling knows other runs of the\n"
    "same task. Simulated verifiers err independently: upper bounds."
)


def text(results: Sequence[SetResult]) -> str:
    """One table per set, and the paired differences under it."""
    return "\n\n".join([*map(_table, results), NOTE])


def _table(result: SetResult) -> str:
    columns = [name for name in COLUMNS if any(name in metrics for metrics in result.routers.values())]
    head = f"{result.name}: {result.tasks} tasks, {result.targets} targets, {result.labels} labels"
    if result.unit:
        head += f"; cost in {result.unit}"
    width = max(map(len, result.routers))
    rows = [f"{'':{width}}" + "".join(f"  {name:>23}" for name in columns)]
    for router, metrics in result.routers.items():
        cells = [_cell(name, metrics.get(name)) for name in columns]
        rows.append(f"{router:{width}}" + "".join(f"  {cell:>23}" for cell in cells))
    for router, metrics in result.routers.items():
        apart = {name: found for name, found in metrics.items() if "_minus_" in name}
        for name, found in apart.items():
            metric, other = name.split("_minus_")
            rows.append(f"  {router} - {other}, {metric}: {_cell(metric, found, signed=True)}")
    return "\n".join([head, *rows])


def _cell(name: str, found: Interval | None, signed: bool = False) -> str:
    if found is None or found.value is None:
        return ""
    sign = "+" if signed else ""

    def number(value: float) -> str:
        if name in SHARES:
            return f"{value * 100:{sign}.1f}%"
        return f"{value:{sign}.3g}" if name in ("cost", "dollars_per_solved") else f"{value:{sign}.4f}"

    if name.startswith("cpt"):
        return f"{found.value:.1f}"
    if found.low is None or found.high is None:
        return number(found.value)
    return f"{number(found.value)} [{number(found.low)},{number(found.high)}]"
