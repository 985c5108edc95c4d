"""`switchwise replay`: recorded sessions under other models and policies."""

from __future__ import annotations

import os
from enum import StrEnum
from math import isnan, nextafter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from switchwise.cli.numbers import ABOVE_0, BELOW_1, drawing, number, whole
from switchwise.cli.output import RESEARCH, AsJson, as_json, console, tell, working
from switchwise.display.figures import usd
from switchwise.nouns.errors import ConfigurationError
from switchwise.switching.forecast import CallPriors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from switchwise.evaluation.compare import Comparison, JournalBill
    from switchwise.evaluation.replay import PairResult, PolicyTotals

_DEFAULT = CallPriors()
_BETWEEN = "between 0 and 1, without these"
_FAR = 0.25  # a modelled bill that differs this much from the recorded one indicates an error in the recording
_GUESS = "A first guess of switchwise's ({}), to see what a wrong one costs."

MEANS = {
    "cost / all-strong": "the pair: every call to the first, or easy ones to the second. Numbers: bill as a multiple of all-strong, +- a standard error over sessions",
    "all-cheap": "every call to the second",
    "naive": "easy calls to the cheaper, caches not looked at",
    "myopic": "looks one call ahead",
    "sticky": "one model for a session",
    "switchwise": "as the router decides",
    "optimum": "the best that can be known afterwards",
    "foresight": "a policy that knows the next calls",
    "router": "the router that was given",
}


class Easy(StrEnum):
    """Which calls a cheaper model may make."""

    READS = "reads"
    READS_AND_BASH = "reads+bash"


def replay(
    recording: Annotated[
        Path,
        typer.Argument(
            help="A journal that a router wrote, or a recording of agent sessions; a file, or a folder that holds one."
        ),
    ],
    pair: Annotated[
        list[str] | None,
        typer.Option(
            "--pair", metavar="STRONG/WEAK", help="A pair of models, of the catalogue, the journal or the router. Repeatable."
        ),
    ] = None,
    router: Annotated[
        str | None,
        typer.Option(
            "--router", metavar="MODULE:NAME", help="A Router, or a function that makes one, to replay, too; also file.py:name."
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", parser=drawing, metavar="FILE.svg", help="Also draw the costs.")
    ] = None,
    json_: AsJson = False,
    samples: Annotated[
        int,
        typer.Option(
            "--samples",
            parser=whole(0),
            metavar="N",
            help="Resamples of the bootstrap over sessions.",
            rich_help_panel=RESEARCH,
        ),
    ] = 400,
    easy: Annotated[
        Easy,
        typer.Option(
            "--easy",
            help="Easy calls use only tools that read; or Bash, too. A journal says itself what was easy.",
            rich_help_panel=RESEARCH,
        ),
    ] = Easy.READS,
    inflation: Annotated[
        float,
        typer.Option(
            "--inflation",
            parser=number(1, nextafter(100, 0), "from 1 (no more calls) to below 100"),
            metavar="X",
            help="Calls that the weak model needs where the strong one needs one.",
            rich_help_panel=RESEARCH,
        ),
    ] = 1.0,
    cold_start: Annotated[
        bool,
        typer.Option(
            "--cold-start",
            help="Without history of how many calls the strong model needs.",
            rich_help_panel=RESEARCH,
        ),
    ] = False,
    explore: Annotated[
        float | None,
        typer.Option(
            "--explore",
            parser=number(0, 1, "from 0 to 1"),
            metavar="SHARE",
            help="Share of easy runs left to the strong model, to learn that.",
            rich_help_panel=RESEARCH,
        ),
    ] = None,
    foresight: Annotated[
        int,
        typer.Option(
            "--foresight",
            parser=whole(0),
            metavar="N",
            help="Also a policy that knows N calls in advance.",
            rich_help_panel=RESEARCH,
        ),
    ] = 0,
    prior_hazard: Annotated[
        float | None,
        typer.Option(
            "--prior-hazard",
            parser=number(ABOVE_0, BELOW_1, _BETWEEN),
            metavar="X",
            help=_GUESS.format(f"{_DEFAULT.hazard:g}"),
            rich_help_panel=RESEARCH,
        ),
    ] = None,
    prior_growth: Annotated[
        float | None,
        typer.Option(
            "--prior-growth",
            parser=number(ABOVE_0, 1e9, "above 0, in tokens"),
            metavar="X",
            help=_GUESS.format(f"{_DEFAULT.growth:g}"),
            rich_help_panel=RESEARCH,
        ),
    ] = None,
    prior_output: Annotated[
        float | None,
        typer.Option(
            "--prior-output",
            parser=number(ABOVE_0, 1e9, "above 0, in tokens"),
            metavar="X",
            help=_GUESS.format(f"{_DEFAULT.output:g}"),
            rich_help_panel=RESEARCH,
        ),
    ] = None,
    prior_easy: Annotated[
        float | None,
        typer.Option(
            "--prior-easy",
            parser=number(0, 1, "from 0 to 1"),
            metavar="X",
            help=_GUESS.format(f"{_DEFAULT.easy_after_easy:g}"),
            rich_help_panel=RESEARCH,
        ),
    ] = None,
) -> None:
    """Compute what recorded sessions would have cost under other models and policies, compared with the exact optimum."""
    from switchwise.evaluation import report
    from switchwise.evaluation.compare import compare_recording
    from switchwise.evaluation.replay import Setting
    from switchwise.evaluation.routers import load_router

    given = {
        "hazard": prior_hazard,
        "growth": prior_growth,
        "output": prior_output,
        "easy_after_easy": prior_easy,
        "easy_after_hard": prior_easy,
    }
    setting = Setting(
        inflation=inflation,
        priors=CallPriors(**{name: value for name, value in given.items() if value is not None}),
        history=not cold_start,
        explore=explore,
        samples=samples,
        foresight=foresight,
    )
    with working(f"replaying {recording}"):
        found = compare_recording(recording, pair, setting, load_router(router) if router else None, easy.value)
    if plot is not None:
        _draw(report.svg(found.pairs), plot)
    if json_:
        as_json(report.as_json(found))
    else:
        _print_comparison(found)


def _print_comparison(found: Comparison) -> None:
    from switchwise.evaluation.replay import columns
    from switchwise.evaluation.sessions import easy_share

    out = console()
    calls = sum(len(thread.steps) for thread in found.threads)
    paid = _paid(found.bought) if found.bought is not None else []
    for line in paid:
        out.print(line, markup=False)
    if found.bought is None:
        out.print(_sentence(found.pairs), markup=False)
    out.print(f"{calls:,} calls in {len(found.threads):,} threads, {easy_share(found.threads):.0%} of them easy.", markup=False)
    for check in found.bill:
        if check.calls:
            far = (
                ", too far off to go by: are all calls there, and are their times in seconds?"
                if abs(check.ratio - 1.0) > _FAR
                else ""
            )
            text = (
                f"input billed with a lifetime of {check.ttl} s: ${check.billed:,.2f} for {check.calls:,} calls; the model says"
            )
            out.print(f"{text} ${check.modelled:,.2f} ({check.ratio - 1.0:+.1%}){far}", markup=False)
    if found.bill and not any(check.calls for check in found.bill):
        out.print("none of the recorded models is priced, so the recording's own bill is not checked", markup=False)
    out.print()
    shown = [name for name in columns(found.pairs) if name != "all_strong"]
    heads = {"cost / all-strong": MEANS["cost / all-strong"]} | {
        (name.replace("_", "-")): MEANS[name.replace("_", "-")] for name in shown
    }
    rows = [[result.pair, *(_cell(result, name) for name in shown)] for result in found.pairs]
    tell("Bills, as multiples of every call on the strong model:", heads, rows, right=list(heads)[1:])
    out.print()
    moved = {
        "pair": "",
        "cold": "share of the prompt tokens that switchwise reads uncached",
        "of naive": "the same of naive, which does not look at caches",
        "switches": "changes of model inside a session",
        "of naive's": "those of naive",
        "unsafe": "changes inside a tool loop to a model that cannot take it over",
    }
    tell("What switchwise did:", moved, [_moves(result) for result in found.pairs], right=list(moved)[1:])
    if found.router:
        out.print("\nrouter: " + ", ".join(f"{calls:,} calls to {name}" for name, calls in found.router.items()), markup=False)


def _sentence(results: Sequence[PairResult]) -> str:
    """Summarise the comparison in one sentence."""
    known = [result for result in results if "switchwise" in result.relative and "naive" in result.relative]
    if not known:
        return "Nothing could be compared."
    times = [result.relative["switchwise"].value / min(1.0, result.relative["naive"].value) for result in known]
    saved = [1.0 - result.relative["switchwise"].value for result in known]
    least, most = min(times), max(times)
    return (
        f"switchwise costs {least:.3f} to {most:.3f} times the better of all-strong and naive, and saves {min(saved):.0%} to {max(saved):.0%} of all-strong."
        if len(known) > 1
        else f"switchwise costs {most:.3f} times the better of all-strong and naive, and saves {saved[0]:.0%} of all-strong."
    )


def _paid(bought: JournalBill) -> list[str]:
    """The bill, and the bill without routing."""
    journal = bought.journal
    share = ", ".join(f"{calls:,} by {name}" for name, calls in journal.calls.items())
    lines = [f"You paid ${journal.paid:,.4f}: {share}."]
    if bought.always:
        verb = "saved" if bought.saved >= 0 else "lost"
        lines[0] = (
            f"You paid {usd(journal.paid)}; all on {bought.strongest} about {usd(bought.always * journal.paid / bought.modelled if bought.modelled else bought.always)}."
        )
        lines.append(
            f"paid: ${journal.paid:,.4f}, the calls {share}; by the cost model ${bought.modelled:,.4f} as it was done, "
            f"${bought.always:,.4f} with {bought.strongest} for every call: {verb} {abs(bought.saved):.1%}"
        )
    if journal.besides:
        lines.append(f"of that ${journal.besides:,.4f} for replies that were rejected and questions that policies asked")
    if journal.unpriced or journal.lost:
        lines.append(f"{journal.unpriced:,} calls without a cost count as $0, {journal.lost:,} without tokens are left out")
    if not journal.by_price:
        lines.append("no decision was by price: calls that went to another target than the strongest are taken to be easy")
    return lines


def _cell(result: PairResult, name: str) -> str:
    found = result.relative.get(name)
    if found is None:
        return "-"
    return f"{found.value:.3f}" if isnan(found.error) else f"{found.value:.3f} ±{found.error:.3f}"


def _moves(result: PairResult) -> list[str]:
    mine, naive = result.totals["switchwise"], result.totals["naive"]
    return [
        result.pair,
        f"{_cold(mine):.1%}",
        f"{_cold(naive):.1%}",
        f"{mine.switches:,}",
        f"{naive.switches:,}",
        f"{mine.unsafe:,}",
    ]


def _cold(tally: PolicyTotals) -> float:
    return tally.cold / tally.tokens if tally.tokens else 0.0


def _draw(text: str, path: Path) -> None:
    """Write the drawing atomically."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.exists() and not path.is_file():  # a device, a pipe
            path.write_text(text, encoding="utf-8")
            return
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise ConfigurationError(f"{path}: cannot be written: {error}") from None
