"""What the ledger knows and the planner says, for one call of a router: who should take it, and why.

It keeps a record for each thread, looks up what each target has cached, asks for a plan, and tells its arithmetic in one line. It
learns from every attempt: what the provider counted, whether the call was easy, and what it cost.

Memory: a thread takes about 1 kB, and 2 kB for each target that was called in it; at most `size` threads, so about 14 MB by default
with two targets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from fairlead.caching.habits import PRIORS, Priors
from fairlead.caching.ledger import Expectation, Ledger
from fairlead.caching.plan import Choice
from fairlead.caching.planner import CONTROL, PLAN, TRIAL, Course, Planner, Warmth
from fairlead.caching.rules import CacheRule, CacheRules
from fairlead.caching.tariff import Tariff
from fairlead.call import Attempt
from fairlead.chain import Chain
from fairlead.memory import Memory
from fairlead.target import Price, Target
from fairlead.usage import Usage
from fairlead.view import View

_FRESH = 0.25  # of a lifetime: so long, advice that was worked out ahead holds
_GROWN = 1.2  # and so much may the prompt grow
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


class _Ready(NamedTuple):
    """Advice worked out ahead: what to say of the next call, if nothing but growth comes between.

    Parameters:
        advice: what to say.
        targets: among whom.
        generation: of the chain.
        tokens: longest prompt that it holds for, in estimated tokens.
        until: seconds; later, caches may be about to lapse.
    """

    advice: Advice
    targets: Sequence[Target]
    generation: int
    tokens: float
    until: float


class _Talk:
    """One thread."""

    __slots__ = ("asked", "chain", "course", "generation", "home", "ready")

    def __init__(self, course: Course, chain: Chain) -> None:
        self.course = course
        self.chain = chain
        self.generation = 0
        self.home = ""
        self.asked: tuple[Sequence[Target], Sequence[Target]] | None = None  # targets and pool of the last easy call
        self.ready: _Ready | None = None


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
        self._targets: dict[str, tuple[Price, tuple[CacheRule, Tariff]]] = {}
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
        draw = (view.seed & 0xFFFF_FFFF) / 0x1_0000_0000
        ready = talk.ready
        if (
            ready is not None
            and ready.targets == targets
            and ready.generation == talk.chain.generation
            and view.now < ready.until
            and talk.chain.tokens <= ready.tokens
            and not self.planner.draws(talk.course, draw)
        ):
            return ready.advice
        talk.asked = (targets, pool)
        return self._worked_out(talk, view.tokens, view.now, draw, targets, pool)

    def _worked_out(
        self, talk: _Talk, tokens: int, now: float, draw: float, targets: Sequence[Target], pool: Sequence[Target]
    ) -> Advice:
        priced = [target for target in targets if target.price is not None]
        home = _home(talk.home, pool, targets)
        if home.price is None or not priced:
            return Advice(home.name, {}, PLAN, home.name, {}, ())
        ratio = self.ledger.ratio(home.name)
        prompt = float(tokens) if ratio is None else talk.chain.tokens * ratio
        others = {target.name: self._warmth(target, talk, now) for target in priced if target is not home}
        plan = self.planner.decide(talk.course, prompt, self._warmth(home, talk, now), others, draw)
        values = {name: choice.other for name, choice in plan.choices.items()}
        if home in targets:
            values[home.name] = min((choice.home for choice in plan.choices.values()), default=0.0)
        best = plan.model or (home.name if home in targets else min(values, key=values.__getitem__, default=targets[0].name))
        blind = tuple(target.name for target in priced if not self._listed(target).known)
        return Advice(best, values, plan.mode, home.name, plan.choices, blind)

    def expect(self, view: View, target: Target) -> Expectation:
        """What a call to `target` would find cached."""
        rule, _ = self._known(target, view.now)
        talk = self._talk(view.chain, view.scope.agent)
        return self.ledger.expect(target.name, rule, talk.chain, talk.chain, view.now)

    def learn(self, attempt: Attempt, easy: bool, mode: str = PLAN, home: Target | None = None) -> None:
        """Take in an attempt.

        Parameters:
            attempt: what was called, and what became of it.
            easy: several targets would have done.
            mode: of the advice that it followed.
            home: the target that hard calls go to, where the call was easy.
        """
        call, target = attempt.call, attempt.target
        if attempt.reply is None:  # it wrote nothing that one could count on
            return
        usage = attempt.reply.usage
        talk = self._talk(call.view.chain, call.view.scope.agent)
        # Written down only now: what is still under way in parallel is not there to be found, and so not assumed to be warm.
        opened = self.ledger.start(
            target.name, self._known(target, attempt.started)[0], talk.chain, talk.chain, attempt.started
        )
        self.ledger.ended(opened, usage)
        if usage is None or target.price is None:
            return
        self._notice(target, usage)
        home = home if home is not None else target
        talk.home = talk.home if easy else target.name
        chain, course = talk.chain, talk.course
        kept = chain.end(chain.since(talk.generation)) * (self.ledger.ratio(target.name) or 1.0)
        talk.generation = chain.generation
        self.planner.saw(
            course,
            attempt.started,
            usage.input_tokens,
            usage.output_tokens,
            easy=easy,
            kept=min(kept, course.prompt),
            home=self._known(home if home.price is not None else target, attempt.started)[1],
            model="" if target.name == home.name else target.name,
            cost=attempt.cost or 0.0,
            mode=mode,
        )
        if talk.asked is not None:
            self._prepare(talk, usage.input_tokens, attempt.started, *talk.asked)

    def _prepare(self, talk: _Talk, tokens: int, now: float, targets: Sequence[Target], pool: Sequence[Target]) -> None:
        """Work out the advice for the next call while nobody waits for it."""
        talk.ready = None
        advice = self._worked_out(talk, tokens, now, 0.5, targets, pool)
        lifetimes = [tariff.ttl for target in targets if target.price for tariff in [self._known(target, now)[1]] if tariff.ttl]
        until = now + _FRESH * min(lifetimes, default=0.0)
        talk.ready = _Ready(advice, targets, talk.chain.generation, _GROWN * talk.chain.tokens, until)

    def _notice(self, target: Target, usage: Usage) -> None:
        """How requests ask for caching is up to the caller: what was counted tells."""
        name, rule = target.name, self._listed(target)
        wrote = bool(usage.cache_write_tokens or usage.cache_write_1h_tokens)
        if usage.cache_write_1h_tokens and name not in self._long:
            self._long.add(name)
            self._targets.pop(name, None)
        if wrote and name in self._unmarked:
            self._unmarked.discard(name)
            self._targets.pop(name, None)
        elif rule.mode == "marked" and not wrote and usage.cache_read_tokens == 0 and usage.input_tokens >= rule.minimum:
            self._unmarked.add(name)
            self._targets.pop(name, None)

    def _talk(self, chain: Chain | None, agent: str) -> _Talk:
        assert chain is not None, "asked only where `knows`"
        talk = self._talks.get(chain)
        if talk is None:
            talk = _Talk(self.planner.course(agent), chain)
            self._talks.put(chain, talk)
        return talk

    def _warmth(self, target: Target, talk: _Talk, now: float) -> Warmth:
        rule, tariff = self._known(target, now)
        found = self.ledger.expect(target.name, rule, talk.chain, talk.chain, now)
        return Warmth(tariff, found.tokens, found.chance, found.age)

    def _known(self, target: Target, now: float) -> tuple[CacheRule, Tariff]:
        """How the target caches, by its listing and by what was seen; and what it costs. Worked out once, while both stay."""
        listed = target.price
        assert listed is not None, "only targets with a price are compared"
        price = listed.at(now) if listed.hours else listed
        known = self._targets.get(target.name)
        if known is not None and known[0] is price:
            return known[1]
        rule = self._listed(target)
        long = target.name in self._long and rule.ttl_long > 0
        if target.name in self._unmarked:
            rule, long = NOT_CACHED, False
        elif long:
            rule = replace(rule, ttl=rule.ttl_long, fades=0.0)
        self._targets[target.name] = (price, (rule, Tariff(price, rule, long=long)))
        return self._targets[target.name][1]

    def _listed(self, target: Target) -> CacheRule:
        rule = self.rules.of(target.provider, target.model or target.name)
        if not rule.known and target.price is not None and target.price.cache_read is not None:
            return PRICED  # whoever lists a price of cache reads has a cache
        return rule


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
