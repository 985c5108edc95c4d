"""What each provider still has cached of each conversation, as far as that can be known from here.

Per account, model and thread it keeps the few prefixes that were written last: how many blocks, the digest there, the tokens the
provider counted, and when they were used. A new call is looked up as the provider would look it up; the reply's usage corrects
what was believed: counted tokens, the ratio of counted to estimated tokens, and how often a promised hit comes true.

Rules
1. The clock of a prefix runs from the start of the request that wrote or read it.
2. A prefix is pending until the response that writes it has begun: parallel first calls are all cold.
3. Unknown is not zero: a reply without cache fields teaches nothing.
4. What stands before the messages is shared by all threads of an account that render it the same way.

Memory: at most `size` threads, with at most 8 prefixes of 0.2 kB for each model that was called in them: about 2 kB for each model,
beside the chain (20 bytes a block) that the reader of the conversation keeps.

Source: prompt-caching documentation of Anthropic and OpenAI; the survival of entries was measured, see `survival`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fairlead.caching.rules import CacheRule
from fairlead.caching.survival import survival
from fairlead.chain import Chain, Change
from fairlead.usage import Usage

_MOST = 8  # prefixes of one model in one thread; Anthropic takes 4 marks, so these are the last two calls' at least
_SHARED = 256  # fronts of one account and model
_USUAL = 0.3  # weight of the newest call in the running ratio of counted to estimated tokens
_HITS = 20.0  # promised hits that the prior of the hit rate counts like


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


@dataclass(slots=True)
class _Prefix:
    blocks: int
    digest: int
    tokens: float
    at: float
    pending: bool
    generation: int


@dataclass(slots=True)
class _Account:
    """One account and model: what holds for all its threads."""

    ratio: float = 1.0
    counted: bool = False
    promised: float = _HITS
    kept: float = _HITS
    fronts: OrderedDict[int, _Prefix] = field(default_factory=OrderedDict)


class Open(NamedTuple):
    """A call that is under way: give it back to `begun`, `ended` or `failed`."""

    account: Hashable
    thread: Hashable
    written: tuple[_Prefix, ...]
    read: _Prefix | None
    expected: Expectation
    estimate: int


class Ledger:
    """What is cached where. Safe to use from many threads.

    Parameters:
        size: how many threads are remembered; the least recently used one is forgotten first.
    """

    def __init__(self, size: int = 2_000) -> None:
        self._size = size
        self._threads: OrderedDict[Hashable, dict[Hashable, list[_Prefix]]] = OrderedDict()
        self._accounts: dict[Hashable, _Account] = {}
        self._lock = threading.Lock()

    def expect(
        self, account: Hashable, rule: CacheRule, thread: Hashable, chain: Chain, now: float, marks: Sequence[int] | None = None
    ) -> Expectation:
        """What a call made now would find. Changes nothing.

        Parameters:
            account: account, provider, endpoint and model together: whatever has a cache of its own.
            rule: how that model's cache works.
            thread: the conversation.
            chain: its blocks.
            now: seconds.
            marks: numbers of blocks at which the request marks a prefix to be kept; None: at its end.
        """
        with self._lock:
            return self._look(account, rule, thread, chain, now, marks)[0]

    def start(
        self, account: Hashable, rule: CacheRule, thread: Hashable, chain: Chain, now: float, marks: Sequence[int] | None = None
    ) -> Open:
        """A call is being made: what it will write is pending from now on. Parameters as of `expect`."""
        with self._lock:
            expected, found = self._look(account, rule, thread, chain, now, marks)
            if found is not None:
                self._renew(account, thread, chain, found, now)
            if not rule.caches or (rule.mode == "marked" and marks is not None and not marks):
                return Open(account, thread, (), found, expected, chain.tokens)
            ends = list(marks) if marks is not None and (rule.mode == "marked" or not rule.step) else []
            if rule.mode == "automatic" or marks is None:
                ends.append(len(chain))
            ratio = self._account(account).ratio
            written = tuple(
                _Prefix(end, chain.digest(end), chain.end(end) * ratio, now, True, chain.generation)
                for end in sorted(set(ends))
                if found is None or end > found.blocks
            )
            kept = self._thread(thread).setdefault(account, [])
            kept.extend(written)
            del kept[:-_MOST]
            if (rule.step or chain.front() in ends) and (front := self._front(account, chain, now)) is not None:
                written = (front, *written)
            return Open(account, thread, written, found, expected, chain.tokens)

    def begun(self, call: Open) -> None:
        """Its response has begun: what it wrote can be read."""
        with self._lock:
            for prefix in call.written:
                prefix.pending = False

    def ended(self, call: Open, usage: Usage | None) -> None:
        """Its reply is complete: learn from what was counted."""
        self.begun(call)
        if usage is None:
            return
        with self._lock:
            account = self._account(call.account)
            if call.estimate:
                ratio = usage.input_tokens / call.estimate
                account.ratio += (_USUAL if account.counted else 1.0) * (ratio - account.ratio)
                account.counted = True
            if usage.cache_read_tokens is None:
                return
            read = usage.cache_read_tokens
            wrote = (usage.cache_write_tokens or 0) + (usage.cache_write_1h_tokens or 0)
            if call.expected.tokens and call.expected.chance >= 0.5:
                account.promised += 1
                account.kept += min(1.0, read / call.expected.tokens)
            if call.read is not None and read:
                call.read.tokens = read
            elif call.read is not None:  # it was not there: nobody must count on it again
                call.read.at = float("-inf")
            if call.written:
                last = call.written[-1]
                last.tokens = read + wrote if wrote else usage.input_tokens
                for prefix in call.written[:-1]:
                    prefix.tokens = min(prefix.tokens, last.tokens)

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
        found = self._accounts.get(account)
        return found.ratio if found is not None and found.counted else None

    def _look(
        self, account: Hashable, rule: CacheRule, thread: Hashable, chain: Chain, now: float, marks: Sequence[int] | None
    ) -> tuple[Expectation, _Prefix | None]:
        if not rule.caches:
            return Expectation(0, 0.0, float("inf"), "not cached" if rule.known else "not known"), None
        state = self._accounts.get(account)
        candidates = self._threads.get(thread, {}).get(account, ())
        best: _Prefix | None = None
        why = ""
        generation = chain.generation
        for prefix in reversed(candidates):  # the longest stand last, but for edits
            if best is None and prefix.generation == generation and not (prefix.pending or rule.lookback):
                alive = now - prefix.at <= rule.ttl
                if alive:  # nothing but growth since it was written: by far the most frequent
                    best = prefix
                    break
            if best is None or prefix.blocks > best.blocks:
                best, why = _better(best, prefix, why, rule, chain, now, marks)
        if best is None and state is not None and state.fronts:
            front = state.fronts.get(chain.digest(chain.front()))
            if front is not None:
                best, why = _better(best, front, why, rule, chain, now, marks)
        if rule.step and chain.generation:
            best = self._agreed(best, candidates, chain, rule, now, state.ratio if state is not None else 1.0)
        if best is None:
            change = chain.change
            if change is Change.APPEND:
                because = why or (_told(change) if candidates else Change.FIRST.value)
            else:
                because = why if why == "pending" else _told(change)
            return Expectation(0, 0.0, float("inf"), because), None
        tokens = rule.whole(best.tokens)
        if not tokens:
            because = _told(chain.change) if chain.change not in (Change.APPEND, Change.FIRST) else "below minimum"
            return Expectation(0, 0.0, now - best.at, because), best
        age = now - best.at
        rate = state.kept / state.promised if state is not None else 1.0
        if age > 0.8 * rule.ttl:
            rate *= survival(age, rule.ttl, rule.gone)
        return Expectation(tokens, rate, age, chain.change or Change.FIRST), best

    def _agreed(
        self, best: _Prefix | None, candidates: Sequence[_Prefix], chain: Chain, rule: CacheRule, now: float, ratio: float
    ) -> _Prefix | None:
        """Pages are found as far as two prompts agree, not only where one of them ended."""
        for prefix in candidates:
            blocks = min(prefix.blocks, chain.since(prefix.generation))
            if prefix.pending or blocks == prefix.blocks or survival(now - prefix.at, rule.ttl, rule.gone) <= 0.0:
                continue
            if blocks and (best is None or blocks > best.blocks):
                base, start = (best.tokens, best.blocks) if best is not None else (0.0, 0)
                tokens = base + (chain.end(blocks) - chain.end(start)) * ratio
                best = _Prefix(blocks, chain.digest(blocks), tokens, prefix.at, False, chain.generation)
        return best

    def _renew(self, account: Hashable, thread: Hashable, chain: Chain, found: _Prefix, now: float) -> None:
        for prefix in self._threads.get(thread, {}).get(account, ()):
            if prefix.blocks <= found.blocks and chain.digest(prefix.blocks) == prefix.digest and not prefix.pending:
                prefix.at = now
        found.at = now

    def _front(self, account: Hashable, chain: Chain, now: float) -> _Prefix | None:
        state = self._account(account)
        blocks = chain.front()
        digest = chain.digest(blocks)
        known = state.fronts.get(digest)
        if known is not None:
            known.at = now
            state.fronts.move_to_end(digest)
        if known is not None or not digest:
            return None
        state.fronts[digest] = _Prefix(blocks, digest, chain.end(blocks) * state.ratio, now, True, chain.generation)
        if len(state.fronts) > _SHARED:
            state.fronts.popitem(last=False)
        return state.fronts[digest]

    def _account(self, account: Hashable) -> _Account:
        return self._accounts.setdefault(account, _Account())

    def _thread(self, thread: Hashable) -> dict[Hashable, list[_Prefix]]:
        found = self._threads.get(thread)
        if found is None:
            found = self._threads[thread] = {}
            if len(self._threads) > self._size:
                self._threads.popitem(last=False)
        else:
            self._threads.move_to_end(thread)
        return found


def _told(change: Change | None) -> str:
    return str(change or Change.FIRST)


def _better(
    best: _Prefix | None, prefix: _Prefix, why: str, rule: CacheRule, chain: Chain, now: float, marks: Sequence[int] | None
) -> tuple[_Prefix | None, str]:
    """`prefix`, if it is part of the prompt and alive; else what was the best, and why not this one."""
    blocks = prefix.blocks
    if chain.digest(blocks) != prefix.digest or (rule.lookback and not _in_reach(blocks, len(chain), rule, marks)):
        return best, why
    if prefix.pending:
        return best, why or "pending"
    if now - prefix.at > rule.ttl and survival(now - prefix.at, rule.ttl, rule.gone) <= 0.0:
        return best, "lapsed"
    return prefix, why


def _in_reach(blocks: int, length: int, rule: CacheRule, marks: Sequence[int] | None) -> bool:
    ends = (length,) if marks is None else marks
    return any(0 <= end - blocks < rule.lookback for end in ends)
