"""Map a base URL to its provider: OpenAI's clients also call compatible servers, and their class does not show which.

The names are those of the providers' own integrations in LangChain and LlamaIndex, so that a provider has one name for every client: its
prices are found, and its targets share circuits.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import urlsplit

HOSTS: Mapping[str, str] = {
    "ai.azure.com": "azure",
    "api.anthropic.com": "anthropic",
    "api.cerebras.ai": "cerebras",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "api.deepseek.com": "deepseek",
    "api.fireworks.ai": "fireworks",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "api.moonshot.ai": "moonshotai",
    "api.moonshot.cn": "moonshotai",
    "api.openai.com": "openai",
    "api.perplexity.ai": "perplexity",
    "api.sambanova.ai": "sambanova",
    "api.together.ai": "together",
    "api.together.xyz": "together",
    "api.x.ai": "xai",
    "api.z.ai": "zai",
    "cognitiveservices.azure.com": "azure",
    "dashscope-intl.aliyuncs.com": "dashscope",
    "dashscope.aliyuncs.com": "dashscope",
    "generativelanguage.googleapis.com": "google_genai",
    "integrate.api.nvidia.com": "nvidia",
    "openai.azure.com": "azure",
    "openrouter.ai": "openrouter",
}


def provider_at(address: str) -> str:
    """Return the provider at a base URL; empty if unknown, such as your own gateway.

    >>> provider_at("https://openrouter.ai/api/v1"), provider_at("https://me.openai.azure.com/"), provider_at("http://127.0.0.1:8000/v1")
    ('openrouter', 'azure', '')
    """
    parts = (urlsplit(address).hostname or "").split(".")
    ends = (".".join(parts[start:]) for start in range(len(parts) - 1))
    return next((HOSTS[end] for end in ends if end in HOSTS), "")


def account_of(address: str, key: object = None) -> str:
    """Return the account of an address and a key: `host#digest`. The key cannot be recovered from it.

    Parameters:
        address: base URL; empty: unknown.
        key: a text, or a function that returns one, which then identifies the account itself; None: no key.

    >>> account_of("https://api.groq.com/openai/v1", "gsk_1"), account_of("http://127.0.0.1:8000/v1"), account_of("")
    ('api.groq.com#7858d77c', '127.0.0.1:8000', '')
    """
    host = urlsplit(address).netloc.rpartition("@")[2].lower()
    if callable(key):
        return f"{host}#by-{id(key):x}"
    if not isinstance(key, str) or not key:
        return host
    return f"{host}#{sha256(f'switchwise account {key}'.encode()).hexdigest()[:8]}"
