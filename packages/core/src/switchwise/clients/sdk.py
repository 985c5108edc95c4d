"""Base of OpenAI's and Anthropic's clients: calls through an official SDK.

Rules:
1. No hidden retries. An SDK retries twice by default, also on an empty account, and sleeps as long as the server asks: a dead target
   would cost three requests before the router sees the failure. Clients built here do not retry, nor do copies of clients that you pass,
   unless you set `max_retries`: then the client is used unchanged, with a warning.
2. A stale pooled connection is not an outage: `Run` repeats such a call once, uncounted.
3. A stream is complete only with its terminal marker: neither SDK reports a clean end without it.
4. Parameters unknown to the installed SDK are sent in the body (`temperature` was removed from anthropic 1).
5. A connection belongs to the event loop that opened it: each loop has its own asynchronous client, and a client that you pass has its
   own connections in each, unless it has your HTTP client.
6. `temperature` and `top_p` are omitted if the model chosen by the router does not accept them.
"""

from __future__ import annotations

import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from switchwise.adapting.accounts import defaults_of
from switchwise.adapting.sdk_clients import (
    DEFAULT_RETRIES,
    HiddenRetries,
    PerLoop,
    for_each_loop,
    is_sdk_client,
    without_retries,
)
from switchwise.catalog.abilities import abilities
from switchwise.catalog.hosts import account_of, provider_at
from switchwise.clients.accounts import Environment, whereabouts_of
from switchwise.clients.answers import Assembly, Headers, SdkMethod, headers_of, plain, whole
from switchwise.clients.arguments import refuse_arguments
from switchwise.dialects import Dialect
from switchwise.dialects.effort import with_effort
from switchwise.engine.timing.time_limits import streaming
from switchwise.failures import IncompleteStream, Refusal, check_answer, translated
from switchwise.nouns.call import Call
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.reply import Reply
from switchwise.nouns.target import Defaults, Target
from switchwise.nouns.validation import users_level
from switchwise.prompt_cache.cache_hints import CacheHints
from switchwise.protocols.ask_text import prompt_of
from switchwise.protocols.prompt import Prompt
from switchwise.state.forking import on_fork

_SECRET_OPTIONS = frozenset(["api_key", "auth_token", "azure_ad_token", "default_headers", "webhook_secret"])
_SAMPLING = frozenset(["temperature", "top_p"])
_BUILT = ("sync", "method")
"""Attributes that are built when first needed, and again in another process."""


class Client(ABC):
    """Base class of clients that perform calls through one provider's SDK.

    Parameters:
        client: the SDK's client; None: built when first needed, from `options` and the environment.
        async_client: the same for asynchronous calls.
        model: model of targets that do not name one.
        defaults: parameters of every request, in the API's form.
        refusals: `reply`: a refusal counts as an answer; `fail`: as a failure, and another target is called.
        cache_hints: hints for provider prompt caches; None: `CacheHints()`: a key per session for endpoints that accept one, and no
            marks.
        marks_end: False: the server ends its streams without a marker, so a truncated stream looks complete.
        clock: seconds; only differences count.
        options: arguments of the SDK clients built here, such as `api_key`, `base_url`, `timeout`.
    """

    provider: ClassVar[str]
    environment: ClassVar[Environment]

    def __init__(
        self,
        client: Any = None,
        async_client: Any = None,
        *,
        model: str = "",
        defaults: Mapping[str, Any] | None = None,
        refusals: str = "reply",
        cache_hints: CacheHints | None = None,
        marks_end: bool = True,
        clock: Callable[[], float] = time.monotonic,
        **options: Any,
    ) -> None:
        if refusals not in ("reply", "fail"):
            raise ConfigurationError(f"refusals={refusals!r}: use 'reply' or 'fail'")
        for name, given in (("client", client), ("async_client", async_client)):
            if isinstance(given, str):
                raise ConfigurationError(f"{name}={given!r} is not a client of the SDK: for a model, write model={given!r}")
        if options and (client or async_client):
            raise ConfigurationError(f"{', '.join(options)}: set these on the SDK client that you pass, not here")
        refuse_arguments(type(self).__name__, model, defaults, cache_hints, marks_end, options)
        self.model = model
        self._given = (_given(client), _given(async_client))
        self._defaults = dict(defaults or {})
        self.cache_hints = cache_hints or CacheHints()
        self.streams = bool(self._defaults.get("stream"))
        """Whether a request without the parameter `stream` is streamed."""
        self._fail_refused = refusals == "fail"
        self.marks_end = marks_end
        self._clock = clock
        self._options = {"max_retries": 0, **options}
        self._loops: PerLoop[Any] = PerLoop(lambda: self.build(asynchronous=True, **self._options), close="close")
        on_fork(self)
        for given in self._given:
            if retries := getattr(given, "max_retries", 0):
                warnings.warn(
                    f"this {type(given).__name__} has max_retries={retries}: it retries by itself before the router sees a failure; "
                    "build it without, and the router asks the next target at once",
                    HiddenRetries,
                    stacklevel=users_level(),
                )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self.model!r})"

    def __getstate__(self) -> dict[str, Any]:
        """State without keys and passed SDK clients: another process reads keys from its environment."""
        state = {name: value for name, value in vars(self).items() if name not in ("_loops", *_BUILT)}
        state["_options"] = {name: value for name, value in self._options.items() if name not in _SECRET_OPTIONS}
        return {**state, "_given": (None, None)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.forked()
        on_fork(self)

    def forked(self) -> None:
        """After a fork, rebuild the clients built here, since connections belong to the parent. The owner replaces passed ones."""
        for name in _BUILT:
            vars(self).pop(name, None)
        self._loops = PerLoop(lambda: self.build(asynchronous=True, **self._options), close="close")

    @property
    def served_by(self) -> str:
        """The provider at its address; if unknown, the provider of its protocol."""
        return provider_at(self._whereabouts[0]) or self.provider

    @property
    def account(self) -> str:
        """`account_of` its address and key."""
        return account_of(*self._whereabouts)

    @property
    def sends(self) -> Defaults:
        """Default settings of requests."""
        return defaults_of(self._defaults)

    @property
    def _whereabouts(self) -> tuple[str, Any]:
        return whereabouts_of(self._given[0] or self._given[1], self._options, self.environment)

    def request(self, **params: Any) -> NativeRequest:
        """Return a request from the API's own parameters, without `model`, which the router chooses; pass its `perform` to `drive`.

        Raises:
            ConfigurationError: `model` is given.
        """
        if "model" in params:
            raise ConfigurationError("model= is chosen by the router: leave it out, and name it in the targets")
        return NativeRequest(self, params)

    def perform(self, call: Call, params: Mapping[str, Any], named: bool = False) -> Iterator[Any]:
        """Make a call: the SDK's chunks, if `params` asks for a stream, then the `Reply`.

        A whole answer is here when this returns; a stream begins when its first chunk is read.

        Parameters:
            call: target and scope of the call.
            params: in the API's own words.
            named: whether the caller named the session; else its name is a digest of its beginning.

        Raises:
            TargetError: the provider failed; the SDK's exception is the cause.
        """
        method = self.method
        arguments = self.arguments(method, call, params, named)
        if arguments.get("stream"):
            return self._chunks(method, call, params, arguments)
        with translated(params):
            return iter((self.judged(*whole(method.raw(**arguments))),))

    def _chunks(self, method: SdkMethod, call: Call, params: Mapping[str, Any], arguments: Mapping[str, Any]) -> Iterator[Any]:
        begun, assembly = self._clock(), self.assembly()
        with translated(params):
            streaming()
            answer = method.call(**arguments)
            first = None
            with answer:
                for chunk in answer:
                    first = self._clock() - begun if first is None else first
                    assembly.hear(plain(chunk))
                    yield chunk
            yield self._ended(call, assembly, first, headers_of(answer))

    async def aperform(self, call: Call, params: Mapping[str, Any], named: bool = False) -> AsyncIterator[Any]:
        """As `perform`, asynchronously."""
        method = self._method_of(await self._async())
        arguments = self.arguments(method, call, params, named)
        begun, assembly = self._clock(), self.assembly()
        with translated(params):
            if not arguments.get("stream"):
                yield self.judged(*whole(await method.raw(**arguments)))
                return
            streaming()
            answer = await method.call(**arguments)
            first = None
            async with answer:
                async for chunk in answer:
                    first = self._clock() - begun if first is None else first
                    assembly.hear(plain(chunk))
                    yield chunk
            yield self._ended(call, assembly, first, headers_of(answer))

    # -- what each provider fills in -------------------------------------------------------------------------------

    @property
    @abstractmethod
    def dialect(self) -> Dialect:
        """The row of `switchwise.dialects` that the server speaks."""

    @abstractmethod
    def build(self, asynchronous: bool, **options: Any) -> Any:
        """A client of the SDK."""

    @abstractmethod
    def create(self, sdk: Any) -> Callable[..., Any]:
        """The SDK's method that makes a call."""

    @abstractmethod
    def assembly(self) -> Assembly:
        """Return an empty assembly of an answer."""

    @abstractmethod
    def complete_params(self, method: SdkMethod, call: Call, params: dict[str, Any], named: bool) -> dict[str, Any]:
        """Return the parameters with those that the API requires, and with the hints for its prompt cache."""

    @abstractmethod
    def render(self, prompt: Prompt, target: Target) -> dict[str, Any]:
        """Convert a neutral prompt to the API's parameters.

        Raises:
            TargetError: the API cannot express it.
        """

    @abstractmethod
    def text_of(self, chunk: Any) -> str:
        """The text that a chunk of a stream shows."""

    @abstractmethod
    def reply_of(self, raw: dict[str, Any], headers: Headers | None = None, first_chunk: float | None = None) -> Reply:
        """Read the reply from the JSON of a whole answer, which becomes its `raw`.

        Parameters:
            raw: as the API returns it.
            headers: of the HTTP response; None if unknown.
            first_chunk: seconds until the first chunk; None: not streamed.
        """

    @abstractmethod
    def refused(self, raw: Mapping[str, Any]) -> bool:
        """Return whether the model declined."""

    @abstractmethod
    def message_of(self, reply: Reply, model: str) -> dict[str, Any]:
        """Convert the answer of `model` to a neutral message, to append to the conversation."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Parameters of every request."""
        return self._defaults

    def asked(self, target: Target) -> str:
        """The model of a call to `target`."""
        return target.model or self.model or target.name

    def samples(self, target: Target) -> bool:
        """Return whether calls to `target` accept another temperature than 1, by the target, else by the catalogue."""
        known = target.can.sampling
        if known is None:
            known = abilities(target.provider or self.served_by, self.asked(target)).sampling
        return known is not False

    # -- shared ----------------------------------------------------------------------------------------------------

    @cached_property
    def sync(self) -> Any:
        """The synchronous client of the SDK."""
        client, other = self._given
        if client is None and other is not None:
            raise ConfigurationError(f"{self!r} has an asynchronous SDK client only: pass a synchronous one as client=")
        return client or self.build(asynchronous=False, **self._options)

    async def _async(self) -> Any:
        other, given = self._given
        if given is not None:
            return given
        if other is not None:
            raise ConfigurationError(f"{self!r} has a synchronous SDK client only: pass an asynchronous one as async_client=")
        return await self._loops.here()

    @cached_property
    def method(self) -> SdkMethod:
        """Of the synchronous client."""
        return self._method_of(self.sync)

    def _method_of(self, sdk: Any) -> SdkMethod:
        return SdkMethod.of(sdk, self.create(sdk), self.cache_hints.hint(str(getattr(sdk, "base_url", ""))))

    def arguments(self, method: SdkMethod, call: Call, params: Mapping[str, Any], named: bool) -> dict[str, Any]:
        """Keyword arguments for the SDK; what its method does not accept goes into `extra_body`."""
        if call.ask is not None:
            params = {"messages": [{"role": "user", "content": prompt_of(call)}]}
        if not _SAMPLING.isdisjoint(params) and not self.samples(call.target):
            params = {name: value for name, value in params.items() if name not in _SAMPLING or value == 1}
        model = self.asked(call.target)
        given = {"model": model, **self._defaults, **params}
        if call.target.effort:
            given = with_effort(self.dialect, model, call.target.effort, given)
        wanted = self.complete_params(method, call, given, named)
        accepted = method.parameters
        if accepted is None or accepted.issuperset(wanted):
            return wanted
        arguments = {name: value for name, value in wanted.items() if name in accepted}
        others = {name: value for name, value in wanted.items() if name not in accepted}
        return {**arguments, "extra_body": {**arguments.get("extra_body", {}), **others}}

    def _ended(self, call: Call, assembly: Assembly, first_chunk: float | None, headers: Headers | None) -> Reply:
        marked = self.marks_end and call.target.can.marks_end is not False
        if not assembly.complete and (marked or not assembly.raw):
            raise IncompleteStream("the stream ended without its terminal marker")
        return self.judged(assembly.finished(), headers, first_chunk)

    def judged(self, raw: dict[str, Any], headers: Headers | None = None, first_chunk: float | None = None) -> Reply:
        """Read the reply; see `reply_of`.

        Raises:
            TargetError: the answer is empty, or holds an error.
            Refusal: the model declined, and `refusals` is `fail`.
        """
        reply = self.reply_of(raw, headers, first_chunk)
        check_answer(reply, raw.get("error"))
        if self._fail_refused and self.refused(raw):
            raise Refusal(reply.text or "the model declined")
        return reply


@dataclass(frozen=True)
class NativeRequest:
    """A request in the words of one API, without a model, which the router chooses: `drive(router.start(view), request.perform)`.

    Parameters:
        client: performs the calls.
        params: in the API's own words.
    """

    client: Client
    params: Mapping[str, Any]

    def perform(self, call: Call) -> Iterator[Any]:
        """Make a call, for `drive`."""
        return self.client.perform(call, self.params, bool(call.view.scope.session))

    def aperform(self, call: Call) -> AsyncIterator[Any]:
        """Make a call, for `adrive`."""
        return self.client.aperform(call, self.params, bool(call.view.scope.session))


def _given(client: Any) -> Any:
    """Prepare a passed SDK client: without default retries, and with connections per event loop."""
    if not is_sdk_client(client):
        return client
    return for_each_loop(without_retries(client) if client.max_retries == DEFAULT_RETRIES else client)
