"""Adapts the settings of a call to an API: renames them, and omits those that it does not have.

| setting | treatment |
|---|---|
| output limit, stop sequences, effort, seed | renamed; Ollama: moved into `options` |
| settings of another provider | omitted: the client would raise, or the provider refuse them |
| settings of Chat Completions only | omitted for Responses |
| `temperature`, `top_p`, `top_k` | omitted where the model does not accept them, or while it thinks; `temperature` is clipped to the API's maximum |
| an output limit below the thinking budget | raised by that budget |
| reasoning settings | omitted for models that do not reason |
| `service_tier`, `metadata`, `context_management` | omitted where the value is another provider's |
| `stream_options` of None | omitted |
| JSON mode, where the API has none; a conversation, prompt or server-side tool that one provider stores or runs | `UNSUPPORTED`: another target is tried |

Source: docs/design/portability.md; each row was refused by a provider or by its client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from switchwise.dialects.dialect import Dialect, SettingRules
from switchwise.nouns.errors import FailureKind, TargetError

Settings = dict[str, Any]

ANTHROPIC_ONLY = frozenset(
    """betas cache_control container diagnostics effort fallbacks inference_geo mcp_servers output_config speed thinking top_k
    user_profile_id""".split()
)
CHAT_ONLY = frozenset(
    """audio frequency_penalty logit_bias logprobs modalities n prediction presence_penalty seed web_search_options""".split()
)
OPENAI_ONLY = CHAT_ONLY | frozenset(
    """conversation include max_tool_calls metadata previous_response_id prompt prompt_cache_key prompt_cache_options prompt_cache_retention
    reasoning safety_identifier service_tier store stream_options stream_usage strict text top_logprobs truncation user
    verbosity""".split()
)
ELSEWHERE = frozenset(
    """additionalModelRequestFields cached_content candidate_count format generation_config guardrailConfig include_thoughts keep_alive
    num_ctx num_predict options performanceConfig prompt_mode random_seed reasoning_format response_mime_type response_modalities
    response_schema safe_prompt safety_settings session_id thinking_budget thinking_config thinking_level""".split()
)
SAMPLING = frozenset(["temperature", "top_p", "top_k"])
REASONING = frozenset(["reasoning", "reasoning_effort"])
TRANSPORT = frozenset(["extra_body", "extra_headers", "extra_query", "timeout"])
"""What the SDKs of OpenAI, Anthropic and compatible providers accept in addition to the request."""
KNOWN = (
    ANTHROPIC_ONLY | OPENAI_ONLY | ELSEWHERE | SAMPLING | REASONING | TRANSPORT | {"context_management", "parallel_tool_calls"}
)
"""Settings whose providers are known."""
LONGEST = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_STOPS = ("stop", "stop_sequences")
_KEPT = {
    # settings that the request depends on, and what they name; only a target of that provider can serve it
    **dict.fromkeys(["previous_response_id", "conversation", "prompt"], "what OpenAI stores"),
    "mcp_servers": "what Anthropic calls",
}
_ENCRYPTED = "reasoning.encrypted_content"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of a target's model and client.

    Parameters:
        name: of the target, for messages.
        samples: it accepts `temperature` and other sampling settings; None: unknown.
        reasons: it reasons; None: unknown.
        thinking: its configured `thinking` (Anthropic); None if not set.
        reasoning: its configured `reasoning` (Responses).
        options: its configured options (Ollama); the options of a call replace all of them.
        also: settings that its client accepts and translates itself.
        longest, stop: the client's names for these two; empty: the API's. `*`: the client knows every name.
    """

    name: str = ""
    samples: bool | None = None
    reasons: bool | None = None
    thinking: Mapping[str, Any] | None = None
    reasoning: Mapping[str, Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    also: frozenset[str] = frozenset()
    longest: str = ""
    stop: str = ""


NOTHING_KNOWN = ModelFacts()


def adapt(
    dialect: Dialect, settings: Settings, facts: ModelFacts = NOTHING_KNOWN, *, without: frozenset[str] = frozenset()
) -> Settings:
    """Return the settings as the target accepts them; the same object if nothing changes.

    Parameters:
        dialect: of the target.
        settings: as the caller gave them.
        facts: about the model.
        without: settings to omit from this call.

    Raises:
        TargetError: the target does not support a setting that the request depends on.

    >>> from switchwise.dialects.table import ANTHROPIC, OPENAI_RESPONSES
    >>> adapt(ANTHROPIC, {"max_completion_tokens": 100, "seed": 1, "temperature": 1.5, "stop": ["END"]})
    {'temperature': 1.0, 'max_tokens': 100, 'stop_sequences': ['END']}
    >>> adapt(OPENAI_RESPONSES, {"reasoning_effort": "low"})
    {'reasoning': {'effort': 'low'}}
    """
    if not settings:
        return settings
    rules = dialect.settings
    if dialect.protocol == "other":
        return _without(settings, frozenset(["cache_control"]) | _switched_off(settings) | without)
    if not rules.json_mode and _kind(settings.get("response_format")) == "json_object":
        raise TargetError(FailureKind.UNSUPPORTED, f"{dialect.title} has no JSON mode without a schema: give a schema")
    settings = _renamed(settings, rules, facts)
    refused = _refused(rules, settings, facts) | without | _switched_off(settings)
    if facts.reasons is False and _ENCRYPTED in (settings.get("include") or ()):
        kept = [name for name in settings["include"] if name != _ENCRYPTED]
        settings = {**settings, "include": kept} if kept else _without(settings, frozenset(["include"]))
    if not refused.isdisjoint(settings):
        for name in _KEPT.keys() & refused:
            if settings.get(name):
                problem = f"{name}= names {_KEPT[name]}, which {dialect.title} cannot reach"
                raise TargetError(FailureKind.UNSUPPORTED, f"{problem}: leave it out, or add a target of that provider")
        settings = _without(settings, refused)
    return valued(dialect, settings, facts)


def valued(dialect: Dialect, settings: Settings, facts: ModelFacts = NOTHING_KNOWN) -> Settings:
    """Return the settings with values that the target accepts; the same object if nothing changes."""
    rules = dialect.settings
    hot = settings.get("temperature")
    if isinstance(hot, int | float) and hot > rules.hottest:
        settings = {**settings, "temperature": rules.hottest}
    if rules.stop == "stop_sequences" and (single := [name for name in _STOPS if isinstance(settings.get(name), str)]):
        settings = {**settings, **{name: [settings[name]] for name in single}}  # OpenAI also takes one as a text
    if rules.nested_effort and "reasoning_effort" in settings:
        given = settings.get("reasoning") or facts.reasoning
        given = given if isinstance(given, Mapping) else {}  # elsewhere it is a switch: reasoning=True
        settings = {
            **_without(settings, frozenset(["reasoning_effort"])),
            "reasoning": {**given, "effort": settings["reasoning_effort"]},
        }
    if facts.samples is False and (hot := {name for name in SAMPLING & settings.keys() if settings[name] != 1}):
        settings = _without(settings, frozenset(hot))
    if rules.options and isinstance(settings.get("options") or {}, Mapping):  # else its client says what is wrong with them
        settings = _in_options(settings, rules, facts)
    thinking = settings.get("thinking", facts.thinking)
    if not isinstance(thinking, Mapping) or thinking.get("type") == "disabled":
        return settings
    return _while_it_thinks(settings, thinking)


def _while_it_thinks(settings: Settings, thinking: Mapping[str, Any]) -> Settings:
    refused = {
        name for name in SAMPLING & settings.keys() if name == "top_k" or (name == "temperature" and settings[name] != 1)
    }
    if (settings.get("top_p") or 1) < 0.95:
        refused.add("top_p")
    settings = _without(settings, frozenset(refused))
    budget, longest = thinking.get("budget_tokens"), settings.get("max_tokens")
    if budget and longest and longest <= budget:  # the budget counts to the answer
        settings = {**settings, "max_tokens": longest + budget}
    return settings


def _refused(rules: SettingRules, settings: Settings, facts: ModelFacts) -> frozenset[str]:
    refused = KNOWN - rules.takes - facts.also
    if facts.reasons is False:
        refused |= REASONING - facts.also
    ours = {name for name, values in rules.ours.items() if name in settings and not _among(settings[name], values)}
    taken = {name for name, values in rules.ours.items() if name in settings and name not in ours}
    return (refused - taken) | ours


def _among(value: Any, values: frozenset[str]) -> bool:
    """Return whether the API understands a value: a word, a kind (`list`, `mapping`), or a mapping with exactly one key (`{field}`)."""
    if isinstance(value, Mapping):
        return "mapping" in values or any(set(value) == {name[1:-1]} for name in values if name.startswith("{"))
    if isinstance(value, list | tuple):
        return "list" in values
    return f"!{value}" not in values and ("*" in values or value in values)


def _switched_off(settings: Settings) -> frozenset[str]:
    """Return the settings that are switched off: `stream_options=None` means that a server does not accept it."""
    return frozenset(["stream_options"]) if settings.get("stream_options", "") is None else frozenset()


def _renamed(settings: Settings, rules: SettingRules, facts: ModelFacts) -> Settings:
    longest, stop = facts.longest or rules.longest, facts.stop or rules.stop
    words = dict(rules.words)
    if longest != "*":
        words |= {name: longest for name in LONGEST if name != longest and name not in rules.options}
    if stop != "*":
        words |= {name: stop for name in _STOPS if name != stop}
    for name in [name for name in words if name in settings]:
        own, value = words[name], settings[name]
        settings = _without(settings, frozenset([name]))
        if own not in settings:
            settings = {**settings, own: value}
    return settings


def _in_options(settings: Settings, rules: SettingRules, facts: ModelFacts) -> Settings:
    """Return the settings in Ollama's form: most become options, and the options of a call replace all configured ones."""
    if isinstance(settings.get("reasoning"), Mapping):  # OpenAI's
        settings = _without(settings, frozenset(["reasoning"]))
    options = {own: settings[name] for name, own in rules.options.items() if name in settings}
    if not options:
        return settings
    kept = dict(facts.options)
    if settings.get("stop"):
        kept["stop"] = settings["stop"]
    return {**_without(settings, frozenset(rules.options)), "options": {**kept, **options, **(settings.get("options") or {})}}


def _without(settings: Settings, names: frozenset[str]) -> Settings:
    return settings if names.isdisjoint(settings) else {name: value for name, value in settings.items() if name not in names}


def _kind(value: Any) -> Any:
    return value.get("type") if isinstance(value, Mapping) else None
