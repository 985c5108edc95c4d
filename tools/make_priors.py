"""Make `quality/priors.json` and `quality/complexity.json` from public outcomes.

    .venv/bin/python tools/make_priors.py --data ../shared/data

Only rates, mean costs and counts are kept: no task, no text. Dollars are never pooled over sets, as sets count caches differently: each
kind of work takes its costs from one set.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import switchwise.quality
from switchwise.catalog.prices import priced
from switchwise.evaluation.outcomes import read_outcomes
from switchwise.quality.fitting.item_response import difficulties, logit
from switchwise.quality.priors import blended, canonical
from switchwise.quality.text.featuriser import Read

NOW = 1_795_000_000.0  # prices are resolved at a fixed time, so that the table can be made again
OUTLIERS = ("claude-fable-5",)  # solves 97 % where the next best solves 85 %: the reason is not known
# Set -> kind of work and its group, who published it, when, under which licence.
SETS: dict[str, tuple[str, str, str, str, str]] = {
    "openhands_index/swe-bench": (
        "bug_fixing",
        "agent",
        "github.com/OpenHands/openhands-index-results 3015ac6",
        "2026-06-30",
        "MIT",
    ),
    "openhands_index/swt-bench": (
        "test_writing",
        "agent",
        "github.com/OpenHands/openhands-index-results 3015ac6",
        "2026-06-30",
        "MIT",
    ),
    "gso_outcomes": ("code_optimisation", "agent", "github.com/gso-bench/gso-experiments 3a690f3", "2026-04-27", "MIT"),
    "bashkit_runs": ("shell", "agent", "github.com/everruns/bashkit b7097abb", "2026-08-08", "MIT"),
    "superhard_matrix": (
        "reasoning",
        "question",
        "github.com/dennisonbertram/llm-model-routing-benchmark 9b9ee4c",
        "2026-06-24",
        "MIT",
    ),
    "many_models/gsm": ("mathematics", "question", "github.com/WildEval/ZeroEval 8c1485e", "2025-04-14", "Apache-2.0"),
    "many_models/math-l5": ("hard_mathematics", "question", "github.com/WildEval/ZeroEval 8c1485e", "2025-04-14", "Apache-2.0"),
    "mmlu": ("knowledge", "question", "github.com/lm-sys/RouteLLM 0b64fda", "2024-08-09", "Apache-2.0"),
    "mt_bench": ("chat", "question", "github.com/lm-sys/RouteLLM 0b64fda", "2024-08-09", "Apache-2.0"),
}
COMPOSITE = {
    "coding_agent": ("agent", ("bug_fixing", "test_writing", "code_optimisation")),
    "question": ("question", ("mathematics", "hard_mathematics", "knowledge", "chat", "reasoning")),
}
# Rates that others computed from MCPMark's published runs (127 tasks x 4 runs): kind, n, model -> (solved, dollars per run).
MCPMARK = {
    "gpt-5:low": (0.469, 0.99),
    "gpt-5": (0.526, 1.00),
    "gpt-5:high": (0.516, 1.21),
    "gpt-5-mini:low": (0.083, 0.06),
    "gpt-5-mini": (0.274, 0.21),
    "gpt-5-mini:high": (0.303, 0.32),
    "gpt-5-nano:low": (0.043, 0.02),
    "gpt-5-nano": (0.063, 0.03),
    "gpt-5-nano:high": (0.051, 0.06),
    "gemini-3-pro:low": (0.508, 2.03),
    "gemini-3-pro": (0.539, 2.09),
    "deepseek-v3.2": (0.297, 0.21),
    "deepseek-v3.2-thinking": (0.368, 0.25),
}
PAIR = {"strong": "gpt-4-1106-preview", "weak": "mixtral-8x7b-instruct-v0.1"}
Cells = dict[str, dict[str, tuple[float, float, float | None]]]


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data = parser.parse_args().data
    room = Path(switchwise.quality.__file__).parent
    cells, sources = cells_of(data)
    (room / "priors.json").write_text(json.dumps(table(cells, sources), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (room / "complexity.json").write_text(json.dumps(complexity(data), indent=1) + "\n", encoding="utf-8")
    print(
        f"{sum(map(len, cells.values()))} cells, {len({m for row in cells.values() for m in row})} models, {len(cells)} kinds"
    )


def cells_of(data: Path) -> tuple[Cells, dict[str, Any]]:
    """Kind -> model -> (solved, n, dollars), and the sources."""
    cells: Cells = defaultdict(dict)
    sources: dict[str, Any] = {}
    for outcomes in [
        each for folder in ("agent_outcomes", "many_models", "strong_weak") for each in read_outcomes(data / folder)
    ]:
        parts = {outcomes.name: np.arange(len(outcomes))}
        if outcomes.name == "many_models":
            labels = np.array(outcomes.labels)
            parts = {f"many_models/{label}": np.flatnonzero(labels == label) for label in sorted(set(outcomes.labels))}
        for name, rows in parts.items():
            if name not in SETS:
                continue
            kind, _, where, date, licence = SETS[name]
            part = outcomes.part(rows)
            sources[kind] = {"source": where, "date": date, "licence": licence, "tasks": len(part)}
            for i, target in enumerate(part.targets):
                if "(" in target or target in OUTLIERS:  # another harness than the set's usual one
                    continue
                runs = part.runs[:, i][~np.isnan(part.runs[:, i])]
                if len(runs) < 20:
                    continue
                cost = part.costs[:, i]
                known = outcomes.unit == "usd" and not np.isnan(cost).all()
                dollars = float(np.nanmean(cost)) if known else None
                cells[kind][_name(target)] = (round(float(runs.mean()), 4), float(len(runs)), dollars and round(dollars, 6))
    cells["tool_use"] = {_name(model): (p, 508.0, dollars) for model, (p, dollars) in MCPMARK.items()}
    sources["tool_use"] = {
        "source": "github.com/eval-sys/mcpmark, published runs; list prices, no cache discount",
        "date": "2025-12",
        "licence": "Apache-2.0",
        "tasks": 127,
    }
    return dict(cells), sources


def _name(model: str) -> str:
    base, _, effort = PAIR.get(model, model).partition(":")
    name = canonical(base)
    for level in ("high", "xhigh") if not effort else ():
        if name.endswith(f"-{level}"):
            name, effort = name.removesuffix(f"-{level}"), level
    return f"{name}:{effort}" if effort else name


def table(cells: Cells, sources: dict[str, Any]) -> dict[str, Any]:
    """The content of the file: kinds with their ease, models with known rates and their ability in each group."""
    groups = {kind: group for kind, group, *_ in SETS.values()} | {"tool_use": "agent"}
    models = sorted({model for row in cells.values() for model in row})
    ability: dict[str, dict[str, float]] = {}
    ease: dict[str, float] = {}
    for group in ("agent", "question"):
        kinds = [kind for kind in sorted(cells) if groups[kind] == group]
        own = [model for model in models if any(model in cells[kind] for kind in kinds)]
        a, e = dict.fromkeys(own, 0.0), dict.fromkeys(kinds, 0.0)
        for _ in range(200):  # alternating weighted means of log odds, the abilities shrunk by 30 outcomes
            for kind in kinds:
                weights = {model: min(cell[1], 300.0) for model, cell in cells[kind].items()}
                odds = {model: float(logit(cell[0])) for model, cell in cells[kind].items()}
                e[kind] = sum(weights[model] * (odds[model] - a[model]) for model in weights) / sum(weights.values())
            for model in own:
                terms = [
                    (min(cells[kind][model][1], 300.0), float(logit(cells[kind][model][0])) - e[kind])
                    for kind in kinds
                    if model in cells[kind]
                ]
                a[model] = sum(w * x for w, x in terms) / (sum(w for w, _ in terms) + 30.0)
        ease |= e
        for model in own:
            ability.setdefault(model, {})[group] = round(a[model], 3)
    kinds_out: dict[str, Any] = {}
    for kind, row in sorted(cells.items()):
        ratios = []
        for model, (_, _, dollars) in row.items():
            price = priced("", model.partition(":")[0], NOW).price or priced("", _dotted(model), NOW).price
            if dollars and price:
                ratios.append(dollars / blended(price.input, price.output))
        kinds_out[kind] = {"group": groups[kind], "ease": round(ease[kind], 3)} | sources[kind]
        if len(ratios) >= 3:
            kinds_out[kind]["dollars_per_price"] = float(f"{median(ratios):.4g}")
    for kind, (group, parts) in COMPOSITE.items():
        known = [part for part in parts if part in kinds_out]
        ratios = [kinds_out[part]["dollars_per_price"] for part in known if "dollars_per_price" in kinds_out[part]]
        kinds_out[kind] = {"group": group, "ease": round(sum(ease[part] for part in known) / len(known), 3), "of": known}
        if ratios:
            kinds_out[kind]["dollars_per_price"] = float(f"{median(ratios):.4g}")
    return {
        "made_by": "tools/make_priors.py",
        "cell": "success, outcomes, dollars per task (null: not known)",
        "left_out": dict.fromkeys(OUTLIERS, "solves 97 % where the next best solves 85 %; the reason is not known"),
        "kinds": kinds_out,
        "models": {
            model: {
                "kinds": {kind: list(row[model]) for kind, row in sorted(cells.items()) if model in row},
                "ability": ability[model],
            }
            for model in models
        },
    }


def _dotted(model: str) -> str:
    """`gpt-5-2` as the catalogue spells it."""
    parts = model.partition(":")[0].split("-")
    for i in range(len(parts) - 1):
        if parts[i][-1:].isdigit() and parts[i + 1].isdigit():
            return "-".join([*parts[:i], f"{parts[i]}.{parts[i + 1]}", *parts[i + 2 :]])
    return model


def complexity(data: Path) -> dict[str, Any]:
    """Weights of the ten dense features that predict how hard a public question is, within its label, in standard deviations."""
    xs, ys = [], []
    for outcomes in [*read_outcomes(data / "many_models"), *read_outcomes(data / "strong_weak" / "mmlu.jsonl.gz")]:
        read = Read(outcomes.texts or ())
        hard = difficulties(outcomes.scores)
        xs.append(read.dense)
        ys.append((hard - hard.mean()) / hard.std())
    x, y = np.vstack(xs), np.concatenate(ys)
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    z = (x - mean) / spread
    weights = np.linalg.solve(z.T @ z + 300 * np.eye(z.shape[1]), z.T @ y)
    scale = float((z @ weights).std())
    weights = weights / scale / spread
    return {
        "made_by": "tools/make_priors.py",
        "questions": len(y),
        "weights": [float(f"{value:.5g}") for value in weights],
        "shift": float(f"{float(mean @ weights):.5g}"),
    }


if __name__ == "__main__":
    main()
