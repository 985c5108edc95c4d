"""Find the address and the key of a framework's model, by the names of its fields.

Every integration names them after itself (`openai_api_base`, `anthropic_api_url`, `mistral_api_key`), so suffixes decide; missing values
are read from the integration's SDK client.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from switchwise.dialects.settings import LONGEST
from switchwise.nouns.target import Defaults

_ADDRESS = re.compile(r"(^|_)(api_base|api_url|base_url|endpoint|endpoint_url|server_url|host|region_name|region)$")
_KEY = re.compile(r"(^|_)(api_key|api_token|auth_token|access_key_id|access_token|apikey|ad_token|credentials_profile_name)$")
_LONGEST = (*LONGEST, "num_predict")
_MORE = ("model_kwargs", "additional_kwargs", "options", "extra_body")
_ASKED = ("_api_key_provider", "_azure_ad_token_provider", "azure_ad_token_provider")
"""Attributes of SDK clients with a function for their key."""


def names_a_key(field: str) -> bool:
    """Return whether a field of a model is for its key, by its name.

    >>> names_a_key("api_key"), names_a_key("key_terms")
    (True, False)
    """
    return _KEY.search(field) is not None


def whereabouts(fields: Mapping[str, Any], client: Any = None) -> tuple[str, Any]:
    """The address (empty: not known) and the key of a model; the key may be a function that gives it, or None.

    Only to be digested by `switchwise.catalog.account_of`: never keep or print the key.

    Parameters:
        fields: of the model, by name.
        client: the SDK's client behind it, if it is built.

    >>> whereabouts({"openai_api_base": "http://127.0.0.1:8000/v1", "openai_api_key": "sk-1", "top_p": 1})
    ('http://127.0.0.1:8000/v1', 'sk-1')
    """
    address = _first(_ADDRESS, fields) or getattr(client, "base_url", None) or ""
    key = _first(_KEY, fields)
    if client is not None:
        asked = next((given for name in _ASKED if callable(given := getattr(client, name, None))), None)
        key = asked or key or getattr(client, "api_key", None) or getattr(client, "auth_token", None)
    address = str(address)
    return address if "://" in address or not address else f"//{address}", key


def defaults_of(fields: Mapping[str, Any]) -> Defaults:
    """Default settings of a client or a framework's model.

    Parameters:
        fields: of the model, or parameters of every request, by name; what they hold under `model_kwargs` and its like counts first.

    >>> defaults_of({"max_tokens": 200, "service_tier": "flex"})
    Defaults(max_output=200, thinking=0, tier='flex')
    """
    found: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    for more in _MORE:
        if isinstance(given := fields.get(more), Mapping):
            found.update({name: value for name, value in given.items() if value is not None})
    longest = next((found[name] for name in _LONGEST if _is_whole(found.get(name))), None)
    thinking = found.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, Mapping) else None
    tier = found.get("service_tier")
    return Defaults(longest, budget if isinstance(budget, int) and budget > 0 else 0, tier if isinstance(tier, str) else "")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _first(name: re.Pattern[str], fields: Mapping[str, Any]) -> Any:
    return next(filter(None, (_shown(value) for field, value in fields.items() if name.search(field))), None)


def _shown(value: Any) -> Any:
    """A text, a function or a URL, taken out of what hides it (pydantic's SecretStr)."""
    reveal = getattr(value, "get_secret_value", None)
    return reveal() if callable(reveal) else value
