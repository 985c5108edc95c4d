"""Value of the optional estimators on recorded outcomes of two models: APGR compared with the label table, and cost of an estimate.

    .venv/bin/python tools/options.py --data ../shared/data

Cross-fitted as `switchwise eval` does it: near duplicates are never split. `Semantic` does not get the subject of a prompt: its routes are the
subjects, with eight phrases of the training part each. No set holds a model's opinions, so those of `AskModel` are simulated: right about "the
cheap model fails" with an AUC of 0.6, 0.7 and 0.8; they go through the estimator's own question and answer. "Near" asks only where the table is
undecided: about half of the questions, those whose expected gain is nearest to the usual one.
"""

from __future__ import annotations

import argparse
import time
from contextlib import suppress
from itertools import product
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from switchwise import Target, View
from switchwise.evaluation.measures.curves import Resamples, pair_metrics
from switchwise.evaluation.measures.interval import Interval
from switchwise.evaluation.outcomes import read_outcomes
from switchwise.evaluation.trials.predict import folds
from switchwise.nouns.exchange.conversation import Conversation
from switchwise.nouns.exchange.reply import Answer, Reply
from switchwise.nouns.signals import Turn
from switchwise.quality import AskModel, Complexity, Estimate, Grade, Nearest, Semantic
from switchwise.quality.ask_model import QUESTION
from switchwise.quality.fitting.learned import fit_table

PHRASES = 8
OPINIONS = (0.6, 0.7, 0.8)  # AUC
KNOWN = 100.0  # outcomes that the table's cell is taken to be worth beside an option


def asked(text: str) -> View:
    """The question of a task as a view."""
    return View(conversation=Conversation([Turn("user", text)]))


def opinion(fails: bool, auc: float, rng: np.random.Generator) -> Reply:
    """A model's answer to how hard a request is, from 0 to 2."""
    heard = rng.normal() + 2**0.5 * NormalDist().inv_cdf(auc) * (fails - 0.5)
    return Reply("", answers={QUESTION: Answer(score=float(2 / (1 + np.exp(-heard))))})


def rankings(path: Path, most: int) -> tuple[Any, dict[str, Any], dict[str, float], dict[str, float]]:
    """The outcomes of `most` tasks; for each option how much better the strong model is expected to be, per task; microseconds per estimate; and the
    share of the tasks for which a model was asked.
    """
    (outcomes,) = read_outcomes(path)
    chosen = np.sort(np.random.default_rng(0).permutation(len(outcomes))[:most])
    outcomes = outcomes.part(chosen)
    strong = int(outcomes.scores.mean(axis=0).argmax())
    order = [strong, 1 - strong]
    targets = [Target(outcomes.targets[i]) for i in order]
    names = ("means", "label table", "table, Complexity", "table, Nearest", "Nearest alone", "Semantic (without the subject)")
    names += tuple(f"table, AskModel of AUC {auc}{where}" for auc in OPINIONS for where in ("", ", near"))
    gain = {name: np.zeros(len(outcomes)) for name in names}
    spent: dict[str, list[float]] = {name: [] for name in names}
    asked_of = dict.fromkeys(names, 0)
    fold = folds(outcomes, False, 0) % 5  # `Nearest` learns one by one: twenty would take four times as long
    rng = np.random.default_rng(0)
    labels = np.array(outcomes.labels)
    for left_out in np.unique(fold):
        fit, test = np.flatnonzero(fold != left_out), np.flatnonzero(fold == left_out)
        table = fit_table(labels[fit].tolist(), outcomes.targets, outcomes.scores[fit], outcomes.costs[fit])
        success, _, _ = table.rows(labels[test].tolist())
        routes = {label: [outcomes.texts[i] for i in fit[labels[fit] == label][:PHRASES]] for label in np.unique(labels[fit])}
        nearest, semantic, complexity = Nearest(size=100_000), Semantic(routes), Complexity()
        for i in fit:
            view = asked(outcomes.texts[i])
            for option in (nearest, semantic):
                filed = option.filed(view)
                for target, column in zip(targets, order, strict=True):
                    option.observe(filed, target.name, Grade(float(outcomes.scores[i, column]), "evaluation"))
        usual = float(table.mean_success[order[0]] - table.mean_success[order[1]])
        own = np.abs(success[:, order[0]] - success[:, order[1]] - usual)
        near = float(np.median(own))
        for row, i in enumerate(test):
            view = asked(outcomes.texts[i])
            cell = [Estimate(float(success[row, column]), KNOWN) for column in order]
            mean = [Estimate(float(table.mean_success[column]), 1.0) for column in order]
            for auc, where in product(OPINIONS, ("", ", near")):
                asking = AskModel("fast", boundary=(lambda _, apart=float(own[row]): apart, near) if where else None)
                began = time.thread_time()
                pending = asking.prepare(view)
                if pending is not None:
                    next(pending)
                    with suppress(StopIteration):
                        pending.send(opinion(bool(outcomes.scores[i, order[1]] < 0.5), auc, rng))
                found = asking.estimate(view, targets, cell)
                name = f"table, AskModel of AUC {auc}{where}"
                spent[name].append(time.thread_time() - began)
                asked_of[name] += pending is not None
                gain[name][i] = found[0].p - found[1].p - usual
            for name, option, given in (
                ("table, Complexity", complexity, cell),
                ("table, Nearest", nearest, cell),
                ("Nearest alone", nearest, mean),
                ("Semantic (without the subject)", semantic, mean),
            ):
                began = time.thread_time()
                found = option.estimate(view, targets, given)
                spent[name].append(time.thread_time() - began)
                gain[name][i] = found[0].p - found[1].p - usual
            gain["label table"][i] = cell[0].p - cell[1].p - usual
    micros = {name: float(np.median(times)) * 1e6 if times else 0.0 for name, times in spent.items()}
    return outcomes, gain, micros, {name: count / len(outcomes) for name, count in asked_of.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--most", type=int, default=2_000, help="questions, drawn at random: all take an hour")
    options = parser.parse_args()
    outcomes, gain, micros, asks = rankings(options.data / "strong_weak" / "mmlu.jsonl.gz", options.most)
    draws = Resamples(outcomes.groups(False), options.samples, 0)
    strong = int(outcomes.scores.mean(axis=0).argmax())
    scores = outcomes.scores[:, strong], outcomes.scores[:, 1 - strong]
    found = {name: pair_metrics(ranking, *scores, draws)["apgr"] for name, ranking in gain.items()}
    print(
        f"{len(outcomes)} questions, {len(set(outcomes.labels))} subjects\n{'':30} {'APGR':24} {'minus table':26} {'us':>4}  asked"
    )
    for name, values in found.items():
        minus = Interval.of(values - found["label table"])
        print(f"{name:30} {Interval.of(values)!s:24} {minus!s:26} {micros[name]:4.0f}  {asks[name]:.0%}")


if __name__ == "__main__":
    main()
