"""Hits and wrong hits of the semantic response cache on questions with labelled answers, compared with fixed thresholds.

    python tools/bench_cache.py FOLDER [--sets banking77 clinc150 advising slurp] [--bounds .01 .02 .05] [--requests 6000] [--orders 1]

FOLDER holds `<set>.jsonl.gz` with `q` and `a` (see its README). A stream draws answers by Zipf (0.8), uses each wording once, and is a tenth one-off
questions where a set has some. Embeddings: `--embed wordllama` (the table of an installed wordllama, static, 256 dimensions), `--embed hash`, or
`--embed package.module:function`. A single order of a bound of 1 % has three or four wrong answers among some hundred hits: judge by many (`--orders 20`). Two thirds of the answers of an `answers.jsonl.gz` need a judge of free text; it is not used here.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from switchwise.quality.text.embedders import hashed_ngrams, unit
from switchwise.response_cache.similar import SimilarAnswers, exact_interval

THRESHOLDS = (0.8, 0.85, 0.9, 0.95)


def stream(rows: list[dict[str, Any]], requests: int, seed: int) -> Iterator[tuple[str, str]]:
    """Questions with their answers, each wording once."""
    rng = random.Random(seed)
    by_answer: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        by_answer[str(row["a"])].append(row["q"])
    for wordings in by_answer.values():
        rng.shuffle(wordings)
    common = [answer for answer, wordings in by_answer.items() if len(wordings) > 1]
    once = [answer for answer, wordings in by_answer.items() if len(wordings) == 1]
    rng.shuffle(common)
    rng.shuffle(once)
    weights = {answer: (place + 1) ** -0.8 for place, answer in enumerate(common)}
    for _ in range(requests):
        if once and (rng.random() < 0.1 or not weights):
            answer = once.pop()
        elif weights:
            answer = rng.choices(list(weights), list(weights.values()))[0]
        else:
            return
        yield by_answer[answer].pop(), answer
        if not by_answer[answer]:
            weights.pop(answer, None)


def bounded(asked: list[tuple[str, str]], embed: Callable[[str], Any], bound: float) -> tuple[int, int, dict[str, Any]]:
    """Hits and wrong hits of the cache."""
    cache = SimilarAnswers(bound=bound, embed=embed)
    hits = wrong = 0
    answers: list[str] = []  # as in a router, an answer that differs from the nearest one's is one of its own
    for question, answer in asked:
        vector, near = cache.propose("all", question)
        same = near is not None and answers[int(str(near.group))] == answer
        if near is not None and near.serves:
            hits += 1
            wrong += not same
            if not cache.audit(near):
                continue
        cache.learn("all", question, vector, len(answers), near, None if near is None else same)
        answers.append(answer)
    return hits, wrong, cache.report()


def fixed(asked: list[tuple[str, str]], vectors: Any, threshold: float) -> tuple[int, int]:
    """Hits and wrong hits at a fixed similarity."""
    known = np.zeros_like(vectors)
    answers: list[str] = []
    hits = wrong = 0
    for vector, (_, answer) in zip(vectors, asked, strict=True):
        if answers:
            similar = known[: len(answers)] @ vector
            best = int(similar.argmax())
            if similar[best] >= threshold:
                hits += 1
                wrong += answers[best] != answer
                continue
        known[len(answers)] = vector
        answers.append(answer)
    return hits, wrong


def embedder(name: str) -> Callable[[str], Any]:
    """A function text -> vector, by its name."""
    if name == "hash":
        return hashed_ngrams
    if name == "wordllama":
        return static_table()
    module, _, function = name.partition(":")
    found: Callable[[str], Any] = getattr(import_module(module), function)
    return found


def static_table() -> Callable[[str], Any]:
    """The vectors of an installed wordllama, read without its loader, which would use the network."""
    spec = find_spec("wordllama")
    if spec is None or spec.origin is None:
        raise SystemExit("--embed wordllama: it is not installed; run: .tools/bin/uv pip install wordllama")
    from safetensors.numpy import load_file  # type: ignore[import-not-found, unused-ignore]
    from tokenizers import Tokenizer  # type: ignore[import-not-found, unused-ignore]

    home = Path(spec.origin).parent
    table = next(iter(load_file(next(home.rglob("*256*.safetensors"))).values())).astype(np.float32)
    tokenizer = Tokenizer.from_file(str(next(home.rglob("*tokenizer*.json"))))

    def embed(text: str) -> Any:
        ids = tokenizer.encode(text, add_special_tokens=False).ids or [0]
        return table[ids].mean(axis=0)

    return embed


def shown(hits: int, wrong: int, requests: int) -> str:
    """A line of the table."""
    low, high = exact_interval(wrong, hits)
    return f"{hits / requests:7.1%}   {wrong / hits if hits else 0:7.2%} [{low:.2%}, {high:.2%}]  ({wrong} of {hits})"


def spread(rates: list[float], bound: float) -> str:
    """Mean of what single orders realise, and how many end above the bound."""
    mean, error = float(np.mean(rates)), float(np.std(rates, ddof=1) / len(rates) ** 0.5) if len(rates) > 1 else 0.0
    above = sum(rate > bound for rate in rates)
    return f"single orders: mean {mean:.2%} +- {error:.2%} (standard error), {above} of {len(rates)} above the bound"


def main() -> None:
    """Read the sets, and print the table."""
    say = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    say.add_argument("folder", type=Path)
    say.add_argument("--sets", nargs="+", default=["banking77", "clinc150", "advising", "slurp"])
    say.add_argument("--bounds", nargs="+", type=float, default=[0.01, 0.02, 0.05])
    say.add_argument("--requests", type=int, default=6_000)
    say.add_argument("--orders", type=int, default=1)
    say.add_argument("--embed", default="hash")
    asked = say.parse_args()
    embed = embedder(asked.embed)
    print(f"embedding {asked.embed}; hits of all requests, wrong of hits with the 95 % interval")
    for name in asked.sets:
        with gzip.open(asked.folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        orders = [list(stream(rows, asked.requests, seed)) for seed in range(asked.orders)]
        total = sum(map(len, orders))
        print(f"\n{name}: {total} requests")
        for bound in asked.bounds:
            made = [bounded(order, embed, bound) for order in orders]
            print(f"  bound {bound:5.1%}      {shown(sum(m[0] for m in made), sum(m[1] for m in made), total)}")
            if len(made) > 1:
                print(f"                   {spread([wrong / hits for hits, wrong, _ in made if hits], bound)}")
        stacked = [np.array([unit(embed(question)) for question, _ in order], np.float32) for order in orders]
        for threshold in THRESHOLDS:
            each = [fixed(order, vectors, threshold) for order, vectors in zip(orders, stacked, strict=True)]
            print(f"  fixed {threshold:5.2f}      {shown(sum(m[0] for m in each), sum(m[1] for m in each), total)}")


if __name__ == "__main__":
    main()
