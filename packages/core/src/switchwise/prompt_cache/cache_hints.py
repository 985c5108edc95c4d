"""Cache hints of requests: affinity keys and breakpoints. Pure: adapters add them to their requests.

- *affinity*: a key for requests that belong together, so that they reach the machine with their cache. On by default, because it is sent
  only to endpoints known to accept it.
- *breakpoints*: prefixes that Anthropic should cache: it caches only marked ones. Off by default, because written tokens cost a quarter
  more (5m) or twice as much (1h), and because frameworks have middleware for it. See `breakpoints`.

Rules:
1. Settings of the user are left unchanged.
2. A key is a digest: neither the session's name nor any text can be recovered from it.
3. A key identifies one agent's thread in one session named by the caller. A session without a name gets none: single questions with a
   common beginning share a cache without a key, and would lose it with one.
4. An unlisted endpoint gets no hint. Several refuse unknown fields (Groq, Cerebras and Gemini's OpenAI-compatible endpoint answer 400),
   so the called host counts, not the SDK.

>>> hints, key = CacheHints(), key_of(("s1", "main"))
>>> with_hint({"model": "gpt-6-sol"}, hints.hint("https://api.openai.com/v1"), key)["prompt_cache_key"]
'sw-60cda69b7012cdc9e5443a6c0e8530b7'
>>> with_hint({}, hints.hint("https://api.x.ai/v1"), key)
{'extra_headers': {'x-grok-conv-id': 'sw-60cda69b7012cdc9e5443a6c0e8530b7'}}
>>> hints.hint("https://api.groq.com/openai/v1") is None
True
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from switchwise.nouns.errors import ConfigurationError


class Hint(NamedTuple):
    """Place of the affinity key: a header of that name, or a field of the body."""

    name: str
    header: bool = False


@cache
def _endpoints() -> Mapping[str, Mapping[str, Any]]:
    """The documented endpoints by name: `hints.json` in this folder, with the sources."""
    from importlib import resources  # slow to import, and needed once

    text = resources.files("switchwise.prompt_cache").joinpath("hints.json").read_text(encoding="utf-8")
    found: Mapping[str, Mapping[str, Any]] = json.loads(text)["endpoints"]
    return found


@dataclass(frozen=True, slots=True)
class CacheHints:
    """Hints added to requests so that providers find their prompt caches.

    Parameters:
        affinity: send a key per thread to endpoints that accept one.
        breakpoints: lifetime of the marks set for Anthropic: `5m`, `1h`; empty: set none. Requests that
            already carry marks are left unchanged.
        endpoints: host -> name of the endpoint in `hints.json` whose hint it accepts, such as `openai`; empty: no hint. For your own
            gateways, Azure, and to switch one off.

    Raises:
        ConfigurationError: a lifetime or an endpoint is unknown.

    >>> hints = CacheHints(endpoints={"llm.example.com": "openai", "api.x.ai": ""})
    >>> hints.hint("https://llm.example.com/v1"), hints.hint("https://api.x.ai/v1")
    (Hint(name='prompt_cache_key', header=False), None)
    """

    affinity: bool = True
    breakpoints: str = ""
    endpoints: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.breakpoints not in ("", "5m", "1h"):
            raise ConfigurationError(f"breakpoints={self.breakpoints!r}: use '5m', '1h', or '' to mark nothing")
        if strange := {name for name in self.endpoints.values() if name and name not in _endpoints()}:
            known = ", ".join(_endpoints())
            raise ConfigurationError(f"endpoints= names {', '.join(sorted(strange))}; known are {known}, and '' for none")

    def hint(self, address: str, *, responses: bool = False) -> Hint | None:
        """The place of the key in calls to the API at this base URL (or to its Responses API); None if it is not known to accept one."""
        if not self.affinity:
            return None
        host, known = urlsplit(address).hostname or "", _endpoints()
        mine = [name for own, name in self.endpoints.items() if _within(host, own)]
        listed = [name for name, each in known.items() if any(_within(host, own) for own in each["hosts"])]
        name, *_ = *mine, *listed, ""
        place = known[name].get("responses" if responses else "chat") if name else None
        return None if place is None else Hint(**place)


def with_hint(params: dict[str, Any], hint: Hint, key: str, given: Collection[str] = ()) -> dict[str, Any]:
    """Return the parameters of a call with a key at the place of `hint`; the same object if there is one already.

    Parameters:
        params: as OpenAI's SDK takes them: fields, `extra_headers`, `extra_body`.
        hint: place of the key.
        key: see `key_of`.
        given: fields and headers that the client sets itself.
    """
    headers, body = params.get("extra_headers") or {}, params.get("extra_body") or {}
    name = hint.name
    if name in params or name in body or name in {each.lower() for each in (*headers, *given)}:
        return params
    return {**params, "extra_headers": {**headers, name: key}} if hint.header else {**params, name: key}


def key_of(thread: Sequence[str]) -> str:
    """The key of a thread (its session first): a digest of 35 characters, stable across processes.

    >>> key_of(["s1", "main"]) == key_of(("s1", "main")), key_of(["s1", "main"]) == key_of(["s1m", "ain"])
    (True, False)
    """
    digest = blake2b(digest_size=16, person=b"switchwise.key")
    for part in thread:
        digest.update(f"{len(part)}:{part}".encode("utf-8", "surrogatepass"))
    return f"sw-{digest.hexdigest()}"


def _within(host: str, known: str) -> bool:
    return host == known or host.endswith(f".{known}")
