"""Settings of a call, in the words of the target that takes it: what it does not know is left out, what it calls otherwise is renamed.

| setting | what becomes of it |
|---|---|
| longest answer, stop sequences, effort, seed | the target's own word; Ollama's options |
| settings of one provider's client | left out for the others: the client would raise |
| settings of Chat Completions only | left out for Responses |
| `temperature`, `top_p`, `top_k` | left out where the model's profile says that it takes none, or while it thinks; at most 1 for Anthropic |
| a longest answer that would end within the thinking | longer by the thinking's budget |
| reasoning settings | left out for models that do not reason |
| `service_tier` | left out where its word is another provider's |
| JSON mode | Anthropic has none: another target must be asked |
| a conversation, prompt or servers of tools that one provider keeps or runs | another target must be asked |

Source: docs/design/portability.md; each row was refused by a provider or by its client.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_switchwise.models.dialect import Dialect
from langchain_switchwise.models.native import Native
from switchwise.nouns.errors import FailureKind, TargetError

_ANTHROPIC_ONLY = frozenset(
    """betas cache_control container diagnostics effort fallbacks inference_geo mcp_servers output_config speed thinking top_k
    user_profile_id""".split()
)
_CHAT_ONLY = frozenset(
    """audio frequency_penalty logit_bias logprobs modalities n prediction presence_penalty seed web_search_options""".split()
)
_OPENAI_ONLY = _CHAT_ONLY | frozenset(
    """conversation include max_tool_calls metadata previous_response_id prompt prompt_cache_key prompt_cache_options prompt_cache_retention
    reasoning safety_identifier service_tier store stream_options stream_usage text top_logprobs truncation user
    verbosity""".split()
)
_KEPT = {
    # settings without which a request says something else, and what they name; only a target of that provider can serve it
    **dict.fromkeys(["previous_response_id", "conversation", "prompt"], "what OpenAI keeps"),
    "mcp_servers": "what Anthropic calls",
}
_SHARED = frozenset(["metadata", "service_tier"])
"""Settings of OpenAI that Anthropic has too, with values of its own."""
_LONGEST = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_SAMPLING = frozenset(["temperature", "top_p", "top_k"])
_REASONING = frozenset(["reasoning", "reasoning_effort"])
_ELSEWHERE = frozenset(
    """additionalModelRequestFields cached_content candidate_count format generation_config guardrailConfig include_thoughts keep_alive
    num_ctx num_predict options performanceConfig prompt_mode random_seed reasoning_format response_mime_type response_modalities
    response_schema safe_prompt safety_settings session_id thinking_budget thinking_config thinking_level""".split()
)
_REFUSED = {
    Dialect.ANTHROPIC: _OPENAI_ONLY | _ELSEWHERE,
    Dialect.OPENAI_CHAT: _ANTHROPIC_ONLY | _ELSEWHERE,
    Dialect.OPENAI_RESPONSES: _ANTHROPIC_ONLY | _CHAT_ONLY | _ELSEWHERE,
    Dialect.OTHER: frozenset(["cache_control"]),
}
_KNOWN = (
    _ANTHROPIC_ONLY
    | _OPENAI_ONLY
    | _ELSEWHERE
    | _SAMPLING
    | _REASONING
    | frozenset(["context_management", "parallel_tool_calls"])
)
_TRANSPORT = frozenset(["extra_body", "extra_headers", "extra_query", "timeout"])
"""What the SDKs of OpenAI, Anthropic and their like take beside the request."""
_TAKES = {
    # of the settings above, what others take; a setting that none of these lists knows is passed on: it may be new
    Dialect.CHAT: frozenset(
        """frequency_penalty logit_bias logprobs n parallel_tool_calls presence_penalty reasoning_effort seed service_tier temperature
        top_logprobs top_p user""".split()
    ),
    Dialect.MISTRAL: frozenset(
        """frequency_penalty n parallel_tool_calls presence_penalty prompt_cache_key prompt_mode random_seed reasoning_effort
        safe_prompt temperature top_p""".split()
    ),
    Dialect.GEMINI: frozenset(
        """cached_content candidate_count frequency_penalty generation_config include_thoughts logprobs presence_penalty
        reasoning_effort response_mime_type response_modalities response_schema safety_settings seed service_tier temperature
        thinking_budget thinking_config thinking_level top_k top_p""".split()
    ),
    Dialect.BEDROCK: frozenset(
        """additionalModelRequestFields guardrailConfig performanceConfig reasoning_effort service_tier temperature top_p""".split()
    ),
    Dialect.OLLAMA: frozenset("""format keep_alive logprobs options reasoning top_logprobs""".split()),
    Dialect.COHERE: frozenset("""frequency_penalty logprobs presence_penalty seed temperature""".split()),
}
_TAKES_ALSO = {
    "fireworks": frozenset(["prompt_cache_key", "top_k"]),
    "groq": frozenset(["reasoning_format"]),
    "openrouter": frozenset(["reasoning", "session_id", "top_k"]),
}
_OWN_WORDS = {
    Dialect.MISTRAL: {"seed": "random_seed"},
    Dialect.GEMINI: dict.fromkeys(_LONGEST[:2], "max_output_tokens"),
    Dialect.COHERE: {"top_p": "p", "top_k": "k"},
}
_OPTIONS = {
    **dict.fromkeys(_LONGEST, "num_predict"),
    "num_ctx": "num_ctx",
    "num_predict": "num_predict",
    "seed": "seed",
} | {name: name for name in _SAMPLING}
"""What Ollama is told among its options, and how it is called there."""
_OLLAMA_HAS = """mirostat mirostat_eta mirostat_tau num_ctx num_gpu num_predict num_thread repeat_last_n repeat_penalty seed stop temperature
tfs_z top_k top_p""".split()
_THOUGHTS = "reasoning.encrypted_content"


def settings(native: Native, kwargs: dict[str, Any], tools: bool = False) -> dict[str, Any]:
    """The settings as the target takes them; the same object where nothing changes.

    Parameters:
        native: the target.
        kwargs: as the caller gave them.
        tools: tools are bound: some models then speak Responses.

    Raises:
        TargetError: it cannot do what is asked for.
    """
    if not kwargs:
        return kwargs
    dialect = native.dialect
    refused = _REFUSED.get(dialect, frozenset())
    if tools and native.responds_with_tools:
        refused |= _CHAT_ONLY
    if dialect is Dialect.OTHER:
        return kwargs if refused.isdisjoint(kwargs) else _without(kwargs, refused)
    profile: Mapping[str, Any] = native.model.profile or {}
    if dialect in _TAKES:
        return _theirs(native, kwargs, profile)
    if profile.get("temperature") is False:
        refused |= {name for name in _SAMPLING & kwargs.keys() if kwargs[name] != 1}
    if profile.get("reasoning_output") is False and dialect is not Dialect.ANTHROPIC:
        refused |= _REASONING
        if _THOUGHTS in (kwargs.get("include") or ()):
            kept = [name for name in kwargs["include"] if name != _THOUGHTS]
            kwargs = {**kwargs, "include": kept} if kept else _without(kwargs, frozenset(["include"]))
    if not refused.isdisjoint(kwargs):
        _check_kept(refused, kwargs, dialect)
        if dialect is Dialect.ANTHROPIC:
            refused -= {name for name in _SHARED if _anthropics(name, kwargs)}
        kwargs = _without(kwargs, refused)
    return _anthropic(native, kwargs) if dialect is Dialect.ANTHROPIC else _openai(native, kwargs)


def _check_kept(refused: frozenset[str], kwargs: Mapping[str, Any], dialect: Dialect) -> None:
    for name in _KEPT.keys() & refused:
        if kwargs.get(name):
            raise TargetError(FailureKind.UNSUPPORTED, f"{name}= names {_KEPT[name]}, which {dialect} cannot reach")


def _anthropics(name: str, kwargs: Mapping[str, Any]) -> bool:
    """Whether a shared setting has a value that Anthropic takes."""
    value = kwargs.get(name)
    return (
        value in ("auto", "standard_only")
        if name == "service_tier"
        else isinstance(value, Mapping) and set(value) == {"user_id"}
    )


def _without(kwargs: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in kwargs.items() if name not in names}


def _theirs(native: Native, kwargs: dict[str, Any], profile: Mapping[str, Any]) -> dict[str, Any]:
    """The settings for all but OpenAI and Anthropic."""
    dialect = native.dialect
    if dialect is Dialect.BEDROCK and _kind(kwargs.get("response_format")) == "json_object":
        raise TargetError(FailureKind.UNSUPPORTED, "Converse has no JSON mode without a schema")
    kwargs = _renamed(kwargs, "stop_sequences", "stop")
    if dialect is Dialect.OLLAMA:
        kwargs = _in_options(native, kwargs)
    else:
        for name, own in {**dict.fromkeys(_LONGEST[1:], _LONGEST[0]), **_OWN_WORDS.get(dialect, {})}.items():
            kwargs = _renamed(kwargs, name, own)
    refused = _KNOWN - _TAKES[dialect] - _TAKES_ALSO.get(native.provider, frozenset())
    if dialect is not Dialect.CHAT or native.provider == "openrouter":
        refused |= _TRANSPORT
    if native.provider == "openrouter":
        refused |= {"n"}
    if hasattr(native.model, "stream_usage"):  # built on OpenAI's
        refused -= {"stream_options", "stream_usage"}
    if profile.get("reasoning_output") is False:
        refused |= _REASONING
    if kwargs.get("service_tier") == "auto":  # as without it, and only OpenAI knows the word
        refused |= {"service_tier"}
    if refused.isdisjoint(kwargs):
        return kwargs
    _check_kept(refused, kwargs, dialect)
    return _without(kwargs, refused)


def _in_options(native: Native, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The settings as Ollama takes them: most are options, and those of a call replace all that the model has."""
    if isinstance(kwargs.get("reasoning"), Mapping):  # OpenAI's
        kwargs = _without(kwargs, frozenset(["reasoning"]))
    told = {own: kwargs[name] for name, own in _OPTIONS.items() if name in kwargs}
    if not told:
        return kwargs
    kept = {name: value for name in _OLLAMA_HAS if (value := getattr(native.model, name, None)) is not None}
    if kwargs.get("stop"):
        kept["stop"] = kwargs["stop"]
    return {**_without(kwargs, frozenset(_OPTIONS)), "options": {**kept, **told, **(kwargs.get("options") or {})}}


def _openai(native: Native, kwargs: dict[str, Any]) -> dict[str, Any]:
    kwargs = _renamed(kwargs, "stop_sequences", "stop")
    if kwargs.get("service_tier") == "standard_only":  # Anthropic's
        kwargs = _without(kwargs, frozenset(["service_tier"]))
    if native.dialect is Dialect.OPENAI_CHAT:
        kwargs = _renamed(kwargs, "max_output_tokens", "max_tokens")
    if native.dialect is Dialect.OPENAI_RESPONSES and "reasoning_effort" in kwargs:
        given = kwargs.get("reasoning") or getattr(native.model, "reasoning", None) or {}
        kwargs = {
            **_without(kwargs, frozenset(["reasoning_effort"])),
            "reasoning": {**given, "effort": kwargs["reasoning_effort"]},
        }
    if isinstance(kwargs.get("context_management"), Mapping):  # Anthropic's; OpenAI's is a list
        kwargs = _without(kwargs, frozenset(["context_management"]))
    return kwargs


def _anthropic(native: Native, kwargs: dict[str, Any]) -> dict[str, Any]:
    if _kind(kwargs.get("response_format")) == "json_object":
        raise TargetError(FailureKind.UNSUPPORTED, "Anthropic has no JSON mode without a schema")
    for name in _LONGEST[1:]:
        kwargs = _renamed(kwargs, name, "max_tokens")
    if isinstance(kwargs.get("context_management"), list):  # OpenAI's
        kwargs = _without(kwargs, frozenset(["context_management"]))
    if isinstance(kwargs.get("temperature"), int | float) and kwargs["temperature"] > 1:
        kwargs = {**kwargs, "temperature": 1}
    thinking = kwargs.get("thinking", getattr(native.model, "thinking", None))
    if not isinstance(thinking, Mapping) or thinking.get("type") == "disabled":
        return kwargs
    refused = {name for name in _SAMPLING & kwargs.keys() if name == "top_k" or (name == "temperature" and kwargs[name] != 1)}
    if (kwargs.get("top_p") or 1) < 0.95:
        refused.add("top_p")
    if refused:
        kwargs = _without(kwargs, frozenset(refused))
    budget, longest = thinking.get("budget_tokens"), kwargs.get("max_tokens")
    if budget and longest and longest <= budget:
        kwargs = {**kwargs, "max_tokens": longest + budget}
    return kwargs


def _renamed(kwargs: dict[str, Any], name: str, own: str) -> dict[str, Any]:
    if name not in kwargs:
        return kwargs
    value = kwargs[name]
    kwargs = _without(kwargs, frozenset([name]))
    return kwargs if own in kwargs else {**kwargs, own: value}


def _kind(value: Any) -> Any:
    return value.get("type") if isinstance(value, Mapping) else None
