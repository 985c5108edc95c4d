"""SDK clients of models: without their own retries, and with connections of the running event loop.

Rules:
1. The caller's objects are not changed, only copies. An SDK's copy shares its connections with the original.
2. An SDK retries twice by default, LlamaIndex three or ten times, and sleeps as long as a provider says, which delays fallback. Default
   retries are switched off; explicitly set ones are kept, with a `HiddenRetries` warning.
3. The headers of their responses are captured: see `answer_headers`.
4. An asynchronous connection belongs to the event loop that opened it: each loop has its own connections. A caller's HTTP client, or one
   with a proxy, is used unchanged.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, Generic, TypeVar

from switchwise.adapting.answer_headers import listening

T = TypeVar("T")
DEFAULT_RETRIES = 2
"""Default retries of the SDKs of OpenAI and Anthropic."""


class HiddenRetries(UserWarning):
    """Warning: a model or SDK client has its own retries, so the router sees failures late, and a dead target costs several requests."""


def is_sdk_client(thing: object) -> bool:
    """Return whether it is a client of a generated SDK like OpenAI's and Anthropic's, with `max_retries` and copies.

    >>> is_sdk_client("gpt-6-luna")
    False
    """
    return all(hasattr(type(thing), name) for name in ("with_options", "copy")) and hasattr(thing, "max_retries")


def without_retries(client: Any) -> Any:
    """A copy of an SDK client that does not retry; the client itself if it does not."""
    return client.with_options(max_retries=0) if client.max_retries else client


def for_each_loop(client: Any) -> Any:
    """A copy of an asynchronous SDK client with connections of its own in each event loop; the client itself where that cannot be."""
    http: Any = getattr(client, "_client", None)
    # The class may be the user's own: then one of its bases is the SDK's.
    packages = [sys.modules.get(cls.__module__.partition(".")[0]) for cls in type(client).__mro__]
    build: Any = next(filter(None, (getattr(package, "DefaultAsyncHttpxClient", None) for package in packages)), None)
    if build is None or not hasattr(http, "aclose") or isinstance(http, _LoopBound) or not _made_by_default(http):
        return client
    base = next(cls for cls in type(http).__mro__ if cls.__name__ == "AsyncClient")
    tls = _tls(base.__module__.partition(".")[0])
    return client.copy(
        http_client=_loop_bound(base)(lambda: build(base_url=http.base_url, timeout=http.timeout, verify=tls), http)
    )


def owned(fields: Mapping[str, Any], retries: bool) -> dict[str, Any]:
    """The fields of a model that hold an SDK client, or a resource of one (`client.chat.completions`), with copies in their place.

    Parameters:
        fields: of the model, by name.
        retries: the SDK may go on to retry.
    """
    copies: dict[int, Any] = {}

    def copy_of(client: Any) -> Any:
        if id(client) not in copies:
            copies[id(client)] = listening(for_each_loop(client if retries else without_retries(client)))
        return copies[id(client)]

    found: dict[str, Any] = {}
    for name, value in fields.items():
        client = getattr(value, "_client", None)
        if is_sdk_client(value):
            found[name] = copy_of(value)
        elif client is not None and is_sdk_client(client):
            found[name] = type(value)(copy_of(client))
    return found


class Later:
    """An SDK client that is built when it is first used.

    Parameters:
        build: makes it.
    """

    def __init__(self, build: Callable[[], Any]) -> None:
        self._build = build

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as None: the class of the model builds a client elsewhere."""
        return type(None), ()

    def __deepcopy__(self, memo: object) -> Later:
        """A copy builds its own client, for the fields of some classes cannot be None."""
        return Later(self._build)

    def __getattr__(self, name: str) -> Any:
        if "_built" not in vars(self):
            self._built = self._build()
        return getattr(self._built, name)


class PerLoop(Generic[T]):
    """One thing for each event loop; where asyncio does not run (trio), one for all.

    Parameters:
        build: makes one.
        close: the name of its method that closes it.
    """

    def __init__(self, build: Callable[[], T], close: str = "aclose") -> None:
        self._build, self._close = build, close
        self._by_loop: dict[Any, T] = {}

    async def here(self) -> T:
        """That of the running loop; those of closed loops are closed when a new one is built."""
        owner: Any = self
        with suppress(RuntimeError):
            owner = asyncio.get_running_loop()
        found = self._by_loop.get(owner)
        if found is None:
            found = self._by_loop[owner] = self._build()
            for loop in [loop for loop in list(self._by_loop) if loop is not self and loop.is_closed()]:
                with suppress(KeyError, RuntimeError):  # another thread took it; the event loop is closed
                    await getattr(self._by_loop.pop(loop), self._close)()  # it holds on to its loop, and its sockets are open
        return found


class _LoopBound:
    """Marks the classes that `_loop_bound` makes."""


@cache
def _loop_bound(base: Any) -> Any:
    """A class of HTTP clients that send through the client of the running event loop; SDKs use one copy of httpx or another."""
    transport = sys.modules[base.__module__.partition(".")[0]].AsyncBaseTransport

    class LoopBound(_LoopBound, base):  # type: ignore[misc]
        def __init__(self, build: Callable[[], Any], like: Any) -> None:
            super().__init__(base_url=like.base_url, timeout=like.timeout, transport=transport())
            self._loops: PerLoop[Any] = PerLoop(build)

        async def send(self, request: Any, **options: Any) -> Any:
            return await (await self._loops.here()).send(request, **options)

    return LoopBound


@cache
def _tls(http: str) -> Any:
    """A TLS context of the copy of httpx with this name. It belongs to no loop, and to load the certificates takes longer than a call."""
    return sys.modules[http].create_ssl_context()


def _made_by_default(http: Any) -> bool:
    """Whether an SDK or an integration made this HTTP client itself, and without a proxy."""
    pool = getattr(getattr(http, "_transport", None), "_pool", None)
    return type(http).__name__.endswith("AsyncHttpxClientWrapper") and type(pool).__name__ == "AsyncConnectionPool"
