"""The table: one row per known API. `docs/design/portability.md` is generated from it.

Source: the APIs' documentation and the official integrations of LangChain and LlamaIndex, as of 2026-11; docs/reference/providers.md says what was tried
and what was only read. Each rule was refused by a provider or by its client.
"""

from __future__ import annotations

import copyreg
from collections.abc import Mapping
from dataclasses import replace

from switchwise.dialects.dialect import (
    ADDRESS,
    DATA,
    CallIdRules,
    Dialect,
    EndRules,
    SettingRules,
    Thoughts,
    ToolRules,
    TurnRules,
)
from switchwise.dialects.settings import ANTHROPIC_ONLY, CHAT_ONLY, ELSEWHERE, KNOWN, LONGEST, OPENAI_ONLY, SAMPLING, TRANSPORT
from switchwise.nouns.exchange.reply import EndReason

_STOP, _CALLS, _LENGTH = EndReason.STOP, EndReason.TOOL_CALLS, EndReason.LENGTH
_REFUSAL, _ERROR = EndReason.REFUSAL, EndReason.ERROR
_BOTH, _DATA, _ADDRESS = frozenset([DATA, ADDRESS]), frozenset([DATA]), frozenset([ADDRESS])
_LETTERS = "[a-zA-Z0-9_-]+"


def _takes(names: str, *more: frozenset[str]) -> frozenset[str]:
    return frozenset(names.split()).union(*more)


_CHAT_ENDS = EndRules(
    ("finish_reason",),
    {
        "stop": _STOP,
        "eos": _STOP,  # Together
        "eos_token": _STOP,  # TGI
        "stop_sequence": _STOP,
        "tool_calls": _CALLS,
        "function_call": _CALLS,
        "length": _LENGTH,
        "content_filter": _REFUSAL,
        "error": _ERROR,  # OpenRouter
        "insufficient_system_resource": _ERROR,  # DeepSeek
    },
    usage_ends=True,
)
_OPENAIS = KNOWN - ANTHROPIC_ONLY - ELSEWHERE
_OPENAIS_OURS = {"service_tier": frozenset(["*", "!standard_only"]), "context_management": frozenset(["list"])}

OPENAI_CHAT = Dialect(
    "openai-chat",
    "OpenAI Chat Completions",
    "openai-chat",
    ids=CallIdRules(longest=40),
    settings=SettingRules(_OPENAIS, longest="max_completion_tokens", ours=_OPENAIS_OURS),
    tools=ToolRules(subset=True),
    ends=_CHAT_ENDS,
    media={"image": _BOTH, "audio": _DATA, "file": _DATA},
    media_in_results=False,
)
AZURE = replace(OPENAI_CHAT, name="azure", title="Azure OpenAI")
OPENAI_RESPONSES = Dialect(
    "openai-responses",
    "OpenAI Responses",
    "openai-responses",
    ids=CallIdRules(longest=64, once=True),
    settings=SettingRules(_OPENAIS - CHAT_ONLY, longest="max_output_tokens", ours=_OPENAIS_OURS, nested_effort=True),
    tools=ToolRules(subset=True),
    ends=EndRules(
        ("incomplete_details", "status"),
        {
            "completed": _STOP,
            "max_output_tokens": _LENGTH,
            "content_filter": _REFUSAL,
            "failed": _ERROR,
            "cancelled": _ERROR,
        },
    ),
    media={"image": _BOTH, "audio": _DATA, "file": _BOTH},
    thoughts=Thoughts.ITEMS,
)
ANTHROPIC = Dialect(
    "anthropic",
    "Anthropic Messages",
    "anthropic",
    ids=CallIdRules(pattern=_LETTERS, once=True),
    turns=TurnRules(user_first=True, one_system=True, system_in_place=True, no_prefill=True),
    settings=SettingRules(
        KNOWN - OPENAI_ONLY - ELSEWHERE - {"reasoning_effort", "parallel_tool_calls"},
        stop="stop_sequences",
        json_mode=False,
        hottest=1.0,
        ours={
            "service_tier": frozenset(["auto", "standard_only"]),
            "metadata": frozenset(["{user_id}"]),
            "context_management": frozenset(["mapping"]),
        },
    ),
    tools=ToolRules(longest_name=128),
    ends=EndRules(
        ("stop_reason",),
        {
            "end_turn": _STOP,
            "stop_sequence": _STOP,
            "pause_turn": _STOP,
            "tool_use": _CALLS,
            "max_tokens": _LENGTH,
            "model_context_window_exceeded": _LENGTH,
            "refusal": _REFUSAL,
            "error": _ERROR,  # proxies
        },
    ),
    blank_user=False,
    blank_answer=False,
    media={"image": _BOTH, "file": _BOTH},
    cache_marks=True,
    thoughts=Thoughts.SIGNED,
)
GEMINI = Dialect(
    "gemini",
    "Gemini",
    "gemini",
    ids=CallIdRules(once=True),  # its integrations find results by their ids
    turns=TurnRules(user_first=True, system_in_place=True, no_prefill=True),
    settings=SettingRules(
        _takes(
            """cached_content candidate_count frequency_penalty generation_config include_thoughts logprobs presence_penalty
            reasoning_effort response_mime_type response_modalities response_schema safety_settings seed service_tier temperature
            thinking_budget thinking_config thinking_level top_k top_p"""
        ),
        longest="max_output_tokens",
        ours={"service_tier": frozenset(["*", "!auto"])},
    ),
    tools=ToolRules(one_by_one=False),
    ends=EndRules(
        ("finish_reason", "prompt_feedback"),  # a blocked prompt has no answer to end
        {
            "stop": _STOP,
            "max_tokens": _LENGTH,
            **dict.fromkeys(
                [
                    "safety",
                    "recitation",
                    "language",
                    "blocklist",
                    "prohibited_content",
                    "spii",
                    "image_safety",
                    "image_recitation",
                ],
                _REFUSAL,
            ),
            **dict.fromkeys(["malformed_function_call", "unexpected_tool_call", "too_many_tool_calls", "no_image"], _ERROR),
        },
    ),
    blank_user=False,
    blank_answer=False,
    media={"image": _BOTH, "audio": _BOTH, "video": _BOTH, "file": _BOTH},
    thoughts=Thoughts.SIGNED,
)
BEDROCK = Dialect(
    "bedrock-converse",
    "Bedrock Converse",
    "bedrock-converse",
    ids=CallIdRules(longest=64, pattern=_LETTERS, once=True),
    turns=TurnRules(user_first=True, system_in_place=True, no_prefill=True),
    settings=SettingRules(
        _takes(
            "additionalModelRequestFields guardrailConfig performanceConfig reasoning_effort service_tier temperature top_p"
        ),
        json_mode=False,
        ours={"service_tier": frozenset(["*", "!auto"])},
    ),
    tools=ToolRules(none=False, one_by_one=False),
    ends=EndRules(
        ("stopReason",),
        {
            "end_turn": _STOP,
            "stop_sequence": _STOP,
            "tool_use": _CALLS,
            "max_tokens": _LENGTH,
            "model_context_window_exceeded": _LENGTH,
            "guardrail_intervened": _REFUSAL,
            "content_filtered": _REFUSAL,
            "malformed_model_output": _ERROR,
            "malformed_tool_use": _ERROR,
        },
    ),
    blank_answer=False,
    media={"image": _DATA, "video": _DATA, "file": _DATA},
    thoughts=Thoughts.SIGNED,
)
MISTRAL = Dialect(
    "mistral",
    "Mistral",
    "mistral",
    ids=CallIdRules(pattern="[a-zA-Z0-9]{9}", made=9),
    turns=TurnRules(user_first=True, system_in_place=True, answer_between=True, no_prefill=True),
    settings=SettingRules(
        _takes(
            """frequency_penalty n parallel_tool_calls presence_penalty prompt_cache_key prompt_mode random_seed reasoning_effort
            safe_prompt temperature top_p"""
        ),
        words={"seed": "random_seed"},
    ),
    ends=replace(_CHAT_ENDS, words={**_CHAT_ENDS.words, "model_length": _LENGTH}, usage_ends=False),
    blank_answer=False,
    media={"image": _BOTH, "audio": _DATA, "file": _ADDRESS},
    media_in_results=False,
)
OLLAMA = Dialect(
    "ollama",
    "Ollama",
    "ollama",
    settings=SettingRules(
        _takes("format keep_alive logprobs options reasoning top_logprobs") | SAMPLING | {"seed", "num_ctx", "num_predict"},
        longest="num_predict",
        options={**dict.fromkeys([*LONGEST, "num_predict"], "num_predict"), "num_ctx": "num_ctx", "seed": "seed"}
        | {name: name for name in sorted(SAMPLING)},
    ),
    tools=ToolRules(one_by_one=False),
    ends=EndRules(("done_reason",), {"stop": _STOP, "length": _LENGTH}),
    media={"image": _DATA},
    media_in_results=False,
    thoughts=Thoughts.FIELDS,
)
COHERE = Dialect(
    "cohere",
    "Cohere",
    "cohere",
    turns=TurnRules(user_first=True, system_in_place=True, no_prefill=True),
    settings=SettingRules(
        _takes("frequency_penalty logprobs presence_penalty seed temperature"), words={"top_p": "p", "top_k": "k"}
    ),
    tools=ToolRules(named=False, one_by_one=False),
    ends=EndRules(
        ("finish_reason",),
        {
            "complete": _STOP,
            "stop_sequence": _STOP,
            "tool_call": _CALLS,
            "max_tokens": _LENGTH,
            "error": _ERROR,
            "error_toxic": _REFUSAL,
            "timeout": _ERROR,
        },
        marked=False,
    ),
    blank_user=False,
    blank_answer=False,
    media={"image": _BOTH},
    media_in_results=False,
)
_CHAT_TAKES = _takes(
    """frequency_penalty logit_bias logprobs n parallel_tool_calls presence_penalty reasoning_effort seed service_tier temperature
    top_logprobs top_p user""",
    TRANSPORT,
)
CHAT = Dialect(
    "chat-completions",
    "Chat Completions of others",
    "chat-completions",
    ids=CallIdRules(longest=40),
    settings=SettingRules(_CHAT_TAKES, ours={"service_tier": frozenset(["*", "!auto"])}),
    ends=replace(_CHAT_ENDS, marked=False),
    blank_user=False,
    media={"image": _BOTH, "audio": _DATA, "video": _BOTH, "file": _DATA},
    media_in_results=False,
    thoughts=Thoughts.FIELDS,
)


def _also(name: str, title: str, *, marked: bool = True, more: str = "", less: frozenset[str] = frozenset()) -> Dialect:
    """Return a row for a provider with a Chat Completions API."""
    settings = replace(CHAT.settings, takes=_takes(more, CHAT.settings.takes) - less)
    return replace(CHAT, name=name, title=title, settings=settings, ends=replace(CHAT.ends, marked=marked))


GROQ = _also("groq", "Groq", more="reasoning_format")
FIREWORKS = _also("fireworks", "Fireworks", more="prompt_cache_key top_k")
OPENROUTER = _also("openrouter", "OpenRouter", more="reasoning session_id top_k", less=TRANSPORT | {"n"})
DEEPSEEK = _also("deepseek", "DeepSeek")
XAI = _also("xai", "xAI")
NVIDIA = _also("nvidia", "NVIDIA", marked=False)
CEREBRAS = _also("cerebras", "Cerebras", marked=False)
TOGETHER = _also("together", "Together", marked=False)
OTHER = Dialect("other", "anything else", "other", tools=ToolRules(longest_name=0, subset=False), ends=EndRules(marked=False))

DIALECTS: tuple[Dialect, ...] = (
    OPENAI_CHAT,
    AZURE,
    OPENAI_RESPONSES,
    ANTHROPIC,
    GEMINI,
    BEDROCK,
    MISTRAL,
    COHERE,
    OLLAMA,
    CHAT,
    GROQ,
    FIREWORKS,
    OPENROUTER,
    DEEPSEEK,
    XAI,
    NVIDIA,
    CEREBRAS,
    TOGETHER,
    OTHER,
)
"""Every row, in the order of the docs."""
_BY_NAME: Mapping[str, Dialect] = {dialect.name: dialect for dialect in DIALECTS}
_HOSTS: Mapping[str, Dialect] = {
    "openai": OPENAI_CHAT,
    **{
        dialect.name: dialect
        for dialect in (AZURE, MISTRAL, GROQ, FIREWORKS, OPENROUTER, DEEPSEEK, XAI, NVIDIA, CEREBRAS, TOGETHER)
    },
    **dict.fromkeys(["dashscope", "moonshotai", "perplexity", "sambanova", "zai"], CHAT),
}


def by_name(name: str) -> Dialect:
    """Return the row with this name.

    Raises:
        KeyError: no row has it.

    >>> by_name("anthropic").title
    'Anthropic Messages'
    """
    return _BY_NAME[name]


def dialect_at(provider: str) -> Dialect:
    """Return the row of a provider that an OpenAI client calls; OpenAI's own for an unknown one, such as a private gateway.

    Parameters:
        provider: as `switchwise.catalog.provider_at` names it.

    >>> dialect_at("mistral").ids.pattern, dialect_at("").name
    ('[a-zA-Z0-9]{9}', 'openai-chat')
    """
    return _HOSTS.get(provider, OPENAI_CHAT)


def _pickled(dialect: Dialect) -> tuple[object, ...]:
    """Pickle by name: there is one object per row."""
    return by_name, (dialect.name,)


copyreg.pickle(Dialect, _pickled)  # type: ignore[arg-type]  # its function may have parameters
