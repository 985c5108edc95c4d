"""Compare several targets on one request. Adapters make the calls; the rest is here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from contextvars import copy_context
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

from switchwise.display.figures import percent, seconds, usd
from switchwise.display.progress import ProgressBar, progress_bar
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.target import Pool
from switchwise.observe.spending import Spending, spending

TASK = "compare"
"""Task name of such calls in journals."""


@dataclass(frozen=True, slots=True)
class Side:
    """Result of one target.

    Parameters:
        target: name of the target.
        answer: text of its answer; empty if it failed or only calls tools.
        tools: names of the called tools.
        prompt, cached, output: tokens; None: unknown.
        cost: USD; None: unknown.
        latency, first_chunk: seconds to the end, and to the first chunk of a streamed answer.
        error: the exception; empty: none.
    """

    target: str
    answer: str = ""
    tools: tuple[str, ...] = ()
    prompt: int | None = None
    cached: int | None = None
    output: int | None = None
    cost: float | None = None
    latency: float | None = None
    first_chunk: float | None = None
    error: str = ""


class SideBySide:
    """Results in the order of the given targets: iterate, or look one up by name.

    Parameters:
        sides: one per target.
    """

    def __init__(self, sides: Iterable[Side]) -> None:
        self._sides = {side.target: side for side in sides}

    def __iter__(self) -> Iterator[Side]:
        return iter(self._sides.values())

    def __len__(self) -> int:
        return len(self._sides)

    def __getitem__(self, target: str) -> Side:
        return self._sides[target]

    @property
    def cheapest(self) -> Side | None:
        """The cheapest answer; None without prices."""
        return min(
            (side for side in self if side.cost is not None and not side.error), key=lambda side: side.cost or 0.0, default=None
        )

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame` with a row per target.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        try:
            pandas: Any = import_module("pandas")
        except ModuleNotFoundError:
            raise ConfigurationError("to_pandas() needs pandas: pip install pandas") from None
        return pandas.DataFrame([asdict(side) for side in self]).set_index("target")

    def __str__(self) -> str:
        from switchwise.display.tables import columns

        return columns(_HEADINGS, [_row(side) for side in self], numbers=_NUMBERS)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from switchwise.display.html import el
        from switchwise.display.tables import BAD, card, table

        rows = [
            [
                el("b", side.target),
                el("div", _text_of(side, 1_000), style=f"white-space:pre-wrap;max-width:36em;{BAD if side.error else ''}"),
                *_row(side)[2:],
            ]
            for side in self
        ]
        best = self.cheapest
        title = f"{len(self)} targets side by side" + (f"; the cheapest is {best.target} at {usd(best.cost)}" if best else "")
        return card(title, table(_HEADINGS, rows, numbers=_NUMBERS))


_HEADINGS = ("target", "answer", "prompt", "cached", "output", "cost", "took")
_NUMBERS = (2, 3, 4, 5, 6)


def _text_of(side: Side, most: int) -> str:
    text = side.error or side.answer or (f"calls {', '.join(side.tools)}" if side.tools else "(nothing)")
    return text if len(text) <= most else text[:most] + " …"


def _row(side: Side) -> list[str]:
    cached = percent(side.cached / side.prompt) if side.prompt and side.cached else ""
    tokens = [f"{number:,}" if number is not None else "" for number in (side.prompt, side.output)]
    return [
        side.target,
        " ".join(_text_of(side, 60).split()),
        tokens[0],
        cached,
        tokens[1],
        usd(side.cost),
        seconds(side.latency),
    ]


def side_by_side(
    pool: Pool, targets: Iterable[str] | None, ask: Callable[[str], object], progress: Callable[[Side], object] | None = None
) -> SideBySide:
    """Call several targets at once, each in its own thread.

    Parameters:
        pool: pool of the router.
        targets: names or roles; None: the whole pool.
        ask: makes the call at a target, without fallback.
        progress: called with each finished answer, such as `print`; None: a progress bar in a terminal (with rich) or notebook.

    Raises:
        ConfigurationError: a name is unknown, or no target is given.
    """
    words = [target.name for target in pool] if targets is None else [targets] if isinstance(targets, str) else list(targets)
    names = list(dict.fromkeys(target.name for word in words for target in pool if target.name in pool.select(word)))
    if not names:
        raise ConfigurationError(f"targets={targets!r}: name at least one of {', '.join(target.name for target in pool)}")
    sides: dict[str, Side] = {}
    shown = progress_bar("asking", len(names)) if progress is None else nullcontext(ProgressBar())
    with shown as bar, ThreadPoolExecutor(len(names), "switchwise-compare") as threads:
        asked = [threads.submit(copy_context().run, _side, name, ask) for name in names]
        for done in as_completed(asked):
            side = done.result()
            sides[side.target] = side
            bar(f"{side.target} answered" if not side.error else f"{side.target} failed", done=len(sides), total=len(names))
            if progress is not None:
                progress(side)
    return SideBySide(sides[name] for name in names)


def _side(name: str, ask: Callable[[str], object]) -> Side:
    began, error = time.perf_counter(), ""
    with spending() as spent:
        try:
            ask(name)
        except Exception as failure:  # noqa: BLE001  (one that fails is a finding: it is shown next to those that answer)
            error = f"{type(failure).__name__}: {failure}"
    return _made(name, spent, error, time.perf_counter() - began)


def _made(name: str, spent: Spending, error: str, took: float) -> Side:
    replies = [attempt for attempt in spent.attempts if attempt.reply is not None and attempt.call.ask is None]
    if not replies:
        return Side(name, latency=took, error=error or "no reply")
    last: Any = replies[-1].reply
    usage = last.usage
    return Side(
        target=name,
        answer=last.text,
        tools=tuple(call[0] for call in last.tool_calls),
        prompt=usage.input_tokens if usage else None,
        cached=usage.cache_read_tokens if usage else None,
        output=usage.output_tokens if usage else None,
        cost=None if spent.unpriced else spent.cost,
        latency=replies[-1].latency,
        first_chunk=last.first_chunk,
        error=error,
    )
