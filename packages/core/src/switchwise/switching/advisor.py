"""Advises which target should take a call, from the cached prefixes in the ledger and the plans of the planner.

It keeps the state of each thread, looks up what each target has cached, and asks for a plan; it learns from every attempt. If
no prompt cache is at stake, it gives no advice, and the list price decides: no candidate caches, the prompt is below every
cacheable minimum, or it is the first call of a thread with nothing cached.

Memory: about 1.5 kB for each of at most `size` threads with two targets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import inf
from typing import Any, NamedTuple

from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.scope import Level
from switchwise.nouns.target import Target
from switchwise.nouns.view import View
from switchwise.prompt_cache.ledger import COLD, PROCESS, Expectation, Ledger
from switchwise.prompt_cache.rules import CacheRules
from switchwise.state.codec import mapping, table_rows
from switchwise.state.forking import rlock
from switchwise.state.in_process import InProcess
from switchwise.state.store import Store
from switchwise.switching.forecast import PRIORS, CallPriors
from switchwise.switching.plan import Choice, Standing
from switchwise.switching.planner import PLAN, Planner
from switchwise.switching.target_rules import TargetRule, TargetRules
from switchwise.switching.thread_state import NEW, ThreadState, checked, without_digests

VERSION = 4
"""Version of the state from `Advisor.dump`."""
_WHAT = "state of the advisor"
_AGENT = Level.AGENT  # a look-up in the enumeration takes ten times as long
_BROKEN = 0.5  # a prompt that shares less than this with the previous one has lost its cache


class Advice(NamedTuple):
    """Which target should take a call.

    Parameters:
        home: name of the target of the thread's hard calls.
        values: name -> expected USD of the plan that begins with it; of the advised target, which comes first, minus infinity.
        mode: purpose of the decision: see `planner`.
        choices: name -> comparison with home.
        known: name -> rules of the target.
    """

    home: str
    values: Mapping[str, float]
    mode: str
    choices: Mapping[str, Choice]
    known: Mapping[str, TargetRule]


_advice = partial(tuple.__new__, Advice)  # half the time of its constructor


class Advisor:
    """The ledger and the planner of one router. Safe to use from many threads.

    Parameters:
        rules: how each model's cache works; None: the shipped table.
        priors: assumptions about the calls before any was observed.
        explore: share of runs of easy calls used to learn how many calls each target needs; see `Planner`.
        size: most threads kept; the least recently used one is evicted first.
        accounts: target -> account name: targets of one account and one model share a cache. Other targets have their own
            account.
        store: where the states of threads are kept; None: in this process.

    Raises:
        ConfigurationError: a number is out of range.
    """

    def __init__(
        self,
        rules: CacheRules | None = None,
        priors: CallPriors = PRIORS,
        *,
        explore: float = 0.0,
        size: int = 2_000,
        accounts: Mapping[str, str] | None = None,
        store: Store | None = None,
    ) -> None:
        self.targets = TargetRules(rules or CacheRules(), accounts or {})
        self.ledger = Ledger()
        self.planner = Planner(priors, explore=explore)
        self.size = size
        self.use_store(store or InProcess())
        self._lock = rlock()

    def use_store(self, store: Store) -> None:
        """Keep the states of threads in `store` from now on."""
        self._threads = store.table("Cheapest threads", self.size)

    def advise(self, view: View, targets: Sequence[Target], pool: Sequence[Target]) -> Advice | None:
        """Advise which of `targets` should take an easy call; None if no prompt cache is at stake. `pool`: all, strongest first."""
        prefix, now, tier = view.prefix, view.now, view.needs.tier
        assert prefix is not None, "checked by the caller"
        known: dict[str, TargetRule] = {}
        least, rule_of = inf, self.targets.of
        for target in targets:
            if (rule := rule_of(target, now, tier)) is not None:
                known[target.name] = rule
                if rule.least < least:
                    least = rule.least
        if least == inf or (view.tokens < least and view.tokens * self._most(known) < least):
            return None
        thread = self._thread(view)
        home = thread["home"]
        at_home = home in known
        if not at_home:
            strongest = _home(home, pool)
            assert strongest is not None, "one of the pool has a price"
            rule = rule_of(strongest, now, tier)
            assert rule is not None, "it has a price"
            home, at_home = strongest.name, strongest.name in known
            known[home] = rule
        standings: dict[str, Standing] = {}
        at_stake, rows, expect = thread["calls"] > 0, thread["prefixes"], self.ledger.expect
        for name, rule in known.items():
            found = expect(rows.get(rule.cache.account, ()), rule.cache, prefix, now)
            standings[name] = rule.rates, found
            at_stake = at_stake or found is not COLD
        if not at_stake:
            return None
        own, ratio = standings.pop(home), self.ledger.ratio(known[home].cache.model)
        prompt = float(view.tokens) if ratio is None else prefix.tokens * ratio
        draw = (view.seed & 0xFFFF_FFFF) / 0x1_0000_0000
        best, mode, choices = self.planner.decide(thread, view.scope.agent, prompt, own, standings, draw)
        values, stay = {}, inf if choices else 0.0
        for name, choice in choices.items():
            values[name] = choice.other
            stay = choice.home if choice.home < stay else stay
        if at_home:
            values[home], best = stay, best or home
        values[best or min(values, key=values.__getitem__)] = -inf
        return _advice((home, values, mode, choices, known))

    def expect(self, view: View, target: Target) -> Expectation:
        """Expected cache read of a call to `target`."""
        rule = self.targets.of(target, view.now, view.needs.tier)
        if rule is None or view.prefix is None:
            return COLD
        rows = self._thread(view)["prefixes"].get(rule.cache.account, ())
        return self.ledger.expect(rows, rule.cache, view.prefix, view.now)

    def learn(self, attempt: Attempt, *, easy: bool, mode: str = PLAN) -> None:
        """Learn an attempt. `easy`: several targets were acceptable; `mode`: of the followed advice."""
        call, now, reply = attempt.call, attempt.started, attempt.reply
        view, target, pool = call.view, call.target, call.shortlist.pool.targets
        prefix, tier, rule_of = view.prefix, view.needs.tier, self.targets.of
        if reply is None or prefix is None or (rule := rule_of(target, now, tier)) is None:  # nothing reliable, or not compared
            return
        if not rule.listed.caches and not any(its.listed.caches for each in pool if (its := rule_of(each, now, tier))):
            return
        usage, key, account = reply.usage, view.scope.key(_AGENT), rule.cache.account
        with self._lock:
            before: ThreadState = self._threads.get(key) or NEW
            thread = before.copy() if before["process"] == PROCESS else without_digests(before)
            # Recorded only now: prompts of parallel calls under way are not assumed to be warm.
            found = self.ledger.record(thread["prefixes"].get(account, ()), rule.cache, prefix, now, usage)
            if found:
                thread["prefixes"] = {**thread["prefixes"], account: found}
            if usage is not None:
                self.targets.notice(target.name, rule.listed, usage)
                home = target if not easy else _home(thread["home"], pool) or target
                thread["home"], by = home.name, "" if home is target else target.name
                broken = prefix.kept < _BROKEN * thread["estimate"]
                prompt, output, agent = usage.input_tokens, usage.output_tokens, view.scope.agent
                self.planner.saw(thread, agent, now, prompt, output, easy=easy, broken=broken, by=by, mode=mode)
                thread["estimate"] = prefix.tokens
            self._threads.put(key, thread)

    def _thread(self, view: View) -> ThreadState:
        thread: ThreadState = self._threads.get(view.scope.key(_AGENT)) or NEW
        return thread if thread["process"] == PROCESS else without_digests(thread)

    def _most(self, known: Mapping[str, TargetRule]) -> float:
        return max([self.ledger.ratio(rule.cache.model) or 1.0 for rule in known.values()])

    def dump(self) -> dict[str, Any]:
        """Learned values and the states of threads with a session, as JSON types: about 1 kB per thread."""
        threads = [[list(key), value] for key, value in self._threads.items() if key[1] and value["calls"]]
        learnt = {"targets": self.targets.dump(), "ledger": self.ledger.dump(), "planner": self.planner.dump()}
        return {"version": VERSION, **learnt, "threads": threads}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`. Entries of removed targets are ignored.

        A cache counts as warm only if the continued thread begins with as many blocks of the same estimated length, and within
        its lifetime on the same clock.

        Raises:
            ConfigurationError: `state` is not a result of `dump` of this version; nothing is restored.
        """
        if mapping(state, _WHAT).get("version") != VERSION:
            raise ConfigurationError(f"{_WHAT}: version {state.get('version')!r} is not {VERSION}; start without that state")
        threads = table_rows(state, "threads", _WHAT, 3, checked, "a thread: tenant, session and agent, and its state")
        rehearsal = (TargetRules(self.targets.rules, {}), Ledger(), Planner(self.planner.forecast.priors))
        for targets, ledger, planner in (rehearsal, (self.targets, self.ledger, self.planner)):
            targets.load(mapping(state.get("targets", {}), _WHAT))
            ledger.load(mapping(state.get("ledger", {}), _WHAT))
            planner.load(mapping(state.get("planner", {}), _WHAT))
        for key, value in threads:
            self._threads.put(key, value)


def _home(name: str, pool: Sequence[Target]) -> Target | None:
    """The target of that name if it has a price, else the strongest with a price."""
    priced = [target for target in pool if target.price is not None]
    return next((target for target in priced if target.name == name), priced[0] if priced else None)
