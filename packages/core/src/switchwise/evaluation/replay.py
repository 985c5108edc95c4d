"""Replay recorded sessions under other models and policies, with one cost model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from switchwise.evaluation import policies
from switchwise.evaluation.bootstrap import RatioEstimate, ratio
from switchwise.evaluation.cost_model import SimulatedCache
from switchwise.evaluation.measures.parallel import each
from switchwise.evaluation.optimum import Foresight, optimum
from switchwise.evaluation.policies import EXPLORE, STRONG, PlannedSwitching, Policy, Sticky, half
from switchwise.evaluation.prices import PAIRS, known_price, rates_of
from switchwise.evaluation.sessions import Step, Thread
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.target import Price
from switchwise.prompt_cache.rates import CacheRates
from switchwise.prompt_cache.rules import CacheRules
from switchwise.switching.forecast import PRIORS, CallPriors

Table = Mapping[str, tuple[str, Price]]
POLICIES = ("all_strong", "all_cheap", "naive", "myopic", "sticky", "switchwise", "optimum")
FURTHER = ("foresight", "router")


@dataclass(slots=True)
class PolicyTotals:
    """Totals of one policy.

    Parameters:
        cost: session -> USD.
        calls: number of calls, extra ones included.
        tokens, cold: prompt tokens, and the uncached ones among them.
        switches: calls at another model than the previous one of the thread.
        unsafe: switches to the weaker model for a hard call.
        by: number of calls per model, by its index.
    """

    cost: dict[str, float] = field(default_factory=dict)
    calls: int = 0
    tokens: int = 0
    cold: int = 0
    switches: int = 0
    unsafe: int = 0
    by: Counter[int] = field(default_factory=Counter)

    @property
    def total(self) -> float:
        """Total cost in USD."""
        return sum(self.cost.values())


@dataclass(frozen=True, slots=True)
class PairResult:
    """All policies on one pair of models.

    Parameters:
        pair: strong/weak.
        totals: policy -> totals; the optimum is under `optimum`, if there is one.
        relative: policy -> cost in multiples of all-strong, with its standard error.
        halves: half of the sessions -> policy -> cost in multiples of all-strong.
    """

    pair: str
    totals: Mapping[str, PolicyTotals]
    relative: Mapping[str, RatioEstimate]
    halves: tuple[Mapping[str, float], Mapping[str, float]]

    def joined(self, policy: str, tally: PolicyTotals, samples: int) -> PairResult:
        """Return the result with one more policy on the same threads."""
        return compared(self.pair, {**self.totals, policy: tally}, samples)


@dataclass(frozen=True, slots=True)
class Setting:
    """Settings of a replay.

    Parameters:
        inflation: calls that the weaker model needs per call of the strong one; above 1 there is no optimum.
        priors: priors of switchwise.
        history: teach switchwise the calls of the strong model from the half of the sessions that it is not judged on.
        explore: share of easy runs kept at the strong model to learn that; None: none with history, else 2 %, more at first.
        samples: resamples of the bootstrap.
        foresight: also replay a policy that knows that many calls in advance, the present one included; 0: do not.
        prices, rules: prices and cache rules of the models; None: the frozen prices, the catalogue and the shipped rules.
    """

    inflation: float = 1.0
    priors: CallPriors = PRIORS
    history: bool = True
    explore: float | None = None
    samples: int = 400
    foresight: int = 0
    prices: Table | None = None
    rules: CacheRules | None = None

    @property
    def explored(self) -> float:
        """Share of easy runs kept at the strong model."""
        if self.explore is None:
            return 0.0 if self.history else EXPLORE
        return self.explore


SETTING = Setting()


def columns(results: Sequence[PairResult]) -> list[str]:
    """Names of the columns: the policies, and optionally a router and a policy with foresight."""
    return [*POLICIES, *(name for name in FURTHER if any(name in result.relative for result in results))]


def replay(
    threads: Sequence[Thread], pairs: Sequence[str] = PAIRS, setting: Setting = SETTING, jobs: int | None = None
) -> list[PairResult]:
    """Compare the policies on each pair.

    Parameters:
        threads: a recording; see `read_sessions`.
        pairs: `strong/weak`, names of models with a known price.
        setting: settings. jobs: processes, as in `switchwise.evaluation.measures.parallel.each`: each pair is one piece of work.

    Raises:
        ConfigurationError: the recording is empty, or a pair is not two priced models.
    """
    if not threads:
        raise ConfigurationError("the recording holds no calls")
    if not any(step.prompt or step.output for thread in threads for step in thread.steps):
        raise ConfigurationError("the recording counts no tokens: all of input_tokens, cache_read and cache_write are zero")
    rules = setting.rules or CacheRules()
    ordered = sorted(threads, key=lambda thread: thread.steps[0].at)
    rated = [(pair, *_cache_rates(pair, rules, setting.prices)) for pair in pairs]
    return each(partial(_replayed, ordered, setting), rated, jobs)


def simulate(
    threads: Sequence[Thread],
    strong: CacheRates,
    weak: CacheRates | Sequence[CacheRates],
    policy: Policy,
    inflation: float = 1.0,
    tally: PolicyTotals | None = None,
) -> PolicyTotals:
    """Return the totals of `policy` on these threads, in order.

    Parameters:
        threads: a recording.
        strong, weak: cache rates of the models; one or more weaker ones, as the policy expects.
        policy: assigns the calls.
        inflation: calls that a weaker model needs per call of the strong one.
        tally: totals to add to; None: new ones.
    """
    tally = PolicyTotals() if tally is None else tally
    others = [weak] if isinstance(weak, CacheRates) else list(weak)
    for thread in threads:
        caches = (SimulatedCache(strong, thread.shared, thread.steps[0].at), *map(SimulatedCache, others))
        _thread(thread, caches, policy, inflation, tally)
    return tally


def _thread(thread: Thread, caches: tuple[SimulatedCache, ...], policy: Policy, inflation: float, tally: PolicyTotals) -> None:
    policy.begin(thread)
    bloat, debt, before, last, spent = 0, 0.0, 0, -1, 0.0
    for step in thread.steps:
        kept = step.kept
        if step.compacted:
            bloat = 0
        elif kept >= before:
            kept += bloat
        before = step.prompt
        extra = False
        while True:
            prompt = step.prompt + bloat
            for cache in caches:
                cache.cut(kept)
            model = policy.choose(step, prompt, caches)
            cache = caches[model]
            tally.cold += prompt - min(cache.known(step.at), prompt)
            cost = cache.call(step.at, prompt, step.output)
            policy.saw(step, prompt, kept, model, cost, caches)
            spent += cost
            _count(tally, step, prompt, model, last)
            last = model
            if model == STRONG:
                break
            debt += 0.0 if extra else inflation - 1.0
            if debt < 1.0:
                break
            debt, extra, kept = debt - 1.0, True, prompt
            bloat += step.growth
    policy.end()
    tally.cost[thread.session] = tally.cost.get(thread.session, 0.0) + spent


def _count(tally: PolicyTotals, step: Step, prompt: int, model: int, last: int) -> None:
    tally.calls += 1
    tally.tokens += prompt
    tally.by[model] += 1
    if last not in (-1, model):
        tally.switches += 1
        tally.unsafe += model != STRONG and not step.easy


def _replayed(threads: Sequence[Thread], setting: Setting, rated: tuple[str, CacheRates, CacheRates]) -> PairResult:
    pair, strong, cheap = rated
    return _pair(threads, pair, setting, strong, cheap)


def _pair(threads: Sequence[Thread], pair: str, setting: Setting, strong: CacheRates, cheap: CacheRates) -> PairResult:
    made: dict[str, Callable[[], Policy]] = {
        "all_strong": policies.all_strong,
        "all_cheap": policies.all_cheap,
        "naive": policies.naive,
        "myopic": policies.myopic,
        "sticky": Sticky,
        "switchwise": lambda: PlannedSwitching(
            setting.priors, history=threads if setting.history else (), explore=setting.explored
        ),
    }
    totals = {name: simulate(threads, strong, cheap, make(), setting.inflation) for name, make in made.items()}
    if setting.inflation == 1.0:
        best = PolicyTotals()
        for thread in threads:
            best.cost[thread.session] = best.cost.get(thread.session, 0.0) + optimum(thread, strong, cheap)
        totals["optimum"] = best
        if setting.foresight:
            totals["foresight"] = simulate(threads, strong, cheap, Foresight(setting.foresight))
    return compared(pair, totals, setting.samples)


def compared(name: str, totals: Mapping[str, PolicyTotals], samples: int) -> PairResult:
    """Costs in multiples of `all_strong`, with standard errors, and in each half of the sessions."""
    always = totals["all_strong"].cost
    sessions = sorted(always)
    base = [always[session] for session in sessions]
    relative = {
        policy: ratio([tally.cost[session] for session in sessions], base, samples=samples) for policy, tally in totals.items()
    }
    parts = [[session for session in sessions if half(session) == part] for part in (0, 1)]
    by_half = [{policy: _share(tally.cost, always, part) for policy, tally in totals.items()} for part in parts]
    return PairResult(name, totals, relative, (by_half[0], by_half[1]))


def _share(cost: Mapping[str, float], base: Mapping[str, float], sessions: Sequence[str]) -> float:
    total = sum(base[session] for session in sessions)
    return sum(cost[session] for session in sessions) / total if total else 1.0


def _cache_rates(pair: str, rules: CacheRules, prices: Table | None) -> tuple[CacheRates, CacheRates]:
    parts = pair.split("/")  # names of models may hold slashes too: `vendor/model`
    splits = [("/".join(parts[:at]), "/".join(parts[at:])) for at in range(1, len(parts))]
    if not splits:
        raise ConfigurationError(f"{pair!r} is not a pair: write strong/weak")
    known = (split for split in splits if all(known_price(model, prices) for model in split))
    strong, cheap = next(known, splits[len(splits) // 2])
    return rates_of(strong, rules, prices), rates_of(cheap, rules, prices)
