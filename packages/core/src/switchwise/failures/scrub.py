"""Mask keys in a provider's exception: servers echo the sent key, and tracebacks, logs and reports show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchwise.nouns.secrets import masked

_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")
_DEEP = 8


def secrets_of(error: BaseException) -> tuple[str, ...]:
    """Keys sent with the failed request, if the exception has the request."""
    found = []
    for holder in (error, getattr(error, "response", None)):
        try:
            headers = getattr(getattr(holder, "request", None), "headers", None)
        except RuntimeError:  # httpx: the request has not been set
            continue
        if isinstance(headers, Mapping):
            found += [str(headers[name]).rpartition(" ")[2] for name in _HEADERS if headers.get(name)]
    return tuple(dict.fromkeys(found))


def scrub_all(error: BaseException) -> tuple[str, ...]:
    """Mask keys in an exception and its causes; return the known sent keys."""
    chain: list[BaseException] = []
    behind: BaseException | None = error
    while behind is not None and len(chain) < _DEEP and not any(behind is seen for seen in chain):
        chain.append(behind)
        behind = behind.__cause__ or behind.__context__
    secrets = tuple(dict.fromkeys(secret for each in chain for secret in secrets_of(each)))
    for each in chain:
        scrub(each, secrets)
    return secrets


def scrub(error: BaseException, secrets: tuple[str, ...]) -> None:
    """Mask keys in an exception in place: its arguments, its message and its body."""
    args = tuple(_masked(arg, secrets, _DEEP) for arg in error.args)
    if args != error.args:
        error.args = args
    for name in ("message", "body"):
        value = getattr(error, name, None)
        new = _masked(value, secrets, _DEEP)
        if new != value:
            setattr(error, name, new)


def _masked(value: Any, secrets: tuple[str, ...], deep: int) -> Any:
    if isinstance(value, str):
        new = masked(value, secrets)
        return new if "***" in new and new != value else value
    if deep and isinstance(value, Mapping):
        return {name: _masked(inner, secrets, deep - 1) for name, inner in value.items()}
    if deep and isinstance(value, list):
        return [_masked(inner, secrets, deep - 1) for inner in value]
    return value
