"""What the ledger knows and the planner says, for one call of a router: who should take it, and why.

It keeps a record for each thread, looks up what each target has cached, asks for a plan, and tells its arithmetic in one line. It
learns from every attempt: what the provider counted, whether the call was easy, and what it cost.

Memory: a thread takes about 1 kB, and up to 3 kB for each target that was called in it; at most `size` threads, so about 14 MB by default
with two targets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.prompt_prefix import PromptPrefix
from switchwise.nouns.scope import Key, Level
from switchwise.nouns.target import Target
from switchwise.nouns.view import View
from switchwise.prompt_cache.ledger import Expectation, Ledger
from switchwise.prompt_cache.rules import CacheRules
from switchwise.state.codec import mapping, rows
from switchwise.state.in_process import Memory
from switchwise.switching.advice import Advice, lead_of
from switchwise.switching.forecast import PRIORS, Priors
from switchwise.switching.planner import PLAN, Planner, Warmth
from switchwise.switching.talks import FRESH, Field, Ready, Talk, constant_for, dump_talk, home_of, resume
from switchwise.switching.target_rules import NEVER, Known, KnownTargets

# Advice that was worked out ahead holds for some time and growth, and for some calls, unless plans are so close that less may turn the verdict.
_GROWN = 1.2  # times the prompt
_CALLS = 4
_THIN, _THICK = 0.01, 0.02  # of what the second best plan costs
VERSION = 2
"""Of the state that `Advisor.dump` gives."""
_WHAT = "state of the advisor"


class Advisor:
    """The ledger and the planner of one router. Safe to use from many threads.

    Parameters:
        rules: how each model's cache works; None: the shipped table.
        priors: what is assumed of the calls before anything was seen.
        cap: by what share the whole bill may exceed that of never switching.
        control: share of easy stretches left to the home target, to learn how many calls it needs.
        size: how many threads are kept; the least recently used one is forgotten first.
        accounts: target -> name of the account behind it, its key and address: targets of one account and one model share a cache. A target that
            is not named has an account of its own.
        ahead: work out the next advice while nobody waits for it; False: when it is asked for.

    Raises:
        ConfigurationError: a number is out of range.
    """

    def __init__(
        self,
        rules: CacheRules | None = None,
        priors: Priors = PRIORS,
        *,
        cap: float = 0.02,
        control: float = 0.02,
        size: int = 2_000,
        accounts: Mapping[str, str] | None = None,
        ahead: bool = True,
    ) -> None:
        self.targets = KnownTargets(rules or CacheRules(), accounts or {})
        self.ledger = Ledger(size)
        self.planner = Planner(priors, cap=cap, control=control)
        self.ahead = ahead
        self._talks: Memory[PromptPrefix, Talk] = Memory(size)
        self._carried: dict[Key, Mapping[str, Any]] = {}  # threads of another process, until they go on here

    def knows(self, view: View, targets: Sequence[Target]) -> bool:
        """Whether it can follow what is cached: somebody keeps the thread's chain, and any of the targets is known to cache."""
        of = self.targets.of
        return view.prefix is not None and any(
            target.price is not None and of(target, target.price, view.now).listed.caches for target in targets
        )

    def advise(self, view: View, targets: Sequence[Target], pool: Sequence[Target]) -> Advice:
        """Who should take an easy call.

        Parameters:
            view: the call.
            targets: those that could.
            pool: all that may be called, strongest first.
        """
        talk = self._talk(view)
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
        field = talk.field = self._field(talk, targets, pool, view.now)
        return self._worked_out(talk, field, view.tokens, view.now, draw)[0]

    def _worked_out(self, talk: Talk, field: Field, tokens: int, now: float, draw: float) -> tuple[Advice, list[Warmth]]:
        """What to say, and what of the prompt each target with a price has in its cache."""
        home, names = field.home, field.names
        if home.price is None or not names:
            return Advice(home.name, {}, PLAN, home.name, {}, ()), []
        chain = talk.chain
        ratio = self.ledger.ratio(field.known[0].account)
        prompt = float(tokens) if ratio is None else chain.tokens * ratio
        found = self.ledger.expect_each(field.asked, chain, chain, now)
        warm = [
            Warmth(known.tariff, *expected[:3]) if expected.age < NEVER else known.cold
            for known, expected in zip(field.known, found, strict=True)
        ]
        plan = self.planner.decide(talk.course, prompt, warm[0], dict(zip(names[1:], warm[1:], strict=True)), draw)
        values = {name: choice.other for name, choice in plan.choices.items()}
        at_home = home in field.targets
        if at_home:
            values[home.name] = min([choice.home for choice in plan.choices.values()], default=0.0)
        best = plan.model or (home.name if at_home else min(values, key=values.__getitem__, default=field.targets[0].name))
        return Advice(best, values, plan.mode, home.name, plan.choices, field.blind), warm

    def _field(self, talk: Talk, targets: Sequence[Target], pool: Sequence[Target], now: float) -> Field:
        """Who is compared; worked out once, while nothing of it changes."""
        field = talk.field
        if (
            field is not None
            and not field.hours
            and field.version == self.targets.version
            and talk.home in ("", field.home.name)
            and field.targets == targets
            and field.pool == pool
        ):
            return field
        home = home_of(talk.home, pool, targets)
        priced = [target for target in targets if target.price is not None and target is not home]
        if home.price is not None:
            priced.insert(0, home)
        known = tuple([self.targets.of(target, target.price, now) for target in priced if target.price is not None])
        among = [one for one, target in zip(known, priced, strict=True) if target in targets]
        ttl = min([one.tariff.ttl for one in among if one.tariff.ttl], default=0.0)
        blind = tuple(
            [target.name for one, target in zip(known, priced, strict=True) if target in targets and not one.listed.known]
        )
        return Field(
            targets,
            pool,
            self.targets.version,
            home,
            tuple([target.name for target in priced]),
            known,
            tuple([(one.account, one.rule) for one in known]),
            any(target.price is not None and target.price.hours for target in priced),
            ttl,
            blind,
        )

    def expect(self, view: View, target: Target) -> Expectation:
        """What a call to `target` would find cached. It must have a price."""
        assert target.price is not None, "only targets with a price are compared"
        known = self.targets.of(target, target.price, view.now)
        talk = self._talk(view)
        return self.ledger.expect(known.account, known.rule, talk.chain, talk.chain, view.now)

    def learn(self, attempt: Attempt, easy: bool, mode: str = PLAN, home: Target | None = None) -> None:
        """Take in an attempt.

        Parameters:
            attempt: what was called, and what became of it.
            easy: several targets would have done.
            mode: of the advice that it followed.
            home: the target that hard calls go to, where the call was easy.
        """
        call, now = attempt.call, attempt.started
        target, price, reply = call.target, call.target.price, attempt.reply
        if reply is None or price is None:  # it wrote nothing that one could count on, or nothing that is compared
            return
        usage = reply.usage
        talk = self._talk(call.view)
        chain, course = talk.chain, talk.course
        known = self.targets.of(target, price, now)
        # Written down only now: what is still under way in parallel is not there to be found, and so not assumed to be warm.
        self.ledger.took(known.account, known.rule, chain, chain, now, usage)
        if usage is None:
            return
        self.targets.notice(target.name, known.listed, usage)
        if home is None or home is target or home.price is None:
            at_home = self.targets.of(target, price, now)
        else:
            at_home = self.targets.of(home, home.price, now)
        talk.home = home.name if easy and home is not None else target.name
        whole = course.prompt
        if (generation := chain.generation) != talk.generation:
            whole = min(whole, chain.end(chain.since(talk.generation)) * (self.ledger.ratio(known.account) or 1.0))
            talk.generation = generation
        self.planner.saw(
            course,
            now,
            usage.input_tokens,
            usage.output_tokens,
            easy=easy,
            kept=whole,
            home=at_home.tariff,
            model="" if home is None or target.name == home.name else target.name,
            cost=attempt.cost or 0.0,
            mode=mode,
        )
        if talk.hard:
            talk.turned[0] += easy
            talk.turned[1] += 1
        talk.hard = not easy
        if not self._holds(talk, target, now):
            talk.ready = None
            if talk.field is not None and self.ahead and (easy or 2 * talk.turned[0] >= talk.turned[1]):
                self._prepare(talk, talk.field, usage.input_tokens, now)

    def _holds(self, talk: Talk, target: Target, now: float) -> bool:
        """Whether the advice that was worked out ahead still stands after a call to `target`."""
        ready, chain = talk.ready, talk.chain
        return (
            ready is not None
            and talk.course.rhythm.calls < ready.calls
            and target.name in ready.warm
            and talk.home in ("", ready.advice.home)
            and ready.generation == chain.generation
            and 1.1 * chain.tokens < ready.tokens
            and now < ready.until
            and ready.allowed == self.planner.cap.allows
        )

    def _prepare(self, talk: Talk, field: Field, tokens: int, now: float) -> None:
        """Work out the advice for the next call while nobody waits for it."""
        field = talk.field = self._field(talk, field.targets, field.pool, now)
        advice, warm = self._worked_out(talk, field, tokens, now, 0.5)
        lead = lead_of(advice)
        if lead < _THIN:
            return
        chain, calls = talk.chain, talk.course.rhythm.calls
        spare, longest = FRESH * field.ttl, _GROWN * chain.tokens
        for known, standing in zip(field.known, warm, strict=True):
            if standing.tokens:
                spare = min(spare, constant_for(standing.age, standing.tariff.longest, known.rule.ttl))
            if known.price.above is not None:
                longest = min(longest, self._below_tier(talk, known, chain.tokens))
        talk.ready = Ready(
            advice,
            field.targets,
            chain.generation,
            longest,
            now + spare,
            calls + _CALLS if lead >= _THICK else calls,
            frozenset([name for name, standing in zip(field.names, warm, strict=True) if standing.tokens]),
            self.planner.cap.allows,
        )

    def _below_tier(self, talk: Talk, known: Known, tokens: int) -> float:
        """Estimated tokens up to which a prompt, and those that are expected to follow from it, pay what one of `tokens` pays."""
        ratio, above = self.ledger.ratio(known.account) or 1.0, known.price.above or 0
        look = talk.course.outlook(known.tariff.longest)
        for later in (look.growth * (look.easy + look.hard), 0.0):
            if tokens * ratio + later <= above:
                return (above - later) / ratio
        return NEVER

    def _talk(self, view: View) -> Talk:
        chain = view.prefix
        assert chain is not None, "asked only where `knows`"
        talk = self._talks.get(chain)
        if talk is None:
            key = view.scope.key(Level.AGENT)
            talk = Talk(self.planner.course(view.scope.agent), chain, key)
            self._talks.put(chain, talk)
            if self._carried and (carried := self._carried.pop(key, None)) is not None:
                resume(talk, carried, self.ledger)
        return talk

    def dump(self) -> dict[str, Any]:
        """All that is worth another process's while, as JSON types.

        That is what was learnt of targets, accounts, agents and models; and of the threads that have a session, where they stand and
        which prefixes of theirs were written when. The digests of prefixes are of this process only: a prefix is told to another one by
        the lengths of its blocks. About 0.5 kB for each agent and model, and 1 kB for each thread.
        """
        talks = [talk for _, talk in self._talks.items() if talk.key[1] and talk.course.rhythm.calls]
        return {
            "version": VERSION,
            "targets": self.targets.dump(),
            "ledger": self.ledger.dump(),
            "planner": self.planner.dump(),
            "threads": [
                *(dict(carried) for carried in list(self._carried.values())),
                *(dump_talk(talk, self.ledger) for talk in talks),
            ],
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `dump` gave, for threads to come. Targets that are no longer there do no harm.

        A cache is taken to be warm only where the thread, once it goes on, begins with blocks of the same lengths; and as long as its
        lifetime says, counted on the same clock.

        Raises:
            ConfigurationError: the state is of something else, or of another version.
        """
        if mapping(state, _WHAT).get("version") != VERSION:
            raise ConfigurationError(f"{_WHAT}: version {state.get('version')!r} is not {VERSION}; start without that state")
        carried: dict[Key, Mapping[str, Any]] = {}
        rehearsal = (KnownTargets(self.targets.rules, {}), Ledger(1), Planner(self.planner.priors))
        for targets, ledger, planner in (rehearsal, (self.targets, self.ledger, self.planner)):
            targets.load(mapping(state.get("targets", {}), _WHAT))
            ledger.load(mapping(state.get("ledger", {}), _WHAT))
            planner.load(mapping(state.get("planner", {}), _WHAT))
            for row in rows(state, "threads", _WHAT) if planner is not self.planner else ():
                resume(Talk(planner.course(""), PromptPrefix(), ()), row, ledger)
                carried[tuple(row["key"])] = row
        self._carried = {**self._carried, **carried}
