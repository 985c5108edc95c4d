"""Token usage of a call with one meaning for all providers, and the parser for every known form.

The shapes differ in what their numbers mean. OpenAI's prompt tokens include what was read from the cache, Anthropic's exclude what
was read and what was written; Gemini counts thoughts separately from the answer, most others within it; LangChain moves written tokens from one
field to two others. `_SHAPES` has one row per form, and `usage_of` reads them all.

Source: the SDKs openai 2.54, anthropic 2.10, google-genai 2.34 and botocore 1.44, langchain-core 1.7, documentation of DeepSeek, Moonshot,
xAI, Mistral and OpenRouter, as of 2026-11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from math import inf
from typing import Any, NamedTuple

from switchwise.nouns.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, with one meaning for all providers. Unknown counts are None, never zero.

    Parameters:
        input_tokens: the whole prompt, cached parts included (Anthropic's `input_tokens` excludes them: add them up).
        output_tokens: the whole answer, reasoning included.
        cache_read_tokens: part of the prompt that was read from the provider's cache.
        cache_write_tokens: part of the prompt that was written to it with the default lifetime.
        cache_write_1h_tokens: part that was written with the long lifetime.
        reasoning_tokens: part of the answer that was reasoning.
        tier: the service tier that served it, by the provider's name (`flex`, `priority`, `batch`); empty if standard or unknown.
        cost: USD, if the provider reports the charge.
    """

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    tier: str = field(default="", compare=False)
    cost: float | None = field(default=None, compare=False)


# Where a count is: the column of `_COLUMNS`, the name of a field, that of a nested field, and whether it is added to those before it.
_Place = tuple[int, str, str, bool]
_Fields = Callable[[str], Any]
_COLUMNS = ("input", "output", "read", "written", "short", "long", "reasoning", "total")


class _Shape(NamedTuple):
    """Field names of one form of usage. Each column is `"a + b"` (sum) or `"a | b.c"` (the first present).

    Parameters:
        identified_by: any of these fields identifies the form.
        places: where the columns are; `written` is the total written, `short` and `long` its split by lifetime.
        apart: `input` excludes what was read and what was written.
    """

    identified_by: tuple[str, ...]
    places: tuple[_Place, ...]
    apart: bool


def _shape(identified_by: str, *, apart: bool = False, **columns: str) -> _Shape:
    places: list[_Place] = []
    for column, text in columns.items():
        adds = "+" in text
        for name in text.replace("+", "|").split("|"):
            outer, _, inner = name.strip().partition(".")
            places.append((_COLUMNS.index(column), outer, inner, adds))
    return _Shape(tuple(identified_by.split(" | ")), tuple(places), apart)


_MESSAGES = _shape(
    "cache_read_input_tokens | cache_creation_input_tokens | cache_creation | iterations",
    input="input_tokens",
    output="output_tokens",
    read="cache_read_input_tokens",
    written="cache_creation_input_tokens",
    short="cache_creation.ephemeral_5m_input_tokens",
    long="cache_creation.ephemeral_1h_input_tokens",
    reasoning="output_tokens_details.thinking_tokens",
    apart=True,
)
# The order matters: LiteLLM reports Claude as Chat with some of Anthropic's fields.
_SHAPES = (
    _shape(  # OpenAI Chat; DeepSeek, Moonshot, xAI, Mistral, OpenRouter and LiteLLM, with additional fields
        "prompt_tokens",
        input="prompt_tokens",
        output="completion_tokens",
        read="prompt_tokens_details.cached_tokens | prompt_cache_hit_tokens | cached_tokens | cache_read_input_tokens",
        written="prompt_tokens_details.cache_write_tokens | cache_creation_input_tokens",
        reasoning="completion_tokens_details.reasoning_tokens | reasoning_tokens",
        total="total_tokens",
    ),
    _shape(  # LangChain's `usage_metadata`; the keys may be prefixed with OpenAI's service tier
        "input_token_details | output_token_details",
        input="input_tokens",
        output="output_tokens",
        read="input_token_details.cache_read | input_token_details.priority_cache_read | input_token_details.flex_cache_read",
        written="input_token_details.cache_creation | input_token_details.priority_cache_creation"
        " | input_token_details.flex_cache_creation",
        short="input_token_details.ephemeral_5m_input_tokens",
        long="input_token_details.ephemeral_1h_input_tokens",
        reasoning="output_token_details.reasoning | output_token_details.priority_reasoning"
        " | output_token_details.flex_reasoning",
        total="total_tokens",
    ),
    _MESSAGES,
    _shape(  # OpenAI Responses
        "input_tokens_details | total_tokens",
        input="input_tokens",
        output="output_tokens",
        read="input_tokens_details.cached_tokens",
        written="input_tokens_details.cache_write_tokens",
        reasoning="output_tokens_details.reasoning_tokens",
        total="total_tokens",
    ),
    _MESSAGES._replace(identified_by=("input_tokens",)),
    _shape(  # Gemini's JSON
        "promptTokenCount",
        input="promptTokenCount + toolUsePromptTokenCount",
        output="candidatesTokenCount + thoughtsTokenCount",
        read="cachedContentTokenCount",
        reasoning="thoughtsTokenCount",
    ),
    _shape(  # and Google's SDK
        "prompt_token_count",
        input="prompt_token_count + tool_use_prompt_token_count",
        output="candidates_token_count + thoughts_token_count",
        read="cached_content_token_count",
        reasoning="thoughts_token_count",
    ),
    _shape(  # Bedrock Converse, and Nova by InvokeModel
        "inputTokens",
        input="inputTokens",
        output="outputTokens",
        read="cacheReadInputTokens | cacheReadInputTokenCount",
        written="cacheWriteInputTokens | cacheWriteInputTokenCount",
        long="cacheDetails",
        apart=True,
    ),
)
# Where an answer, or a stream event, holds its usage. In Kimi's streams it is in the choice.
_HOLDERS = ("usage", "usage_metadata", "usageMetadata", "response", "message", "metadata")
_DEPTH = 2
_TOTALS = frozenset(["prompt_tokens", "completion_tokens", "total_tokens"])


def usage_of(reported: object) -> Usage | None:
    """Parse the usage that a provider or framework reports, in any known form; None if it has none, or only zeros.

    Known are OpenAI's Chat Completions and Responses and compatible APIs (DeepSeek, Moonshot, xAI, Mistral, OpenRouter), Anthropic's
    Messages, Gemini, Bedrock's Converse, and LangChain's `usage_metadata`.

    Parameters:
        reported: the usage as a mapping or an SDK object; or the whole answer or stream event that holds it.

    >>> usage_of({"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 5}).input_tokens
    100
    >>> usage_of({"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 90}}).input_tokens
    100
    >>> usage_of({"usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 5, "thoughtsTokenCount": 20}}).output_tokens
    25
    """
    if type(reported) is dict and _TOTALS.issuperset(reported):  # all that local servers report: in a third of the time
        prompt, answer = reported.get("prompt_tokens"), reported.get("completion_tokens")
        if type(prompt) is type(answer) is int and prompt > 0 and reported.get("total_tokens") in (None, prompt + answer):
            return Usage(prompt, answer)
    return _find(reported, _DEPTH)


def _find(reported: object, depth: int) -> Usage | None:
    if reported is None or isinstance(reported, str):
        return None
    get = _fields(reported)
    for shape in _SHAPES:
        for name in shape.identified_by:
            if get(name) is not None:
                return _noted(get, _read(get, shape))
    if depth:
        for name in _HOLDERS:
            inner = get(name)
            if inner is not None and (usage := _find(inner, depth - 1)) is not None:
                return in_tier(usage, get("service_tier"))
        choices = get("choices")
        if isinstance(choices, list | tuple) and choices:
            return _find(_get(choices[0], "usage"), 0)
    return None


_USUAL = frozenset(["auto", "default", "standard", "standard_only", "on_demand"])
_NAMED, _PARTS = ("flex", "priority"), ("", "_cache_read", "_cache_creation")
_TICKS = 1e10  # of xAI, to the dollar


def in_tier(usage: Usage, tier: object) -> Usage:
    """Return the usage with the service tier that an answer names separately."""
    return usage if not isinstance(tier, str) or not tier or tier in _USUAL or usage.tier else replace(usage, tier=tier)


def _noted(get: _Fields, usage: Usage | None) -> Usage | None:
    """Return the usage with its tier and cost."""
    if usage is None:
        return None
    cost, ticks, tier = get("cost"), get("cost_in_usd_ticks"), get("service_tier")
    if type(ticks) is int:
        cost = ticks / _TICKS
    elif cost is not None and not isinstance(cost, int | float):  # Perplexity's
        cost = _get(cost, "total_cost")
    if cost is not None and isinstance(cost, int | float) and not isinstance(cost, bool) and 0 <= cost < inf:
        usage = replace(usage, cost=float(cost))
    if tier is None:
        if not (details := get("input_token_details")):
            return usage
        named = _fields(details)  # LangChain's: keys are prefixed with the tier
        tier = next((word for word in _NAMED if any(named(f"{word}{part}") is not None for part in _PARTS)), None)
    return in_tier(usage, tier)


def _read(get: _Fields, shape: _Shape) -> Usage | None:
    if shape.apart and (passes := get("iterations")):
        return _all_passes(get, shape, passes)
    prompt, answer, read, written, short, long, reasoning, total = _counts(get, shape)
    answer = answer or 0
    if not written and (short or long):  # LangChain reports zero here where it reports the split
        written = (short or 0) + (long or 0)
    if written and long:
        written -= long
    cached = (read or 0) + (written or 0) + (long or 0)
    if shape.apart or (prompt is not None and cached > prompt):  # parts that exceed the whole are not included in it
        prompt = (prompt or 0) + cached
    if not prompt:  # no prompt is empty: OpenAI reports zeros for a failed stream
        return None
    if total is not None and (rest := total - prompt - answer) > 0:
        if reasoning == rest or (reasoning is None and cached != rest):
            answer += rest  # xAI counts reasoning separately from the answer, but in the total
        elif cached == rest:
            prompt += rest
    return Usage(prompt, answer, read, written, long, reasoning)


def _counts(get: _Fields, shape: _Shape) -> list[int | None]:
    counts: list[int | None] = [None] * len(_COLUMNS)
    for column, name, inner, adds in shape.places:
        value = get(name)
        if value is None:
            continue
        before = counts[column]
        if before is not None and not adds:
            continue
        if inner:
            value = value.get(inner) if type(value) is dict else _get(value, inner)
        elif type(value) is list:
            value = _long_lived(value)
        if type(value) is int:
            counts[column] = value if before is None else before + value
    return counts


def _all_passes(get: _Fields, shape: _Shape, passes: Iterable[object]) -> Usage | None:
    """Sum the passes of an answer (compaction, an advisor, a fallback): all of them are paid."""
    read = [usage for each in passes if (usage := _read(_fields(each), shape)) is not None]
    if not read:
        return None
    reasoning = _counts(get, shape)[_COLUMNS.index("reasoning")]
    return Usage(
        sum(usage.input_tokens for usage in read),
        sum(usage.output_tokens for usage in read),
        _sum(usage.cache_read_tokens for usage in read),
        _sum(usage.cache_write_tokens for usage in read),
        _sum(usage.cache_write_1h_tokens for usage in read),
        _sum(usage.reasoning_tokens for usage in read) if reasoning is None else reasoning,
    )


def _long_lived(details: Iterable[object]) -> int:
    """Return the tokens written with the long lifetime, from Bedrock's `cacheDetails`."""
    counts = [_get(each, "inputTokens") for each in details if _get(each, "ttl") == "1h"]
    return sum(count for count in counts if isinstance(count, int))


def _fields(holder: object) -> _Fields:
    """Return a getter for fields of `holder`, None for missing ones; SDK objects are slow at missing attributes."""
    if type(holder) is dict:  # the most frequent case
        return holder.get
    if hasattr(type(holder), "__pydantic_fields__"):
        extra = getattr(holder, "__pydantic_extra__", None)
        return ({**extra, **vars(holder)} if extra else vars(holder)).get
    return holder.get if isinstance(holder, Mapping) else lambda name: getattr(holder, name, None)


def _get(holder: object, name: str) -> Any:
    return _fields(holder)(name)


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
