"""Failures caused by what the caller sets for one call: a key, an address, a time-out, a model name. Health learns nothing from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from switchwise.nouns.errors import FailureKind as Kind
from switchwise.nouns.errors import TargetError

_KEYS = frozenset(["api_key", "auth_token", "base_url", "api_base", "organization"])
_KEY_HEADERS = frozenset(["authorization", "x-api-key", "api-key", "x-goog-api-key", "openai-organization"])
_OF_A_KEY = frozenset([Kind.AUTHENTICATION, Kind.QUOTA, Kind.RATE_LIMIT, Kind.NOT_FOUND, Kind.CONNECTION, Kind.TIMEOUT])
_BY_SETTING = {
    "timeout": frozenset([Kind.TIMEOUT, Kind.CONNECTION]),
    "request_timeout": frozenset([Kind.TIMEOUT, Kind.CONNECTION]),
    "model": frozenset([Kind.NOT_FOUND, Kind.AUTHENTICATION]),
    "model_name": frozenset([Kind.NOT_FOUND, Kind.AUTHENTICATION]),
    **dict.fromkeys(_KEYS, _OF_A_KEY),
}
_ANY = _BY_SETTING.keys() | {"extra_headers"}


def brings(settings: Mapping[str, Any]) -> bool:
    """Whether a call's settings hold anything that could be at fault."""
    return not _ANY.isdisjoint(settings)


def mark_own_doing(failure: TargetError, settings: Mapping[str, Any]) -> None:
    """Mark a failure that is explained by what came with the call.

    Parameters:
        failure: of the call.
        settings: that the caller gave for this call alone, by name.

    >>> failure = TargetError(Kind.TIMEOUT)
    >>> mark_own_doing(failure, {"timeout": 0.05})
    >>> failure.own_doing
    True
    """
    kinds = [_BY_SETTING[name] for name, value in settings.items() if name in _BY_SETTING and value is not None]
    headers = settings.get("extra_headers")
    if isinstance(headers, Mapping) and any(str(name).lower() in _KEY_HEADERS for name in headers):
        kinds.append(_OF_A_KEY)
    if any(failure.kind in known for known in kinds):
        failure.own_doing = True


def brought_along(settings: Mapping[str, Any]) -> AbstractContextManager[None]:
    """Mark the failures inside it that the caller's own settings explain."""
    return _marking(settings) if brings(settings) else nullcontext()


@contextmanager
def _marking(settings: Mapping[str, Any]) -> Iterator[None]:
    try:
        yield
    except TargetError as failure:
        mark_own_doing(failure, settings)
        raise
