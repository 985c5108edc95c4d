"""Train an estimator on recorded outcomes, and write it as files. Needs numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from switchwise.display.tables import card, table
from switchwise.evaluation.outcomes.table import Outcomes
from switchwise.evaluation.trials.evaluate import evaluate_in_domain
from switchwise.nouns.errors import ConfigurationError
from switchwise.quality.fitting.learned import fit_table, fit_text
from switchwise.quality.saved import save_quality
from switchwise.quality.text.featuriser import Read

MEASURED = ("apgr", "aiq", "log_aiq", "saving_98_deployable", "brier")


@dataclass(frozen=True, slots=True)
class Fitted:
    """What `fit` made.

    Parameters:
        folder: where it stands.
        tasks, targets, labels: how many it was trained on.
        text: whether it reads the text.
        measured: router -> metric -> value on tasks that were left out; empty: not measured.
    """

    folder: Path
    tasks: int
    targets: int
    labels: int
    text: bool
    measured: Mapping[str, Mapping[str, float]]

    def _repr_html_(self) -> str:
        read = "a table by label and a model of the text" if self.text else "a table by label"
        title = f"Fitted on {self.tasks:,} tasks, {self.targets} targets and {self.labels} labels: {read}"
        metrics = list(dict.fromkeys(metric for values in self.measured.values() for metric in values))
        rows = [
            [name, *(f"{values[each]:.4g}" if each in values else "-" for each in metrics)]
            for name, values in self.measured.items()
        ]
        return card(title, table(("router", *metrics), rows, numbers=range(1, 1 + len(metrics))) if rows else "Not measured.")


def fit(outcomes: Outcomes, folder: str | Path, *, measure: bool = True, seed: int = 0, jobs: int | None = None) -> Fitted:
    """Train a table by label, and a model of the text where there are 1,000 graded tasks; write them as `quality.json` and `quality.npz`.

    Parameters:
        outcomes: as read; targets and tasks with gaps are kept.
        folder: made if it is not there.
        measure: say what it is worth on tasks that were left out.
        seed: of folds.
        jobs: processes that measure, as in `each`.

    Raises:
        ConfigurationError: too little can be left out to measure it; nothing is written.
    """
    import numpy as np

    scores, costs = outcomes.scores, outcomes.costs
    measured: dict[str, dict[str, float]] = {}
    if measure and outcomes.unit:
        try:
            found = evaluate_in_domain(outcomes, samples=0, seed=seed, jobs=jobs).routers
        except ConfigurationError as error:
            raise ConfigurationError(f"{error}; to train without measuring: --no-measure (measure=False)") from None
        for router in ("best_single", "zero_train", "label_table", "default"):
            values = {name: found[router][name].value for name in MEASURED if name in found[router]}
            measured[router] = {name: value for name, value in values.items() if value is not None}
    table = fit_table(
        outcomes.labels, outcomes.targets, scores, costs if outcomes.unit == "usd" else np.full_like(costs, np.nan)
    )
    groups = np.arange(len(outcomes)) if outcomes.duplicates is None else outcomes.duplicates
    text = None
    if outcomes.texts is not None and not outcomes.agentic:
        text = fit_text(Read(outcomes.texts), outcomes.labels, table, scores, groups, seed)
    about = {"set": outcomes.name, "tasks": len(outcomes), "k": table.k, "reads_text": text is not None, "measured": measured}
    save_quality(folder, table, text, about)
    return Fitted(Path(folder), len(outcomes), len(outcomes.targets), len(table.labels), text is not None, measured)
