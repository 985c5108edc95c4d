"""Headers: API keys in, request ids and rate limits out.

Rules:
1. A key is required and must not begin with `bad`.
2. Anthropic requires `anthropic-version`.
3. Anthropic sends `retry-after` on 200 responses too (recorded by five independent recorders): only errors mean it.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..nouns.errors import Reject, invalid
from ..nouns.types import Usage


def authenticate(provider: str, headers: Mapping[str, str]) -> str:
    """Return the API key. Raises a 401 `Reject` if it is missing or invalid."""
    bearer = headers.get("authorization", "").removeprefix("Bearer").strip()
    key = headers.get("x-api-key", "").strip() or bearer if provider == "anthropic" else bearer
    if provider == "anthropic":
        if not key or key.startswith("bad"):
            raise Reject(401, "invalid x-api-key" if key else "x-api-key header is required")
        if not headers.get("anthropic-version"):
            raise invalid("anthropic-version: header is required")
    elif not key:
        raise Reject(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
            "(i.e. Authorization: Bearer YOUR_KEY).",
            "invalid_request_error",
        )
    elif key.startswith("bad"):
        shown = f"{key[:3]}****{key[-4:]}" if len(key) > 8 else key
        message = (
            f"Incorrect API key provided: {shown}. You can find your API key at https://platform.openai.com/account/api-keys."
        )
        raise Reject(401, message, "invalid_request_error", None, "invalid_api_key")
    return key


REQUEST_IDS = {"openai": "x-request-id", "anthropic": "request-id", "typesafe": "x-typesafe-request-id"}
"""By provider: the header that carries the id of a request."""


def limits(provider: str, usage: Usage | None, request_id: str) -> dict[str, str]:
    """Headers of a success."""
    if provider == "typesafe":
        return {REQUEST_IDS[provider]: request_id}
    spent = (usage.input_tokens, usage.output_tokens) if usage else (0, 0)
    if provider == "openai":
        return {
            "x-request-id": request_id,
            "openai-organization": "org-loopback",
            "openai-processing-ms": "1",
            "openai-version": "2020-10-01",
            "x-ratelimit-limit-requests": "5000",
            "x-ratelimit-limit-tokens": "800000",
            "x-ratelimit-remaining-requests": "4999",
            "x-ratelimit-remaining-tokens": str(max(0, 800000 - spent[0])),
            "x-ratelimit-reset-requests": "12ms",
            "x-ratelimit-reset-tokens": "1ms",
        }
    made = {
        "request-id": request_id,
        "anthropic-organization-id": "00000000-0000-4000-8000-000000000000",
        "retry-after": "20",
    }
    left = {
        "requests": (4000, 1),
        "tokens": (2400000, sum(spent)),
        "input-tokens": (2000000, spent[0]),
        "output-tokens": (400000, spent[1]),
    }
    for name, (limit, used) in left.items():
        made[f"anthropic-ratelimit-{name}-limit"] = str(limit)
        made[f"anthropic-ratelimit-{name}-remaining"] = str(max(0, limit - used))
        made[f"anthropic-ratelimit-{name}-reset"] = "2026-01-01T00:00:00Z"
    return made
