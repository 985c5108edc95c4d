"""Prefixes that a provider may still have, and which of them a prompt begins with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from switchwise.nouns.prompt_prefix import PromptPrefix
from switchwise.prompt_cache.rules import CacheRule
from switchwise.prompt_cache.survival import survival


@dataclass(slots=True)
class Prefix:
    """One prefix that was written.

    Parameters:
        blocks: how many.
        digest: tells them.
        tokens: in the provider's own count, as far as it is known.
        at: when it was used last, in seconds.
        pending: the response that writes it has not begun.
        generation: of the chain, when it was written: while that lasts, the chain begins with it.
    """

    blocks: int
    digest: int
    tokens: float
    at: float
    pending: bool
    generation: int


def agreed(
    best: Prefix | None, candidates: Sequence[Prefix], chain: PromptPrefix, rule: CacheRule, now: float, ratio: float
) -> Prefix | None:
    """Pages are found as far as two prompts agree, not only where one of them ended."""
    for prefix in candidates:
        blocks = min(prefix.blocks, chain.since(prefix.generation))
        if prefix.pending or blocks == prefix.blocks or survival(now - prefix.at, rule.ttl, rule.gone) <= 0.0:
            continue
        if blocks and (best is None or blocks > best.blocks):
            base, start = (best.tokens, best.blocks) if best is not None else (0.0, 0)
            tokens = base + (chain.end(blocks) - chain.end(start)) * ratio
            best = Prefix(blocks, chain.digest(blocks), tokens, prefix.at, False, chain.generation)
    return best


def renew(prefixes: Sequence[Prefix], chain: PromptPrefix, found: Prefix, now: float) -> None:
    """A call that found one has used all that are part of it."""
    generation = chain.generation
    for prefix in prefixes:
        if prefix.blocks > found.blocks or prefix.pending:
            continue
        if prefix.generation == generation or chain.digest(prefix.blocks) == prefix.digest:
            prefix.at = now
    found.at = now


def better(
    best: Prefix | None, prefix: Prefix, why: str, rule: CacheRule, chain: PromptPrefix, now: float, marks: Sequence[int] | None
) -> tuple[Prefix | None, str]:
    """`prefix`, if it is part of the prompt and alive; else what was the best, and why not this one."""
    blocks = prefix.blocks
    if chain.digest(blocks) != prefix.digest or (rule.lookback and not in_reach(blocks, len(chain), rule, marks)):
        return best, why
    if prefix.pending:
        return best, why or "pending"
    if now - prefix.at > rule.ttl and survival(now - prefix.at, rule.ttl, rule.gone) <= 0.0:
        return best, "lapsed"
    return prefix, why


def in_reach(blocks: int, length: int, rule: CacheRule, marks: Sequence[int] | None) -> bool:
    """Whether the provider looks for it: a mark stands not too far behind it."""
    ends = (length,) if marks is None else marks
    return any(0 <= end - blocks < rule.lookback for end in ends)
