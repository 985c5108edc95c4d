"""Bars that an evaluation must reach, from a file: a test for a pipeline, as `make eval` has them for the shared sets.

A bar file is TOML: sets, their routers, their metrics, and what each must be. Names of sets may be patterns, such as `"* unseen labels"`.

    [many_models.default]
    saving_98 = ">= 0.57"                        # the value
    aiq_minus_label_table = "high >= 0"          # an end of its interval: not significantly below the label table
    ["mmlu".default]
    apgr_minus_label_table = "low > 0"           # significantly above it
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from operator import ge, gt, le, lt
from pathlib import Path
from typing import Final, NamedTuple

from switchwise.evaluation.measures.interval import Interval
from switchwise.evaluation.trials.evaluate import SetResult
from switchwise.nouns.errors import ConfigurationError

_FORM: Final = re.compile(r"(?:(value|low|high)\s+)?(>=|<=|>|<)\s*([-+]?[0-9.]+(?:e[-+]?[0-9]+)?)")
_TESTS: Final[Mapping[str, Callable[[float, float], bool]]] = {">=": ge, "<=": le, ">": gt, "<": lt}
_WILD: Final = frozenset("*?[")


class Bar(NamedTuple):
    """One bar.

    Parameters:
        set: name or pattern of the sets.
        router, metric: as in `SetResult.routers`.
        end: which number of the interval counts: `value`, `low` or `high`.
        test: `>=`, `>`, `<=` or `<`.
        number: what it is compared with.
    """

    set: str
    router: str
    metric: str
    end: str
    test: str
    number: float

    def __str__(self) -> str:
        return f"{self.end} {self.test} {self.number:g}"


class BarVerdict(NamedTuple):
    """One bar on one set.

    Parameters:
        bar: as read.
        set: name of the set.
        found: what was measured; without a value: it was not.
        met: the bar is reached.
    """

    bar: Bar
    set: str
    found: Interval
    met: bool


def read_bars(path: str | Path) -> list[Bar]:
    """The bars of a file.

    Raises:
        ConfigurationError: it cannot be read, or something in it is not a bar.
    """
    try:
        sets = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: cannot be read as a file of bars: {error}") from None
    return list(_bars(path, sets))


def _bars(path: str | Path, sets: Mapping[str, object]) -> Iterator[Bar]:
    for name, routers in sets.items():
        for router, metrics in (routers if isinstance(routers, Mapping) else {"": None}).items():
            if not isinstance(metrics, Mapping):
                raise ConfigurationError(f"{path}: [{name}]: give tables of routers, such as [{name}.default]")
            for metric, text in metrics.items():
                found = _FORM.fullmatch(str(text).strip())
                if found is None:
                    raise ConfigurationError(
                        f"{path}: [{name}.{router}] {metric} = {text!r}: give a comparison, such as '>= 0.57', 'low > 0' or 'high >= 0'"
                    )
                yield Bar(name, router, metric, found[1] or "value", found[2], float(found[3]))


def verdicts(bars: Sequence[Bar], results: Sequence[SetResult]) -> list[BarVerdict]:
    """Each bar on each set that it names. A pattern holds for the sets that have its metric; a plain name must have it."""
    judged = []
    for result in results:
        for bar in bars:
            if not fnmatchcase(result.name, bar.set):
                continue
            found = result.routers.get(bar.router, {}).get(bar.metric, Interval(None))
            if found.value is None and _WILD & set(bar.set):
                continue
            number: float | None = getattr(found, bar.end)
            judged.append(BarVerdict(bar, result.name, found, number is not None and _TESTS[bar.test](number, bar.number)))
    return judged
