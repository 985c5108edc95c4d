"""Maps a base URL to its provider: OpenAI's clients also call compatible servers, and their class name does not say which.

The names are those that the providers' own integrations of LangChain and LlamaIndex go by, so that a provider is one and the same, whichever
client calls it: its prices are found, and its targets fail together.
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
    """The provider at a base URL; empty: nobody who is known, such as a gateway of your own.

    >>> provider_at("https://openrouter.ai/api/v1"), provider_at("https://me.openai.azure.com/"), provider_at("http://127.0.0.1:8000/v1")
    ('openrouter', 'azure', '')
    """
    parts = (urlsplit(address).hostname or "").split(".")
    ends = (".".join(parts[start:]) for start in range(len(parts) - 1))
    return next((HOSTS[end] for end in ends if end in HOSTS), "")


def account_of(address: str, key: object = None) -> str:
    """The account behind an address and a key: `host#digest`. The key itself cannot be had from it.

    Parameters:
        address: base URL; empty: not known.
        key: a text; or a function that gives one, which then stands for the account itself; None: there is none.

    >>> account_of("https://api.groq.com/openai/v1", "gsk_1"), account_of("http://127.0.0.1:8000/v1"), account_of("")
    ('api.groq.com#7858d77c', '127.0.0.1:8000', '')
    """
    host = urlsplit(address).netloc.rpartition("@")[2].lower()
    if callable(key):
        return f"{host}#by-{id(key):x}"
    if not isinstance(key, str) or not key:
        return host
    return f"{host}#{sha256(f'switchwise account {key}'.encode()).hexdigest()[:8]}"
