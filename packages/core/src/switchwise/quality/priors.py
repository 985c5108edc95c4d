"""Estimate from published results: success and dollars per task, by model and kind of work.

Use it first in `Shrunk`, as the start of every estimate. It has the costs of whole tasks: a cheap model that takes three times
the steps is not cheap. The numbers come from other prompts and harnesses; about twenty outcomes of your own outweigh them.

Source: `quality/priors.json`, made by `tools/make_priors.py` from public outcomes; it lists sources, dates, licences and
counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from math import exp, log
from statistics import median
from typing import Any, NamedTuple

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.signals import Phase
from switchwise.nouns.target import Price, Target
from switchwise.nouns.view import View
from switchwise.quality.estimate import Estimate
from switchwise.state.in_process import Memory

OTHER_KIND, OTHER_GROUP, FAMILY, POOL = 10.0, 4.0, 4.0, 1.0  # evidence of an inferred rate, in outcomes
MOST = 100.0  # evidence of a published rate, in outcomes: other prompts, another harness
_LESS, _MORE = frozenset(["none", "minimal", "low"]), frozenset(["high", "xhigh", "max"])
CODING = frozenset([Phase.DEBUGGING, Phase.IMPLEMENTING, Phase.TESTING, Phase.PLANNING])
_DATE = re.compile(r"[-_@](?:20\d{2}-?\d{2}-?\d{2}|\d{4}|\d{6,8})$")
_TAIL = re.compile(r"[-:](?:preview|latest|exp|free|instruct|it|inst|chat)(?=$|[-:@])")


def canonical(model: str) -> str:
    """A model's name without provider, date and dots: the key of the table.

    >>> [canonical(name) for name in ("anthropic/claude-opus-4-5-20251101", "models/gemini-3-flash-preview", "GPT-5.2")]
    ['claude-opus-4-5', 'gemini-3-flash', 'gpt-5-2']
    """
    name = model.lower().rsplit("/", 1)[-1].split("@")[0]
    name = re.sub(r"^(?:us|eu|apac|global)\.", "", name)
    name = re.sub(r"^[a-z]+\.(?=[a-z])", "", name)  # Bedrock: anthropic.claude-...
    name = re.sub(r"-v\d+(?::\d+)?$", "", name)
    name = re.sub(r"(?<=\d)[._](?=\d)", "-", name)
    name = _DATE.sub("", _TAIL.sub("", _DATE.sub("", name)))
    return name.strip("-:")


def family(name: str) -> str:
    """A canonical name without its numbers: the model family.

    >>> family("claude-opus-4-5"), family("gpt-5-mini")
    ('claude-opus', 'gpt-mini')
    """
    parts = [re.sub(r"\d+$", "", part) for part in name.split("-")]
    return "-".join(part for part in parts if part and not re.fullmatch(r"[\d.]+[bkm]?", part) and part != "v")


def version(name: str) -> tuple[int, ...]:
    """The numbers in a canonical name."""
    return tuple(int(number) for number in re.findall(r"\d+", name) if len(number) < 4)


class WorkKind(NamedTuple):
    """A kind of work in the table.

    Parameters:
        group: `agent` or `question`.
        ease: log odds of a model of average ability in its group.
        dollars_per_price: median over the models of dollars per task over blended list price; None: no costs are known.
        of: kinds of which it is the mean; empty: measured itself.
    """

    group: str
    ease: float
    dollars_per_price: float | None
    of: tuple[str, ...]


class ModelResults(NamedTuple):
    """Published results of a model: kind -> (success, outcomes, dollars per task), and its ability in each group in log odds."""

    kinds: Mapping[str, tuple[float, float, float | None]]
    ability: Mapping[str, float]


def usual_kind(view: View) -> str:
    """The kind of work of a request: by its phase where tools are bound, else a question.

    >>> usual_kind(View())
    'question'
    """
    if not view.needs.tools:
        return "question"
    phase = view.signals.phase
    if phase is Phase.DEBUGGING:
        return "bug_fixing"
    if phase is Phase.TESTING:
        return "test_writing"
    return "coding_agent" if phase in CODING else "tool_use"


class Priors:
    """Estimate from the shipped table. A model that is not in it gets the rate of its family, or of its place in the pool;
    `source` names the origin.

    Parameters:
        kind: the kind of work of all calls, or view -> kind; None: derived from tools and phase. `Priors.kinds()` lists them.
        names: target name -> model, where the model string does not name the model (`my-deployment`).

    Raises:
        ConfigurationError: `kind` is unknown.

    >>> from switchwise import Target, View
    >>> from switchwise.quality import Priors, estimate
    >>> pool = [Target("strong", model="claude-opus-4-8"), Target("cheap", model="minimax-m3"), Target("mine", model="finetuned")]
    >>> strong, cheap, mine = estimate(Priors("bug_fixing"), View(), pool)
    >>> cheap.p > strong.p - 0.1, cheap.dollars < strong.dollars / 3, mine.source
    (True, True, 'bug fixing: not published; the place of this pool')
    """

    def __init__(self, kind: str | Callable[[View], str] | None = None, names: Mapping[str, str] | None = None) -> None:
        if isinstance(kind, str) and kind not in table()[1]:
            raise ConfigurationError(f"Priors(kind={kind!r}): the kinds are {', '.join(table()[1])}")
        self._kind: Callable[[View], str] = (lambda _: kind) if isinstance(kind, str) else kind or usual_kind
        self._names = dict(names or {})
        self._found: Memory[tuple[object, ...], tuple[Estimate, ...]] = Memory(500)

    @staticmethod
    def kinds() -> tuple[str, ...]:
        """The kinds of work in the table."""
        return tuple(table()[1])

    def estimate(self, view: View, targets: Sequence[Target], given: Sequence[Estimate]) -> Sequence[Estimate]:
        kind = self._kind(view)
        key = (kind, *[target.name for target in targets], *[(target.model, target.effort) for target in targets])
        found = self._found.get(key)
        if found is None:
            found = tuple(self._of(kind, targets))
            self._found.put(key, found)
        if all(not before.n for before in given):
            return found
        return [after if not before.n else before for before, after in zip(given, found, strict=True)]

    def _of(self, kind: str, targets: Sequence[Target]) -> Sequence[Estimate]:
        models, kinds = table()
        about = kinds.get(kind)
        if about is None:
            raise ConfigurationError(f"Priors: {kind!r} is not a kind of work; the kinds are {', '.join(kinds)}")
        found = [self._placed(kind, about, target, models) for target in targets]
        known = [each for each in found if each.n]
        if not known:
            return found
        p = sum(each.p for each in known) / len(known)
        costs = [each.dollars for each in known if each.dollars is not None]
        dollars = sum(costs) / len(costs) if costs else None
        words = f"{kind.replace('_', ' ')}: not published; the place of this pool"
        return [
            each
            if each.n
            else each._replace(p=p, n=POOL, dollars=dollars if each.dollars is None else each.dollars, source=words)
            for each in found
        ]

    def _placed(self, kind: str, about: WorkKind, target: Target, models: Mapping[str, ModelResults]) -> Estimate:
        name = canonical(self._names.get(target.name) or target.model or target.name)
        words = kind.replace("_", " ")
        priced = _by_price(about, target.price)
        if priced is not None and (step := _step(target.effort)) is not None:
            priced *= step[1]
        if target.effort and (known := models.get(f"{name}:{target.effort}")) is not None:
            return _from(known, kind, about, words, priced, f"{name} at {target.effort}")
        return _at_effort(self._usual(name, kind, about, priced, models), target.effort, priced)

    def _usual(
        self, name: str, kind: str, about: WorkKind, priced: float | None, models: Mapping[str, ModelResults]
    ) -> Estimate:
        words = kind.replace("_", " ")
        if (known := models.get(name)) is not None:
            return _from(known, kind, about, words, priced, name)
        line = family(name)
        kin = [other for other in models if line and ":" not in other and family(other) == line]
        if kin:
            nearest = min(kin, key=lambda other: (_distance(version(other), version(name)), other))
            found = _from(models[nearest], kind, about, words, priced, nearest)
            return found._replace(
                n=min(found.n, FAMILY),
                dollars=priced or found.dollars,
                source=f"{words}: the place of {nearest}, of its family",
            )
        return Estimate(0.5, 0.0, priced, None, f"{words}: not published")

    @staticmethod
    def _examples() -> list[Priors]:
        return [Priors(), Priors("tool_use")]


def _step(level: str) -> tuple[float, float] | None:
    return effort_steps().get("low" if level in _LESS else "high" if level in _MORE else "")


def _at_effort(found: Estimate, level: str, priced: float | None) -> Estimate:
    """A model's rate at an unmeasured effort level: shifted as for other models, with the evidence of an inferred rate."""
    step = _step(level)
    if step is None or not found.n:
        return found
    odds, factor = step
    return found._replace(
        p=_odds(log(found.p / (1 - found.p)) + odds) if 0 < found.p < 1 else found.p,
        n=min(found.n, FAMILY),
        dollars=found.dollars if found.dollars in (None, priced) else found.dollars * factor,
        source=f"{found.source}, moved to effort {level} as others move",
    )


def _from(known: ModelResults, kind: str, about: WorkKind, words: str, priced: float | None, name: str) -> Estimate:
    measured = known.kinds.get(kind)
    if measured is not None:
        p, n, dollars = measured
        return Estimate(p, min(n, MOST), dollars or priced, None, f"{words}: {name} in {n:g} published outcomes")
    parts = [known.kinds[part] for part in about.of if part in known.kinds]
    ability = known.ability.get(about.group)
    if parts and ability is not None:  # by ability: the measured parts differ between models
        n = sum(part[1] for part in parts)
        costs = [part[2] for part in parts if part[2] is not None] if about.group == "agent" else []
        dollars = sum(costs) / len(costs) if costs else priced
        return Estimate(
            _odds(about.ease + ability), min(n, MOST), dollars, None, f"{words}: {name} in {n:g} published outcomes"
        )
    if ability is not None:
        return Estimate(_odds(about.ease + ability), OTHER_KIND, priced, None, f"{words}: {name} as in work of the same group")
    other = next(iter(known.ability.values()), 0.0)
    return Estimate(_odds(about.ease + 0.5 * other), OTHER_GROUP, priced, None, f"{words}: {name} as in other work")


def _odds(x: float) -> float:
    return 1 / (1 + exp(-min(max(x, -6.0), 6.0)))


def _by_price(about: WorkKind, price: Price | None) -> float | None:
    return (
        None
        if price is None or about.dollars_per_price is None
        else about.dollars_per_price * blended(price.input, price.output)
    )


def blended(price_in: float, price_out: float) -> float:
    """List price of a task: nine parts input and one part output."""
    return 0.9 * price_in + 0.1 * price_out


def _distance(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    width = max(len(a), len(b), 1)
    x, y = (sum(part / 20**i for i, part in enumerate((*each, *[0] * (width - len(each))))) for each in (a, b))
    return abs(log((x + 0.1) / (y + 0.1)))


@cache
def effort_steps() -> Mapping[str, tuple[float, float]]:
    """Effect of effort levels against the usual one: level -> (median change of log odds, median factor of dollars).

    >>> odds, factor = effort_steps()["low"]
    >>> odds < 0 and factor < 1 < effort_steps()["high"][1]
    True
    """
    models = table()[0]
    steps: dict[str, tuple[list[float], list[float]]] = {}
    for name, known in models.items():
        base, colon, level = name.partition(":")
        if not colon or base not in models:
            continue
        odds, factors = steps.setdefault(level, ([], []))
        for kind, (p, _, dollars) in known.kinds.items():
            usual = models[base].kinds.get(kind)
            if usual is not None and 0 < p < 1 and 0 < usual[0] < 1:
                odds.append(log(p / (1 - p)) - log(usual[0] / (1 - usual[0])))
                if dollars and usual[2]:
                    factors.append(dollars / usual[2])
    return {level: (median(odds), median(factors or [1.0])) for level, (odds, factors) in steps.items() if odds}


@cache
def table() -> tuple[Mapping[str, ModelResults], Mapping[str, WorkKind]]:
    """The shipped table: results by canonical model name, and the kinds of work."""
    stored: Any = json.loads((files("switchwise.quality") / "priors.json").read_text("utf-8"))
    kinds = {
        name: WorkKind(each["group"], each["ease"], each.get("dollars_per_price"), tuple(each.get("of", ())))
        for name, each in stored["kinds"].items()
    }
    models = {
        name: ModelResults({kind: (cell[0], cell[1], cell[2]) for kind, cell in each["kinds"].items()}, each["ability"])
        for name, each in stored["models"].items()
    }
    return models, kinds
