"""Prompt caches by the published rules of Anthropic and OpenAI.

|                 | Anthropic                                 | OpenAI before 5.6        | OpenAI 5.6 and later           |
|-----------------|-------------------------------------------|--------------------------|--------------------------------|
| what is written | the prefix up to each marked block        | every 128-token page     | latest and marked blocks (4)   |
| what is found   | an entry at one of the 20 positions that  | the longest run of pages | the longest entry              |
|                 | end with a marked block                   |                          |                                |
| smallest prefix | 512 - 4096 tokens by model                | 1024                     | 1024                           |
| lifetime (s)    | 300 or 3600, renewed by a hit             | 300, or 86400 on request | 1800                           |

Rules:
1. A cache belongs to one API key and one model. Its clock runs from the start of the request.
2. An entry can be read only once the response that wrote it has begun: parallel first calls are all cold.
3. `Prompt.settings` of a section are part of the prefix from that section on.
4. Below the smallest prefix a marker is silently ignored.
5. The lifetime of OpenAI's older caches is published as 5 to 10 minutes; here it is the least.

Source: prompt-caching documentation of both providers, as of 2026-11.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from ..nouns.prompt import Prompt
from ..nouns.tokens import CHARS

LOOKBACK = 20
SECTIONS = ("tools", "system", "messages")


@dataclass(frozen=True, slots=True)
class CacheRule:
    """How the cache of a model works.

    Parameters:
        minimum: tokens of the smallest prefix that is cached.
        automatic: whether prefixes are cached without being marked.
        exact: whether entries end at block boundaries; else they are pages of `page` tokens.
        ttl: lifetime in seconds of entries that do not name one.
    """

    minimum: int = 1024
    automatic: bool = False
    exact: bool = True
    ttl: int = 300
    page: int = 128


_CLAUDE = CacheRule(1024)
_PAGED = CacheRule(1024, automatic=True, exact=False, ttl=300)
_EXACT = CacheRule(1024, automatic=True, exact=True, ttl=1800)

RULES: Mapping[str, CacheRule] = {
    # beginning of the model name: its rule; the longest beginning wins
    "": _PAGED,
    "claude": _CLAUDE,
    "claude-fable-5": CacheRule(512),
    "claude-mythos-5": CacheRule(512),
    "claude-opus-5": CacheRule(512),
    "claude-sonnet-5": CacheRule(1024),
    "claude-sonnet-5-5": CacheRule(512),
    "claude-haiku-5": CacheRule(512),
    "claude-sonnet-4": CacheRule(1024),
    "claude-opus-4": CacheRule(1024),
    "claude-opus-4-5": CacheRule(4096),
    "claude-opus-4-6": CacheRule(4096),
    "claude-opus-4-7": CacheRule(2048),
    "claude-opus-4-8": CacheRule(1024),
    "claude-haiku-4-5": CacheRule(4096),
    "gpt-5.6": _EXACT,
    "gpt-5.7": _EXACT,
    "gpt-5.8": _EXACT,
    "gpt-5.9": _EXACT,
    "gpt-6": _EXACT,
    "gpt-7": _EXACT,
}


def rule_for(model: str, rules: Mapping[str, CacheRule] = RULES) -> CacheRule:
    """The rule of a model: that of the longest beginning of its name.

    >>> rule_for("claude-haiku-4-5-20251001").minimum, rule_for("gpt-5.6-sol").exact
    (4096, True)
    """
    return rules[max((name for name in rules if model.startswith(name)), key=len)]


@dataclass(slots=True)
class _Entry:
    expires: float
    ttl: int


@dataclass(frozen=True, slots=True)
class Ticket:
    """What one request reads and will write. Tokens."""

    read: int = 0
    write_5m: int = 0
    write_1h: int = 0
    started: float = 0.0
    pending: tuple[tuple[bytes, int], ...] = ()


@dataclass
class PromptCache:
    """The caches of all keys and models of one server. Thread-safe; `clock` gives seconds."""

    clock: Callable[[], float]
    rules: Mapping[str, CacheRule] = field(default_factory=lambda: RULES)
    _entries: dict[bytes, _Entry] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def begin(self, provider: str, key: str, model: str, prompt: Prompt, body: Mapping[str, Any]) -> Ticket:
        """Look up the prompt at the start of a request, renew the entry hit, and return what it will write."""
        rule = rule_for(model, self.rules)
        with self._lock:
            now = self.clock()
            if provider == "anthropic":
                return self._marked(now, key, prompt, rule)
            if rule.exact:
                return self._boundaries(now, key, prompt, rule, body.get("prompt_cache_options") or {})
            ttl = 86400 if body.get("prompt_cache_retention") == "24h" else rule.ttl
            return self._pages(now, key, prompt, rule, ttl)

    def commit(self, ticket: Ticket) -> None:
        """Make the entries of a response readable: it has begun."""
        with self._lock:
            for digest, ttl in ticket.pending:
                old = self._entries.get(digest)
                expires = ticket.started + ttl
                if old is None or old.expires < expires:
                    self._entries[digest] = _Entry(expires, ttl)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def _marked(self, now: float, key: str, prompt: Prompt, rule: CacheRule) -> Ticket:
        chain, ends = list(_chain(key, prompt)), list(accumulate(block.tokens for block in prompt.blocks))
        marks = [at for at, block in enumerate(prompt.blocks) if block.ttl is not None]
        best = -1
        for mark in marks:
            best = max(best, next((at for at in range(mark, max(mark - LOOKBACK, -1), -1) if self._live(chain[at], now)), -1))
        self._renew(chain[: best + 1], now)
        read = ends[best] if best >= 0 else 0
        fresh = [at for at in marks if at > best and ends[at] >= rule.minimum]
        long = max((ends[at] for at in fresh if prompt.blocks[at].ttl == 3600), default=read)
        last = max((ends[at] for at in fresh), default=read)
        pending = tuple((chain[at], prompt.blocks[at].ttl or rule.ttl) for at in fresh)
        return Ticket(read, max(0, last - long), long - read, now, pending)

    def _boundaries(self, now: float, key: str, prompt: Prompt, rule: CacheRule, options: Mapping[str, Any]) -> Ticket:
        chain, ends = list(_chain(key, prompt)), list(accumulate(block.tokens for block in prompt.blocks))
        marks = [at for at, block in enumerate(prompt.blocks) if block.ttl is not None]
        if options.get("mode") == "explicit":
            writes = marks[-4:]
            if not marks:
                return Ticket(started=now)
        else:
            writes = [*marks[-3:], len(chain) - 1]
        best = next((at for at in range(len(chain) - 1, -1, -1) if self._live(chain[at], now)), -1)
        self._renew(chain[: best + 1], now)
        read = ends[best] if best >= 0 else 0
        fresh = sorted({at for at in writes if at > best and ends[at] >= rule.minimum})
        written = ends[fresh[-1]] - read if fresh else 0
        return Ticket(read, written, 0, now, tuple((chain[at], rule.ttl) for at in fresh))

    def _pages(self, now: float, key: str, prompt: Prompt, rule: CacheRule, ttl: int) -> Ticket:
        pages = list(_pages(key, prompt, rule.page))
        hits = next((at for at, page in enumerate(pages) if not self._live(page, now)), len(pages))
        read = hits * rule.page
        self._renew(pages[:hits], now)
        worth = prompt.tokens >= rule.minimum
        return Ticket(read if read >= rule.minimum else 0, 0, 0, now, tuple((page, ttl) for page in pages) if worth else ())

    def _live(self, digest: bytes, now: float) -> bool:
        entry = self._entries.get(digest)
        return entry is not None and now < entry.expires

    def _renew(self, digests: list[bytes], now: float) -> None:
        for digest in digests:
            entry = self._entries.get(digest)
            if entry is not None and now < entry.expires:
                entry.expires = now + entry.ttl


def _chain(key: str, prompt: Prompt) -> Iterator[bytes]:
    """The digest of the prefix that ends with each block."""
    digest, section = hashlib.sha256(key.encode()).digest(), -1
    for block in prompt.blocks:
        while section < SECTIONS.index(block.section):
            section += 1
            digest = hashlib.sha256(digest + prompt.settings.get(SECTIONS[section], "").encode()).digest()
        digest = hashlib.sha256(digest + block.text.encode()).digest()
        yield digest


def _pages(key: str, prompt: Prompt, page: int) -> Iterator[bytes]:
    """The digest of the prefix that ends with each whole page."""
    front = hashlib.sha256("".join([key, *prompt.settings.values()]).encode()).digest()
    before, due = 0, page
    for block in prompt.blocks:
        while due <= before + block.tokens:
            begun = block.text[: (due - before) * CHARS]
            yield hashlib.sha256(front + begun.encode()).digest()
            due += page
        front = hashlib.sha256(front + block.text.encode()).digest()
        before += block.tokens
