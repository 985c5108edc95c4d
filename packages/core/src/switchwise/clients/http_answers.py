"""Reads the headers and JSON of an SDK's answer, and the parameters that its method accepts."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from switchwise.failures.evidence import quoted
from switchwise.nouns.errors import FailureKind, TargetError


@cache
def parameters_of(create: Callable[..., Any]) -> frozenset[str] | None:
    """Parameters of the installed SDK's method; None: any, as for wrappers. Cached, since it takes longer than a decision."""
    parameters = inspect.signature(create).parameters
    takes_anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return None if takes_anything else frozenset(parameters)


def raw_method(create: Callable[..., Any]) -> Callable[..., Any]:
    """The SDK's method that returns the raw HTTP response: for its headers, and because building the SDK's objects is the slowest part of
    a call. The method itself if there is none, as for a caller's test double.
    """
    raw: Any = getattr(getattr(create, "__self__", None), "with_raw_response", None)
    found: Callable[..., Any] = getattr(raw, "create", create)
    return found


def headers_of(answer: Any) -> Mapping[str, str] | None:
    """The headers of a stream."""
    headers: Mapping[str, str] | None = getattr(getattr(answer, "response", None), "headers", None)
    return headers


def parsed(http: Any) -> dict[str, Any]:
    """Return the JSON object of a whole answer.

    Raises:
        TargetError: the answer is not a JSON object.
    """
    try:
        raw = json.loads(http.content)
    except (ValueError, RecursionError):  # it is not JSON, or nests too deep
        raw = None
    if not isinstance(raw, dict):  # a proxy's page
        raise TargetError(FailureKind.SERVER_ERROR, f"no answer of the API: {quoted(http.text)}", billable=True)
    return raw


def plain(answer: Any) -> dict[str, Any]:
    """Return an object of the SDK as JSON.

    Raises:
        TargetError: it is not an object of the SDK.
    """
    if not hasattr(answer, "to_dict"):  # an SDK returns what is not JSON as it is: a proxy's page
        raise TargetError(FailureKind.SERVER_ERROR, f"no answer of the API: {quoted(str(answer))}", billable=True)
    plain: dict[str, Any] = answer.to_dict(mode="python", warnings=False)
    return plain
