"""What each provider still has cached of each conversation, as far as that can be known from here.

Per account, model and thread it keeps the few prefixes that were written last: how many blocks, the digest there, the tokens the
provider counted, and when they were used. A new call is looked up as the provider would look it up; the reply's usage corrects
what was believed: counted tokens, the ratio of counted to estimated tokens, and how often a promised hit comes true.

Rules:
1. The clock of a prefix runs from the start of the request that wrote or read it.
2. A prefix is pending until the response that writes it has begun: parallel first calls are all cold.
3. Unknown is not zero: a reply without cache fields teaches nothing.
4. What stands before the messages is shared by all threads of an account that render it the same way.
5. Caches belong to an account; how many tokens a text counts belongs to the model, whoever serves it.

Memory: at most `size` threads, with at most 16 prefixes of 0.2 kB for each model that was called in them: about 3 kB for each model,
beside the chain (20 bytes a block) that the reader of the conversation keeps.

Source: prompt-caching documentation of Anthropic and OpenAI; the survival of entries was measured, see `survival`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.prompt_prefix import Change, PromptPrefix
from switchwise.nouns.usage import Usage
from switchwise.prompt_cache.accounts import Account, AccountState, Count, dump_accounts, front_of, model_of, read_accounts
from switchwise.prompt_cache.prefixes import Prefix, agreed, better, in_reach, renew
from switchwise.prompt_cache.rules import CacheRule
from switchwise.prompt_cache.survival import survival

_MOST = 16  # prefixes of one model in one thread: those of the last calls, which an edit may fall back to
_USUAL = 0.3  # weight of the newest call in the running ratio of counted to estimated tokens
_PART = 0.5  # of the estimate: where a reply is silent about the cache and counts less than that, it left the cached part out


class Expectation(NamedTuple):
    """What a call will probably find.

    Parameters:
        tokens: leading tokens of the prompt that it reads, if they are there; in the provider's own count.
        chance: probability that they are.
        age: seconds since they were used last.
        because: why not more: the change of the conversation, `lapsed`, `pending`, `not known` or `below minimum`.
    """

    tokens: int
    chance: float
    age: float
    because: str

    @property
    def likely(self) -> int:
        """The single most likely number of tokens read."""
        return self.tokens if self.chance >= 0.5 else 0


class Open(NamedTuple):
    """A call that is under way: give it back to `begun`, `ended` or `failed`."""

    account: Hashable
    thread: Hashable
    written: tuple[Prefix, ...]
    read: Prefix | None
    rule: CacheRule
    expected: Expectation
    estimate: int


_INFINITE = float("inf")
_NOT_CACHED = Expectation(0, 0.0, _INFINITE, "not cached")
_NOT_KNOWN = Expectation(0, 0.0, _INFINITE, "not known")
_COLD = {change: Expectation(0, 0.0, _INFINITE, Change.FIRST if change is Change.APPEND else change) for change in Change}
_NONE: Mapping[Hashable, Sequence[Prefix]] = {}


class Ledger:
    """What is cached where. Safe to use from many threads.

    Parameters:
        size: how many threads are remembered; the least recently used one is forgotten first.
    """

    def __init__(self, size: int = 2_000) -> None:
        self._size = size
        self._threads: OrderedDict[Hashable, dict[Hashable, list[Prefix]]] = OrderedDict()
        self._accounts: dict[Hashable, AccountState] = {}
        self._counts: dict[Hashable, Count] = {}
        self._lock = threading.Lock()

    def expect(
        self,
        account: Hashable,
        rule: CacheRule,
        thread: Hashable,
        chain: PromptPrefix,
        now: float,
        marks: Sequence[int] | None = None,
    ) -> Expectation:
        """What a call made now would find. Changes nothing.

        Parameters:
            account: account, provider, endpoint and model together: whatever has a cache of its own. An `Account` shares what is learnt of
                its model's way of counting.
            rule: how that model's cache works.
            thread: the conversation.
            chain: its blocks.
            now: seconds.
            marks: numbers of blocks at which the request marks a prefix to be kept; None: at its end.
        """
        with self._lock:
            return self._look(account, rule, self._threads.get(thread, _NONE), chain, now, marks)[0]

    def expect_each(
        self, accounts: Iterable[tuple[Hashable, CacheRule]], thread: Hashable, chain: PromptPrefix, now: float
    ) -> list[Expectation]:
        """As `expect`, for several accounts at once."""
        with self._lock:
            kept = self._threads.get(thread, _NONE)
            return [self._look(account, rule, kept, chain, now, None)[0] for account, rule in accounts]

    def start(
        self,
        account: Hashable,
        rule: CacheRule,
        thread: Hashable,
        chain: PromptPrefix,
        now: float,
        marks: Sequence[int] | None = None,
    ) -> Open:
        """A call is being made: what it will write is pending from now on. Parameters as of `expect`."""
        with self._lock:
            return self._start(account, rule, thread, chain, now, marks, True)

    def took(
        self, account: Hashable, rule: CacheRule, thread: Hashable, chain: PromptPrefix, now: float, usage: Usage | None
    ) -> Expectation:
        """A call that began at `now` has its reply: `start` and `ended` in one step; what had been expected of it."""
        with self._lock:
            call = self._start(account, rule, thread, chain, now, None, False)
            if usage is not None:
                self._count(call, usage)
            return call.expected

    def begun(self, call: Open) -> None:
        """Its response has begun: what it wrote can be read."""
        with self._lock:
            for prefix in call.written:
                prefix.pending = False

    def ended(self, call: Open, usage: Usage | None) -> None:
        """Its reply is complete: learn from what was counted."""
        with self._lock:
            for prefix in call.written:
                prefix.pending = False
            if usage is not None:
                self._count(call, usage)

    def failed(self, call: Open) -> None:
        """It gave no reply: it wrote nothing."""
        with self._lock:
            kept = self._threads.get(call.thread, {}).get(call.account, [])
            kept[:] = [prefix for prefix in kept if prefix not in call.written]
            for prefix in call.written:
                self._account(call.account).fronts.pop(prefix.digest, None)

    def hit_rate(self, account: Hashable) -> float:
        """How many of the promised tokens were read, lately."""
        found = self._accounts.get(account)
        return found.kept / found.promised if found else 1.0

    def ratio(self, account: Hashable) -> float | None:
        """Counted over estimated tokens; None: nothing was counted yet."""
        found = self._counts.get(model_of(account))
        return found.ratio if found is not None and found.known else None

    def prefixes(self, thread: Hashable, chain: PromptPrefix) -> list[list[Any]]:
        """What is believed to be cached of a thread, as JSON types that tell blocks by their lengths: digests hold in this process only."""
        with self._lock:
            return [
                [list(account), prefix.blocks, chain.lengths(prefix.blocks), round(prefix.tokens), prefix.at]
                for account, kept in self._threads.get(thread, _NONE).items()
                if isinstance(account, Account)
                for prefix in kept[-2:]
                if not prefix.pending and prefix.at > float("-inf") and chain.digest(prefix.blocks) == prefix.digest
            ]

    def resume(self, thread: Hashable, chain: PromptPrefix, found: Iterable[Any]) -> None:
        """Take over what `prefixes` gave, as far as the thread begins with blocks of the same lengths.

        Raises:
            ConfigurationError: it is something else.
        """
        with self._lock:
            for row in found:
                match row:
                    case [
                        [str() as name, str() as provider, str() as model],
                        int() as blocks,
                        int() as lengths,
                        int() as tokens,
                        (int() | float()) as at,
                    ]:
                        if 0 < blocks <= len(chain) and chain.lengths(blocks) == lengths:
                            prefix = Prefix(blocks, chain.digest(blocks), tokens, at, False, chain.generation)
                            self._kept(thread).setdefault(Account(name, provider, model), []).append(prefix)
                    case _:
                        raise ConfigurationError(f"state of the ledger: {row!r:.80} is no prefix")

    def dump(self) -> dict[str, Any]:
        """What was learnt of models and accounts, as JSON types."""
        with self._lock:
            return dump_accounts(self._accounts, self._counts)

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `dump` gave.

        Raises:
            ConfigurationError: it is something else.
        """
        ratios, hits = read_accounts(state)
        with self._lock:
            for model, ratio in ratios.items():
                self._counts[model] = Count(ratio, True)
            for account, (promised, kept) in hits.items():
                found = self._account(account)
                found.promised, found.kept = promised, kept

    def _start(
        self,
        account: Hashable,
        rule: CacheRule,
        thread: Hashable,
        chain: PromptPrefix,
        now: float,
        marks: Sequence[int] | None,
        pending: bool,
    ) -> Open:
        threads = self._threads
        kept = threads.get(thread)
        expected, found = self._look(account, rule, kept or _NONE, chain, now, marks)
        tokens = chain.tokens
        if not rule.caches or (rule.mode == "marked" and marks is not None and not marks):
            return Open(account, thread, (), found, rule, expected, tokens)
        if kept is None:
            kept = self._kept(thread)
        else:
            threads.move_to_end(thread)
        mine = kept.get(account)
        if mine is None:
            mine = kept[account] = []
        if found is not None:
            renew(mine, chain, found, now)
        length, generation = len(chain), chain.generation
        ends = [length]
        if marks is not None:
            exact = rule.mode == "marked" or not rule.step
            ends = sorted({*(marks if exact else ()), *([length] if rule.mode == "automatic" else ())})
        state = self._account(account)
        ratio = state.count.ratio
        written = [
            Prefix(end, chain.digest(end), (tokens if end == length else chain.end(end)) * ratio, now, pending, generation)
            for end in ends
            if found is None or end > found.blocks
        ]
        mine.extend(written)
        del mine[:-_MOST]
        if (rule.step or chain.front() in ends) and (front := front_of(state, chain, now, pending)) is not None:
            written.insert(0, front)
        return Open(account, thread, tuple(written), found, rule, expected, tokens)

    def _kept(self, thread: Hashable) -> dict[Hashable, list[Prefix]]:
        found = self._threads.get(thread)
        if found is None:
            found = self._threads[thread] = {}
            if len(self._threads) > self._size:
                self._threads.popitem(last=False)
        return found

    def _count(self, call: Open, usage: Usage) -> None:
        account, read = self._account(call.account), usage.cache_read_tokens
        if call.estimate:
            ratio, count = usage.input_tokens / call.estimate, account.count
            if read is not None or ratio > _PART * count.ratio:
                count.ratio += (_USUAL if count.known else 1.0) * (ratio - count.ratio)
                count.known = True
        if read is None:
            if not call.rule.silent:
                return
            read = 0
        wrote = (usage.cache_write_tokens or 0) + (usage.cache_write_1h_tokens or 0)
        if call.expected.tokens and call.expected.chance >= 0.5 * account.kept / account.promised:
            account.hit(read / call.expected.tokens)
        if call.read is not None:
            if read:
                call.read.tokens = read
            else:  # it was not there: nobody must count on it again
                call.read.at = float("-inf")
        if call.written:
            last = call.written[-1]
            last.tokens = read + wrote if wrote else usage.input_tokens
            for prefix in call.written[:-1]:
                prefix.tokens = min(prefix.tokens, last.tokens)

    def _look(
        self,
        account: Hashable,
        rule: CacheRule,
        kept: Mapping[Hashable, Sequence[Prefix]],
        chain: PromptPrefix,
        now: float,
        marks: Sequence[int] | None,
    ) -> tuple[Expectation, Prefix | None]:
        if not rule.caches:
            return (_NOT_CACHED if rule.known else _NOT_KNOWN), None
        state, candidates = self._accounts.get(account), kept.get(account, ())
        if not candidates and (state is None or not state.fronts):
            return _COLD[chain.change or Change.FIRST], None
        best: Prefix | None = None
        why = ""
        generation = chain.generation
        for prefix in reversed(candidates):  # the longest stand last, but for edits
            if best is None and prefix.generation == generation and not prefix.pending and now - prefix.at <= rule.ttl:
                blocks = prefix.blocks
                if not rule.lookback or in_reach(blocks, len(chain), rule, marks):
                    best = prefix  # nothing but growth since it was written: by far the most frequent
                    break
            if best is None or prefix.blocks > best.blocks:
                best, why = better(best, prefix, why, rule, chain, now, marks)
        if best is None and state is not None and state.fronts:
            front = state.fronts.get(chain.digest(chain.front()))
            if front is not None:
                best, why = better(best, front, why, rule, chain, now, marks)
        if rule.step and generation and (best is None or best.generation != generation):
            best = agreed(best, candidates, chain, rule, now, state.count.ratio if state is not None else 1.0)
        change = chain.change or Change.FIRST
        if best is None:
            if change is Change.APPEND:
                because = why or (change if candidates else Change.FIRST)
            else:
                because = why if why == "pending" else change
            return Expectation(0, 0.0, _INFINITE, because), None
        tokens, age = rule.whole(best.tokens), now - best.at
        if not tokens:
            because = change if change not in (Change.APPEND, Change.FIRST) else "below minimum"
            return Expectation(0, 0.0, age, because), best
        rate = state.kept / state.promised if state is not None else 1.0
        if age > 0.8 * rule.ttl:
            rate *= survival(age, rule.ttl, rule.gone)
        return Expectation(tokens, rate, age, change), best

    def _account(self, account: Hashable) -> AccountState:
        found = self._accounts.get(account)
        if found is None:
            found = self._accounts[account] = AccountState(self._counts.setdefault(model_of(account), Count()))
        return found
