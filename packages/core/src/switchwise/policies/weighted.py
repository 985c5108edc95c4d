"""Divide the calls among targets by weight: load balancing, an A/B test, a canary.

Use it unheld to spread load over equal deployments, and held per session (`hold(Weighted(...), per="session")`) for an A/B
split that is stable for each user. Not to save money: a random share costs quality on hard calls (see `ByStep`, `ByPhase`).

Source: P. S. Efraimidis and P. G. Spirakis, "Weighted random sampling with a reservoir", Information Processing Letters
97 (2006): ordering by the keys u^(1/w) draws without replacement, each time in proportion to the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from math import inf, isfinite, log

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.view import View

_MASK = (1 << 64) - 1
_UNIT = 2.0**-64


class Weighted:
    """Order the targets by a weighted random draw, made once per step: a retry takes the next target without a new draw.

    If the first target is ruled out, the next one leads, in proportion to the remaining weights.

    Parameters:
        weights: target or role -> its share, in any unit; the targets of a role divide its share evenly. A weight of 0
            and targets that are not named come last.
        salt: two policies draw independently if their salts differ.

    Raises:
        ConfigurationError: a weight is negative or not finite, or all are 0; or, when the router is built, a name is
            neither a target nor a role of the pool.

    >>> from random import Random
    >>> from switchwise import Pool, Router, Target, View
    >>> router = Router(Pool([Target("a"), Target("b")]), Weighted({"a": 0.9, "b": 0.1}), rng=Random(7))
    >>> sum(router.decide(View()).names[0] == "b" for _ in range(1_000))
    98
    """

    name = "Weighted"

    def __init__(self, weights: Mapping[str, float], salt: str = "") -> None:
        if not isinstance(weights, Mapping):
            raise ConfigurationError(f"Weighted({weights!r}): give target -> weight, such as {{'strong': 0.2, 'fast': 0.8}}")
        self.weights = dict(weights)
        self.salt = salt
        wrong = [f"{word!r}: {weight!r}" for word, weight in self.weights.items() if not _is_weight(weight)]
        if wrong:
            raise ConfigurationError(f"Weighted: weights are finite and not negative, unlike {', '.join(wrong)}")
        self._because = f"drawn by weight ({', '.join(f'{word} {weight:g}' for word, weight in self.weights.items())})"
        if not any(self.weights.values()):
            raise ConfigurationError("Weighted: give at least one target a weight above 0")
        self._drawn: tuple[Pool | None, dict[str, tuple[float, int]]] = (None, {})

    def check(self, pool: Pool) -> None:
        """Check that each weight is for a target or role of the pool."""
        self._shares(pool)

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        pool, shares = self._drawn
        if pool is not shortlist.pool:
            shares = self._shares(shortlist.pool)
        if len(shortlist.targets) < 2:
            return shortlist
        seed = view.seed

        def wait(target: Target) -> float:  # -log(u) / w: the order of u^(1/w), largest first
            share = shares.get(target.name)
            return -log(_unit(seed ^ share[1])) / share[0] if share is not None else inf

        return shortlist.order(wait, self._because)

    def _shares(self, pool: Pool) -> dict[str, tuple[float, int]]:
        """Weight and 64 fixed bits of each target in the draw."""
        weights: dict[str, float] = {}
        for word, weight in self.weights.items():
            chosen = pool.select(word)
            models = {pool[name].base if pool.select(pool[name].base) <= chosen else name for name in chosen}
            for name in models:
                for key in pool.select(name):  # drawn as one: which key of it answers is for `Rotation`
                    weights[key] = weights.get(key, 0.0) + weight / len(models)
        shares = {name: (weight, _bits(self.salt, pool[name].base)) for name, weight in weights.items() if weight > 0}
        self._drawn = (pool, shares)
        return shares

    @staticmethod
    def _examples() -> list[Weighted]:
        return [Weighted({"strong": 0.2, "fast": 0.8}), Weighted({"fast": 1.0}, salt="canary")]


def _is_weight(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value >= 0


def _bits(salt: str, name: str) -> int:
    return int.from_bytes(blake2b(f"{salt}\0{name}".encode(), digest_size=8).digest(), "big")


def _unit(bits: int) -> float:
    """Hash bits to a number in (0, 1], by the finaliser of splitmix64: neighbouring inputs give unrelated numbers."""
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((bits ^ (bits >> 31)) + 1) * _UNIT
