"""Cost of a learnt decision: `Worth` over a label table, over one with a model of the text, and without.

    .venv/bin/python tools/bench_quality.py

The texts differ from call to call, so that each is read; in practice a text is read once per turn of the user.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence

import numpy as np

from switchwise import Pool, Router, Target, View
from switchwise.engine.policy import Policy
from switchwise.nouns.exchange.conversation import Conversation
from switchwise.nouns.signals import Turn
from switchwise.policies import Worth
from switchwise.quality import Grade, LabelTable, Priors, Shrunk, TaskMemory, TextDifficulty
from switchwise.quality.fitting.learned import fit_table, fit_text
from switchwise.quality.text.featuriser import Read

NAMES = ("opus", "sol", "haiku", "luna")
LENGTHS = (370, 1_000, 2_400, 20_000)


def texts(count: int, length: int, rng: random.Random) -> list[str]:
    """Texts of made-up words, of about that many characters."""
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 10))) for _ in range(3_000)]
    return [" ".join(rng.choices(words, k=length // 7)) for _ in range(count)]


def learnt(repeats: int = 3, calls: int = 300) -> None:
    """Time decisions over four targets, in turn."""
    rng, numbers = random.Random(1), np.random.default_rng(1)
    graded = texts(1_200, 370, rng)
    scores = (numbers.random((len(graded), 4)) < [0.8, 0.7, 0.6, 0.5]).astype(float)
    labels = ["main"] * len(graded)
    model = fit_text(
        Read(graded), labels, fit_table(labels, NAMES, scores, np.ones_like(scores)), scores, np.arange(len(graded))
    )
    assert model is not None, "four targets always get a model of the text"
    table = LabelTable()
    for row in scores[:400]:
        for name, solved in zip(NAMES, row.tolist(), strict=True):
            table.observe(table.filed(View()), name, Grade(solved, "task", 0.01))
    reading = TextDifficulty(model, NAMES, ["main"])
    pool = Pool([Target(name) for name in NAMES])
    chains: dict[str, Sequence[Policy]] = {
        "nothing": [],
        "label table": [Worth(table, 1.0)],
        "priors, label table": [Worth(Shrunk(Priors(), table), 1.0)],
        "priors, label table, task memory": [Worth(Shrunk(Priors(), table, TaskMemory()), 1.0)],
        **{f"label table, text of {length:,}": [Worth(Shrunk(table, reading), 1.0)] for length in LENGTHS},
    }
    routers = {name: Router(pool, *chain) for name, chain in chains.items()}
    times: dict[str, list[float]] = {name: [] for name in chains}
    for repeat in range(repeats):
        for name, router in routers.items():
            length = int(name.rsplit(" ", 1)[1].replace(",", "")) if "text" in name else 370
            for number, text in enumerate(texts(calls, length, random.Random(repeat))):
                view = View(conversation=Conversation([Turn("user", f"{repeat} {number} {text}")]), tokens=100)
                began = time.perf_counter()
                router.start(view)
                times[name].append((time.perf_counter() - began) * 1e6)
    print(f"\nA learnt decision over {len(NAMES)} targets (microseconds)")
    print(f"{'Worth over':36} {'median':>8} {'p10':>8} {'min':>8}")
    for name, own in times.items():
        taken = sorted(own)
        print(f"{name:36} {statistics.median(taken):>8.1f} {taken[len(taken) // 10]:>8.1f} {taken[0]:>8.1f}")


if __name__ == "__main__":
    learnt()
