"""The SDK's method that makes a call, and what it returns: headers and JSON, whole or in the chunks of a stream."""

from __future__ import annotations

import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from switchwise.engine.timing.time_limits import tokens_came
from switchwise.failures.evidence import quoted
from switchwise.nouns.errors import FailureKind, TargetError
from switchwise.prompt_cache.cache_hints import Hint

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SdkMethod:
    """The method of an SDK's client that makes a call, and what is worked out of it once.

    Parameters:
        sdk: the SDK's client.
        call: returns the SDK's objects; for streams.
        raw: returns the HTTP response, for its headers, and because building the SDK's objects is the slowest part of a call; `call`
            itself where the SDK has no such method, as in a caller's test double.
        parameters: names of its parameters; None: any.
        hint: where its server accepts the key of a prompt cache; None: nowhere.
    """

    sdk: Any
    call: Callable[..., Any]
    raw: Callable[..., Any]
    parameters: frozenset[str] | None
    hint: Hint | None = None

    @classmethod
    def of(cls, sdk: Any, call: Callable[..., Any], hint: Hint | None) -> SdkMethod:
        """The method `call` of `sdk`."""
        raw: Any = getattr(getattr(call, "__self__", None), "with_raw_response", None)
        return cls(sdk, call, getattr(raw, "create", call), parameters_of(getattr(call, "__func__", call)), hint)


@cache
def parameters_of(create: Callable[..., Any]) -> frozenset[str] | None:
    """Parameters of the installed SDK's method; None: any, as for wrappers. Cached, since inspection takes longer than a decision."""
    parameters = inspect.signature(create).parameters
    takes_anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return None if takes_anything else frozenset(parameters)


def headers_of(answer: Any) -> Headers | None:
    """The headers of a stream."""
    headers: Headers | None = getattr(getattr(answer, "response", None), "headers", None)
    return headers


def whole(response: Any) -> tuple[dict[str, Any], Headers | None]:
    """Return the JSON object of a whole answer, and its headers; None if they are unknown.

    Parameters:
        response: returned by `SdkMethod.raw`.

    Raises:
        TargetError: the answer is not a JSON object.
    """
    http = getattr(response, "http_response", None)
    if http is None:  # a test double's
        return plain(response), None
    try:
        raw = json.loads(http.content)
    except (ValueError, RecursionError):  # it is not JSON, or nests too deep
        raw = None
    if not isinstance(raw, dict):  # a proxy's page
        raise TargetError(FailureKind.SERVER_ERROR, f"no answer of the API: {quoted(http.text)}", billable=True)
    return raw, http.headers


def plain(answer: Any) -> dict[str, Any]:
    """Return an object of the SDK as JSON.

    Raises:
        TargetError: it is not an object of the SDK.
    """
    if not hasattr(answer, "to_dict"):  # an SDK returns what is not JSON as it is: a proxy's page
        raise TargetError(FailureKind.SERVER_ERROR, f"no answer of the API: {quoted(str(answer))}", billable=True)
    plain: dict[str, Any] = answer.to_dict(mode="python", warnings=False)
    return plain


class Assembly(ABC):
    """Assemble the JSON of an answer from the chunks of its stream."""

    def __init__(self) -> None:
        self.raw: dict[str, Any] = {}

    def hear(self, chunk: dict[str, Any]) -> None:
        """Add a chunk of a stream, and report tokens in it to the limits of the call."""
        if self.has_tokens(chunk):
            tokens_came()
        self.take(chunk)

    @abstractmethod
    def take(self, chunk: dict[str, Any]) -> None:
        """Add a chunk of a stream."""

    @staticmethod
    @abstractmethod
    def has_tokens(chunk: Mapping[str, Any]) -> bool:
        """Return whether a chunk has a piece of the answer; a ping or a role is not one."""

    @property
    @abstractmethod
    def complete(self) -> bool:
        """Return whether the stream had its terminal marker."""

    def finished(self) -> dict[str, Any]:
        """Return the JSON as the API returns whole answers."""
        return self.raw
