"""Capture the headers of HTTP responses, which frameworks do not expose.

An adapter listens before it calls a model; our copy of the model's SDK client records the headers of each response for the listener in
this context. Headers arrive before the first chunk, so consecutive calls in one context do not mix.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache
from typing import Any


class Heard:
    """Captured headers of the last response; None if there was none."""

    headers: Mapping[str, str] | None = None


_CLIENTS = frozenset(["httpx.AsyncClient", "httpx.Client", "httpx2.AsyncClient", "httpx2.Client"])
_LISTENS: ContextVar[Heard | None] = ContextVar("switchwise_heard", default=None)


def listen() -> Heard:
    """Capture the headers of responses in this context from now on."""
    heard = Heard()
    _LISTENS.set(heard)
    return heard


def note(headers: Mapping[str, str]) -> None:
    """Record the headers of a response."""
    heard = _LISTENS.get()
    if heard is not None:
        heard.headers = headers


def listening(client: Any) -> Any:
    """Return a copy of an SDK client that records headers; the client itself if that is not possible."""
    http: Any = getattr(client, "_client", None)
    base = next((cls for cls in type(http).__mro__ if f"{cls.__module__.partition('.')[0]}.{cls.__name__}" in _CLIENTS), None)
    return client if base is None or isinstance(http, _Notes) else client.copy(http_client=_noting(base)(http))


class _Notes:
    """Marks the classes that `_noting` makes."""


@cache
def _noting(base: Any) -> Any:
    """A class of HTTP clients that send through another one, and note what comes; SDKs use one copy of httpx or another."""
    module = sys.modules[base.__module__.partition(".")[0]]
    asynchronous = base.__name__ == "AsyncClient"
    transport = module.AsyncBaseTransport if asynchronous else module.BaseTransport

    class Noting(_Notes, base):  # type: ignore[misc]
        def __init__(self, http: Any) -> None:
            super().__init__(base_url=http.base_url, timeout=http.timeout, transport=transport())
            self.http = http

        @property
        def is_closed(self) -> bool:
            closed: bool = self.http.is_closed
            return closed

        def build_request(self, *arguments: Any, **options: Any) -> Any:
            return self.http.build_request(*arguments, **options)

    class Synchronous(Noting):
        def send(self, request: Any, **options: Any) -> Any:
            response = self.http.send(request, **options)
            note(response.headers)
            return response

    class Asynchronous(Noting):
        async def send(self, request: Any, **options: Any) -> Any:
            response = await self.http.send(request, **options)
            note(response.headers)
            return response

    return Asynchronous if asynchronous else Synchronous
