"""What a call consumed, in one meaning for all providers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, in one meaning for all providers. Unknown is None, never zero.

    Parameters:
        input_tokens: the whole prompt, cached parts included (Anthropic's `input_tokens` excludes them: add them up).
        output_tokens: the whole answer, reasoning included.
        cache_read_tokens: part of the prompt that was read from the provider's cache.
        cache_write_tokens: part of the prompt that was written to it with the default lifetime.
        cache_write_1h_tokens: part that was written with the long lifetime.
        reasoning_tokens: part of the answer that was reasoning.
    """

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
