"""What the ledger knows and the planner says, for one call of a router: who should take it, and why.

It keeps a record for each thread, looks up what each target has cached, asks for a plan, and tells its arithmetic in one line. It
learns from every attempt: what the provider counted, whether the call was easy, and what it cost.

Memory: a thread takes about 1 kB, and 2 kB for each target that was called in it; at most `size` threads, so about 14 MB by default
with two targets.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from fairlead.caching.habits import PRIORS, Priors
from fairlead.caching.ledger import Expectation, Ledger, Open
from fairlead.caching.plan import Choice
from fairlead.caching.planner import CONTROL, PLAN, TRIAL, Course, Planner, Warmth
from fairlead.caching.rules import CacheRule, CacheRules
from fairlead.caching.tariff import Tariff
from fairlead.call import Attempt, Call
from fairlead.chain import Chain
from fairlead.memory import Memory
from fairlead.target import Price, Target
from fairlead.usage import Usage
from fairlead.view import View

NOT_CACHED = CacheRule()
PRICED = CacheRule("automatic", minimum=1024, step=128, ttl=300, assured=False)
"""What is taken to hold of a cache of which only the price is known."""


class Advice(NamedTuple):
    """Who should take a call.

    Parameters:
        best: name of the target.
        values: name -> expected USD of the plan that begins with it; only their order counts between targets that are not `best`.
        mode: what the decision is for: see `planner`.
        home: name of the target that hard calls of the thread go to.
        choices: name -> the arithmetic against home.
        blind: names of targets of whose caching nothing is known.
    """

    best: str
    values: Mapping[str, float]
    mode: str
    home: str
    choices: Mapping[str, Choice]
    blind: tuple[str, ...]

    def because(self, target: Target) -> str:
        """The arithmetic in one line."""
        known = f"; nothing is known of caching at {', '.join(self.blind)}" if self.blind else ""
        if self.mode == CONTROL:
            return f"stay: this stretch is left to {self.home}, to learn how many calls it needs{known}"
        if target.name in self.choices:
            trial = " (tried although it seemed to need more calls)" if self.mode == TRIAL else ""
            return f"go: {_go(self.choices[target.name], self.home)}{trial}{known}"
        if not self.choices:
            return f"{target.name} is the only one with a price{known}"
        name, choice = min(self.choices.items(), key=lambda item: item[1].other)
        return f"stay: {_stay(choice, name)}{known}"


class _Talk:
    """One thread."""

    __slots__ = ("chain", "course", "generation", "home", "open")

    def __init__(self, course: Course, chain: Chain) -> None:
        self.course = course
        self.chain = chain
        self.generation = 0
        self.home = ""
        self.open: dict[tuple[int, str], Open] = {}


class Advisor:
    """The ledger and the planner of one router. Safe to use from many threads.

    Parameters:
        rules: how each model's cache works; None: the shipped table.
        priors: what is assumed of the calls before anything was seen.
        cap: by what share the whole bill may exceed that of never switching.
        control: share of easy stretches left to the home target, to learn how many calls it needs.
        size: how many threads are kept; the least recently used one is forgotten first.
    """

    def __init__(
        self,
        rules: CacheRules | None = None,
        priors: Priors = PRIORS,
        *,
        cap: float = 0.02,
        control: float = 0.02,
        size: int = 2_000,
    ) -> None:
        self.rules = rules or CacheRules()
        self.ledger = Ledger(size)
        self.planner = Planner(priors, cap=cap, control=control)
        self._talks: Memory[Chain, _Talk] = Memory(size)
        self._tariffs: dict[tuple[str, bool], tuple[Price, Tariff]] = {}
        self._long: set[str] = set()  # targets whose entries are written with the long lifetime
        self._unmarked: set[str] = set()  # targets whose requests mark nothing to be kept, though they would have to

    def knows(self, view: View, targets: Sequence[Target]) -> bool:
        """Whether it can follow what is cached: somebody keeps the thread's chain, and any of the targets is known to cache."""
        return view.chain is not None and any(target.price is not None and self._listed(target).caches for target in targets)

    def advise(self, view: View, targets: Sequence[Target], pool: Sequence[Target]) -> Advice:
        """Who should take an easy call.

        Parameters:
            view: the call.
            targets: those that could.
            pool: all that may be called, strongest first.
        """
        talk = self._talk(view.chain, view.scope.agent)
        priced = [target for target in targets if target.price is not None]
        home = _home(talk.home, pool, targets)
        if home.price is None or not priced:
            return Advice(home.name, {}, PLAN, home.name, {}, ())
        ratio = self.ledger.ratio(_account(home))
        prompt = float(view.tokens) if ratio is None else talk.chain.tokens * ratio
        others = {target.name: self._warmth(target, talk, view) for target in priced if target is not home}
        draw = (view.seed & 0xFFFF_FFFF) / 0x1_0000_0000
        plan = self.planner.decide(talk.course, prompt, self._warmth(home, talk, view), others, draw)
        values = {name: choice.other for name, choice in plan.choices.items()}
        if home in targets:
            values[home.name] = min((choice.home for choice in plan.choices.values()), default=0.0)
        best = plan.model or (home.name if home in targets else min(values, key=values.__getitem__, default=targets[0].name))
        blind = tuple(target.name for target in priced if not self._listed(target).known)
        return Advice(best, values, plan.mode, home.name, plan.choices, blind)

    def expect(self, view: View, target: Target) -> Expectation:
        """What a call to `target` would find cached."""
        rule = self._rule(target)
        talk = self._talk(view.chain, view.scope.agent)
        return self.ledger.expect(_account(target), rule, talk.chain, talk.chain, view.now)

    def start(self, call: Call, now: float) -> None:
        """A call is about to be made: what it will write is pending."""
        talk, target = self._talk(call.view.chain, call.view.scope.agent), call.target
        talk.open[call.view.seed, target.name] = self.ledger.start(
            _account(target), self._rule(target), talk.chain, talk.chain, now
        )

    def release(self, call: Call) -> None:
        """It is not made after all."""
        opened = self._talk(call.view.chain, call.view.scope.agent).open.pop((call.view.seed, call.target.name), None)
        if opened is not None:
            self.ledger.failed(opened)

    def learn(self, attempt: Attempt, easy: bool, mode: str = PLAN, home: Target | None = None) -> None:
        """Take in an attempt.

        Parameters:
            attempt: what was called, and what became of it.
            easy: several targets would have done.
            mode: of the advice that it followed.
            home: the target that hard calls go to, where the call was easy.
        """
        call, target = attempt.call, attempt.target
        usage = attempt.reply.usage if attempt.reply is not None else None
        if attempt.reply is None:
            self.release(call)
            return
        if (call.view.seed, target.name) not in (talk := self._talk(call.view.chain, call.view.scope.agent)).open:
            self.start(call, attempt.started)
        opened = talk.open.pop((call.view.seed, target.name))
        self.ledger.ended(opened, usage)
        if usage is None or target.price is None:
            return
        self._notice(target, usage)
        home = home if home is not None else target
        talk.home = talk.home if easy else target.name
        chain, course = talk.chain, talk.course
        kept = chain.end(chain.since(talk.generation)) * (self.ledger.ratio(_account(target)) or 1.0)
        talk.generation = chain.generation
        self.planner.saw(
            course,
            attempt.started,
            usage.input_tokens,
            usage.output_tokens,
            easy=easy,
            kept=min(kept, course.prompt),
            home=self._tariff(home, attempt.started) if home.price is not None else self._tariff(target, attempt.started),
            model="" if target.name == home.name else target.name,
            cost=attempt.cost or 0.0,
            mode=mode,
        )

    def _notice(self, target: Target, usage: Usage) -> None:
        """How requests ask for caching is up to the caller: what was counted tells."""
        if usage.cache_write_1h_tokens:
            self._long.add(target.name)
        rule = self._listed(target)
        if rule.mode == "marked" and usage.cache_read_tokens == 0 and usage.input_tokens >= rule.minimum:
            wrote = usage.cache_write_tokens or usage.cache_write_1h_tokens
            (self._unmarked.discard if wrote else self._unmarked.add)(target.name)

    def _talk(self, chain: Chain | None, agent: str) -> _Talk:
        assert chain is not None, "asked only where `knows`"
        talk = self._talks.get(chain)
        if talk is None:
            talk = _Talk(self.planner.course(agent), chain)
            self._talks.put(chain, talk)
        return talk

    def _warmth(self, target: Target, talk: _Talk, view: View) -> Warmth:
        found = self.ledger.expect(_account(target), self._rule(target), talk.chain, talk.chain, view.now)
        return Warmth(self._tariff(target, view.now), found.tokens, found.chance, found.age)

    def _rule(self, target: Target) -> CacheRule:
        rule = self._listed(target)
        if target.name in self._unmarked:
            return NOT_CACHED
        return replace(rule, ttl=rule.ttl_long, fades=0.0) if target.name in self._long and rule.ttl_long else rule

    def _listed(self, target: Target) -> CacheRule:
        rule = self.rules.of(target.provider, target.model or target.name)
        if not rule.known and target.price is not None and target.price.cache_read is not None:
            return PRICED  # whoever lists a price of cache reads has a cache
        return rule

    def _tariff(self, target: Target, now: float) -> Tariff:
        assert target.price is not None, "only targets with a price are compared"
        price = target.price.at(now)
        long, rule = target.name in self._long, self._listed(target)
        if target.name in self._unmarked:
            long, rule = False, NOT_CACHED
        known = self._tariffs.get((target.name, long))
        if known is None or known[0] is not price or known[1].rule is not rule:
            known = self._tariffs[target.name, long] = (price, Tariff(price, rule, long=long))
        return known[1]


def _account(target: Target) -> Hashable:
    return target.name


def _home(name: str, pool: Sequence[Target], targets: Sequence[Target]) -> Target:
    known = next((target for target in pool if target.name == name), None)
    if known is not None:
        return known
    return next((target for target in pool if target.price is not None), targets[0])


def _go(choice: Choice, home: str) -> str:
    if choice.cold > 0.5 * choice.other_call and choice.saving > 0.0:
        return (
            f"a cold write of ${choice.cold:.3f} is repaid by {choice.easy:.1f} easy calls that save ${choice.saving:.4f} each"
        )
    return f"${choice.other_call:.4f} against ${choice.home_call:.4f} at {home}"


def _stay(choice: Choice, name: str) -> str:
    if choice.saving <= 0.0:
        return f"a call at {name} would cost ${-choice.saving:.4f} more than reading what is cached here"
    if choice.cold > 0.5 * choice.other_call:
        return f"a cold write of ${choice.cold:.3f} would not be repaid by {choice.easy:.1f} easy calls at ${choice.saving:.4f}"
    return (
        f"${choice.other_call:.4f} at {name} now, and what would have to be written again here, against ${choice.home_call:.4f}"
    )
