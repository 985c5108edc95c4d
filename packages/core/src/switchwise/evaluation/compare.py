"""Compare all policies, and optionally a router, on one recording: the `switchwise replay` command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path

from switchwise.display.figures import many, percent, usd
from switchwise.display.html import el
from switchwise.display.tables import card, faint, table
from switchwise.evaluation.bootstrap import RatioEstimate
from switchwise.evaluation.cost_model import BillCheck, validate
from switchwise.evaluation.journals import Journal, is_journal, read_journal
from switchwise.evaluation.policies import STRONG, Caches, Policy, Simple, all_strong
from switchwise.evaluation.prices import PAIRS, listed
from switchwise.evaluation.replay import SETTING, PairResult, Setting, Table, columns, replay, simulate
from switchwise.evaluation.routers import replay_router
from switchwise.evaluation.sessions import EASY, Step, Thread, read_sessions
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.target import Target
from switchwise.prompt_cache.rates import CacheRates
from switchwise.prompt_cache.rules import CacheRules
from switchwise.router import Router


@dataclass(frozen=True, slots=True)
class JournalBill:
    """Bill of a journal's calls, and their cost without routing.

    Parameters:
        journal: the journal.
        strongest: name of the strongest target.
        always: USD if it had answered every call, by the cost model.
        modelled: USD of the calls as made, by the cost model: its difference from the bill shows the error of the model.
    """

    journal: Journal
    strongest: str
    always: float
    modelled: float

    @property
    def saved(self) -> float:
        """Saved share of the bill, by the cost model on both sides."""
        return 1.0 - self.modelled / self.always if self.always else 0.0


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """Results of a replay.

    Parameters:
        threads: the recording.
        pairs: the policies, pair by pair.
        bill: check of the cost model; empty for a journal, which `bought` checks.
        bought: bill of a journal; None for other recordings.
        router: calls by target of the replayed router.
    """

    threads: Sequence[Thread]
    pairs: Sequence[PairResult]
    bill: Sequence[BillCheck]
    bought: JournalBill | None = None
    router: Mapping[str, int] | None = None

    def __repr__(self) -> str:
        return f"Comparison({self._title()})"

    def _repr_html_(self) -> str:
        """Bills as multiples of all-strong, with standard errors; below, what was paid, and the calls of the router."""
        names = [name for name in columns(self.pairs) if name != "all_strong"]
        rows = [[result.pair, *(_multiple(result.relative.get(name)) for name in names)] for result in self.pairs]
        bills = table(("pair", *(name.replace("_", "-") for name in names)), rows, numbers=range(1, len(names) + 1))
        paid = None
        if self.bought is not None and self.bought.always:
            found = self.bought
            alone = f"all on {found.strongest} {usd(found.always)} by the cost model"
            paid = el(
                "div",
                f"Paid {usd(found.journal.paid)}; as it was done {usd(found.modelled)}, {alone}: saved {percent(found.saved)}",
            )
        calls = (
            el("div", f"router: {', '.join(f'{name} {count:,}' for name, count in self.router.items())}")
            if self.router
            else None
        )
        return card(
            self._title(),
            bills,
            paid,
            calls,
            faint("Bills, as multiples of every call on the strong model of the pair, ± a standard error"),
        )

    def _title(self) -> str:
        calls = sum(len(thread.steps) for thread in self.threads)
        return f"{many(calls, 'call')} in {many(len(self.threads), 'thread')}, {many(len(self.pairs), 'pair')} of models"


def _multiple(found: RatioEstimate | None) -> str:
    if found is None:
        return "-"
    return f"{found.value:.3f}" if isnan(found.error) else f"{found.value:.3f} ± {found.error:.3f}"


def compare_recording(
    path: str | Path,
    pairs: Sequence[str] | None = None,
    setting: Setting = SETTING,
    router: Router | None = None,
    easy: str = "reads",
) -> Comparison:
    """Replay a file and return the results.

    Parameters:
        path: a journal or a file of the `agent_sessions` format.
        pairs: strong/weak; None: the strongest target of router or journal against each other one, else `PAIRS`.
        setting: settings. router: replayed in addition to the policies; its own prices count.
        easy: name of a definition in `EASY`, for recordings other than journals.

    Raises:
        ConfigurationError: the file, a pair or the router is invalid; the message gives the reason.
    """
    journal = read_journal(path) if is_journal(path) else None
    threads = journal.threads if journal is not None else read_sessions(path, EASY[easy])
    targets = router.pool.targets if router is not None else journal.targets if journal is not None else ()
    if targets:
        own = {_name(target): (target.provider, target.price) for target in targets if target.price is not None}
        table: Table = {**(setting.prices or {}), **own}
        setting = replace(setting, prices=table)
        names = list(own)
        pairs = pairs or [f"{names[0]}/{name}" for name in names[1:]]
        if not pairs:
            raise ConfigurationError(
                f"{_names_of(targets)}: no two targets with a price, so there is nothing to compare; give --pair"
            )
    if journal is not None:
        setting = replace(setting, rules=setting.rules or journal.rules)
    results = replay(threads, pairs or PAIRS, setting)
    calls: dict[str, int] | None = None
    if router is not None:
        tally = replay_router(router, threads, setting.inflation, rules=journal.rules if journal is not None else None)
        calls = {target.name: tally.by[place] for place, target in enumerate(router.pool.targets)}
        strongest = _name(router.pool.targets[0])
        results = [
            result.joined("router", tally, setting.samples) if result.pair.startswith(f"{strongest}/") else result
            for result in results
        ]
    bill = validate(threads, listed, CacheRules()) if journal is None else []
    return Comparison(threads, results, bill, _bought(journal) if journal is not None else None, calls)


def _bought(journal: Journal) -> JournalBill:
    priced = [target for target in journal.targets if target.price is not None]
    if not priced:
        return JournalBill(journal, journal.targets[0].name, 0.0, 0.0)
    strong, *weak = (
        CacheRates(target.price, journal.rules.of(target.provider, target.model or target.name))
        for target in priced
        if target.price
    )
    places = {target.name: place for place, target in enumerate(priced)}
    ordered = sorted(journal.threads, key=lambda thread: thread.steps[0].at)
    always = simulate(ordered, strong, weak, all_strong()).total
    made = simulate(ordered, strong, weak, _as_recorded(places)).total
    return JournalBill(journal, priced[0].name, always, made)


def _as_recorded(places: Mapping[str, int]) -> Policy:
    def rule(step: Step, prompt: int, caches: Caches) -> int:  # noqa: ARG001
        return places.get(step.by, STRONG)

    return Simple(rule)


def _name(target: Target) -> str:
    return target.model or target.name


def _names_of(targets: Sequence[Target]) -> str:
    return ", ".join(f"{target.name} ({'priced' if target.price else 'no price'})" for target in targets)
