"""`LoopbackProvider`: a local server with the protocols of OpenAI and Anthropic.

A request passes these stages; the first one that refuses it answers: key -> body is JSON -> injected fault -> model is known -> `check`
(strictness) -> window -> cache -> answer -> response.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl

from .answers.responder import DefaultResponder
from .anthropic.batches import MessageBatches
from .anthropic.messages import Messages, count_tokens
from .nouns.errors import Reject, json_object
from .nouns.prompt import Prompt
from .nouns.types import Answer, Request, Seen, Usage
from .openai.batches import Batches
from .openai.chat import ChatCompletions
from .openai.decisions import Decisions
from .openai.responses import Responses
from .serving.caching import RULES, CacheRule, PromptCache, Ticket
from .serving.disturbed import Event, Reset, Stall, disturb
from .serving.faults import ANSWERED, NOT_STREAMED, Fault, FaultBook, Injected, rejection
from .serving.garbled import GARBLED, garbled
from .serving.headers import REQUEST_IDS, authenticate, limits
from .serving.jobs import Asked, Item, Made
from .serving.models import listed, not_found
from .serving.transport import Response, Server
from .serving.wire import Reply, Wire, bounded, shaped, weight
from .typesafe.system_one import SystemOne

Responder = Callable[[Request], Answer]


class LoopbackProvider:
    """A provider on 127.0.0.1 that works with the official SDKs.

    Parameters:
        answer: a callable that answers each `Request`; or answers used in order, after which requests get an error of status 400; or None
            for a deterministic default (`responder`). A callable runs on the thread of its request.
        seed: varies ids and free texts.
        clock: seconds; drives the lifetime of prompt caches, and the batches.
        chunk_tokens: size of the pieces of a stream, in tokens.
        models: existing models; others are not found. None: all exist.
        windows: tokens of context per model; larger requests are refused. Models without one are unbounded.
        latency: seconds before the response begins, by model; `"*"` for all others.
        pace: seconds before each piece of content of a stream, by model.
        batch_time: duration of a batch in seconds, by model; 24 hours or more: it expires.
        strict: refuse what the real APIs refuse.
        cache_rules: changes to `caching.RULES`, by beginning of the model name.
        trusted_signatures: signatures of thinking (Anthropic) and encrypted reasoning (OpenAI) of the real APIs to accept, for recorded
            conversations.
        port: port on 127.0.0.1; 0: a free port.
        keep: most requests kept in `requests`; None: all.
        observe: called with each recorded request, on the thread of the request.

    Raises:
        OSError: from `start`, if the port is taken.
        Exception: on leaving the `with` block (or at `stop`): the callable's first exception. Its request got status 400.

    >>> with LoopbackProvider(answer=[Answer("hello")]) as provider:
    ...     url = provider.openai_url
    """

    def __init__(
        self,
        answer: Responder | Sequence[Answer] | None = None,
        *,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
        chunk_tokens: int = 4,
        models: Iterable[str] | None = None,
        windows: Mapping[str, int] | None = None,
        latency: Mapping[str, float] | None = None,
        pace: Mapping[str, float] | None = None,
        batch_time: Mapping[str, float] | None = None,
        strict: bool = True,
        cache_rules: Mapping[str, CacheRule] | None = None,
        trusted_signatures: Iterable[str] = (),
        port: int = 0,
        keep: int | None = None,
        observe: Callable[[Seen], None] | None = None,
    ) -> None:
        self._responder = _responder(answer, seed)
        self._seed = seed
        self._chunk_tokens = chunk_tokens
        self._models = None if models is None else tuple(models)
        self._windows = dict(windows or {})
        self._latency = dict(latency or {})
        self._pace = dict(pace or {})
        self._strict = strict
        self._cache = PromptCache(clock, {**RULES, **(cache_rules or {})})
        self._faults = FaultBook()
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._seen: deque[Seen] = deque(maxlen=keep)
        self._observe = observe
        self._port = port
        self._failure: Exception | None = None
        self._server: Server | None = None
        trusted = frozenset(trusted_signatures)
        self._responses = Responses(trusted)
        self._wires: Mapping[str, Wire] = {
            "/v1/chat/completions": ChatCompletions(),
            "/v1/responses": self._responses,
            "/v1/decisions": Decisions(),
            "/v1/messages": Messages(trusted),
            "/v1/systemone": SystemOne(),
        }
        batching = clock, self._of_batch, dict(batch_time or {}), seed
        self._batches = Batches(*batching), MessageBatches(*batching)

    # -- life ------------------------------------------------------------------------------------------------------

    def start(self) -> LoopbackProvider:
        """Start the server; return itself."""
        if self._server is None:
            self._server = Server(self, self._port)
            self._server.start()
        return self

    def stop(self) -> None:
        """Stop at once, cutting stalled and streaming requests. Raises the callable's first exception, if there is one."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def __enter__(self) -> LoopbackProvider:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            self._failure = None  # the caller's own error says more
        self.stop()

    # -- public ---------------------------------------------------------------------------------------------------

    @property
    def anthropic_url(self) -> str:
        """Base URL for Anthropic clients."""
        if self._server is None:
            raise RuntimeError("the loopback provider is not running: use it as a context manager, or call start()")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def openai_url(self) -> str:
        """Base URL for OpenAI clients."""
        return f"{self.anthropic_url}/v1"

    @property
    def requests(self) -> tuple[Seen, ...]:
        """All requests so far, in order of their responses' beginning."""
        with self._lock:
            return tuple(self._seen)

    def inject(
        self,
        fault: Fault,
        *,
        times: int | None = 1,
        model: str | None = None,
        provider: str | None = None,
        retry_after: float | None = None,
        seconds: float = 30.0,
        after: int = 1,
        api: str | None = None,
    ) -> None:
        """Inject a fault into requests.

        Parameters:
            fault: kind of failure. times: number of requests; None: until `clear`.
            model, provider: affected requests; None: all. `provider` is `openai`, `anthropic` or `typesafe`.
            retry_after: seconds, for RATE_LIMIT; None sends no such header.
            seconds: duration of stalls.
            after: pieces of content before the fault, for mid-stream faults.
            api: affected requests: `chat`, `responses`, `messages` (also in a batch), or `batches` and `files`; None: all.
        """
        self._faults.add(Injected(fault, times, model, provider, retry_after, seconds, after, api))

    def clear(self) -> None:
        """Remove all injected faults. Recorded requests and prompt caches are kept: see `forget`."""
        self._faults.clear()

    def forget(self) -> None:
        """Forget recorded requests, prompt caches, stored responses, files and batches. Injected faults are kept: see `clear`."""
        self._responses.store.clear()
        self._cache.clear()
        for each in self._batches:
            each.clear()
        with self._lock:
            self._seen.clear()

    # -- internal ----------------------------------------------------------------------------------------------------

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """One request. Called by the server's threads."""
        path, _, query = path.partition("?")
        request_id = f"req_{uuid.uuid4().hex[:24]}"
        wire = self._wires.get(path)
        anthropic = path.startswith("/v1/messages") or "anthropic-version" in headers or "x-api-key" in headers
        provider = wire.provider if wire else "anthropic" if anthropic else "openai"
        api = wire.api if wire else path.rsplit("/", 1)[-1]
        seen = Seen(provider, api, "", {}, headers, 0)
        try:
            key = authenticate(provider, headers)
            for each in self._batches:
                if api_of := each.api(path):
                    seen = replace(seen, provider=each.provider, api=api_of)
                    asked = Asked(method, path, dict(parse_qsl(query)), headers, body, key, self.anthropic_url)
                    return self._about_batches(each, seen, asked, request_id)
            if method == "GET":
                return self._json(seen, 200, listed(path, provider, self._models), request_id)
            parsed = json_object(body)
            model = parsed.get("model")
            seen = replace(seen, body=parsed, model=model if isinstance(model, str) else "")
            if path == "/v1/messages/count_tokens":
                return self._json(seen, 200, count_tokens(parsed), request_id)
            if wire is None or method != "POST":
                raise Reject(404, f"Invalid URL ({method} {path})" if provider == "openai" else "Not found")
            return self._answer(wire, seen, key, request_id)
        except Reject as reject:
            return self._refuse(seen, reject, request_id)

    def _answer(self, wire: Wire, seen: Seen, key: str, request_id: str) -> Response:
        injected = self._faults.take(wire.provider, seen.model, wire.api)
        fault = injected.fault if injected else None
        if injected and fault:
            seen = replace(seen, fault=fault.name)
            if not seen.body.get("stream"):
                fault = NOT_STREAMED.get(fault, fault)
            self._strike(seen, injected, fault)
        if self._models is not None and seen.model not in self._models:
            raise not_found(wire.provider, wire.api, seen.model)
        prompt, request = self._understand(wire, seen.body)
        window = self._windows.get(seen.model)
        if window is not None and prompt.tokens + (request.max_tokens or 0) > window:
            raise wire.overflow(prompt.tokens, request.max_tokens or 0, window)
        ticket = self._cache.begin(wire.provider, f"{key}/{seen.model}", seen.model, prompt, seen.body)
        answer, hit = bounded(request, self._ask(request, fault))
        number = next(self._numbers)
        usage = answer.usage or _usage(prompt.tokens, ticket, answer, minimum=0 if request.max_tokens == 0 else 1)
        reply = Reply(request, answer, usage, f"{self._seed}:{number}", int(time.time()), self._chunk_tokens, hit)
        if not seen.batch:
            self._wait(seen.model)
        self._cache.commit(ticket)
        seen = replace(seen, status=200, usage=usage, answer=answer)
        if fault is not None and fault in GARBLED:
            self._record(replace(seen, error=fault.value))
            sound = list(wire.stream(reply)) if request.stream else []
            kind, body = garbled(fault, wire.api, request.stream, json.dumps(wire.whole(reply)).encode(), sound)
            return Response(200, {"content-type": kind}, body)
        if not request.stream:
            return self._json(seen, 200, wire.whole(reply), request_id)
        self._record(seen)
        events = wire.stream(reply)
        if injected and fault not in ANSWERED:
            events = disturb(events, injected, wire.failures(reply))
        sent = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
        return Response(
            200, {**sent, **limits(wire.provider, usage, request_id), **answer.headers}, self._paced(events, seen.model)
        )

    def _about_batches(self, batches: Batches | MessageBatches, seen: Seen, asked: Asked, request_id: str) -> Response:
        """A request about batches or files."""
        injected = self._faults.take(seen.provider, "", seen.api)
        if injected is not None:
            fault = NOT_STREAMED.get(injected.fault, injected.fault)
            seen = replace(seen, fault=fault.name)
            self._strike(seen, injected, Fault.SERVER_ERROR if fault in ANSWERED or fault in GARBLED else fault)
        response = batches.respond(asked)
        self._record(replace(seen, status=response.status))
        return replace(response, headers={**response.headers, REQUEST_IDS[seen.provider]: request_id})

    def _of_batch(self, batch: str, key: str, item: Item) -> Made:
        """Answer one request of a batch."""
        wire, request_id = self._wires[item.path], f"req_{uuid.uuid4().hex[:24]}"
        model = item.body.get("model")
        seen = Seen(wire.provider, wire.api, model if isinstance(model, str) else "", item.body, {}, 0, batch=batch)
        try:
            if item.body.get("stream"):
                raise Reject(400, "Streaming is not supported in a batch.", "invalid_request_error", "stream")
            response = self._answer(wire, seen, key, request_id)
            body = json.loads(response.body) if isinstance(response.body, bytes) else {}
            return Made(response.status, body, request_id)
        except (Reject, Reset, Stall, ValueError) as error:
            reject = (
                error if isinstance(error, Reject) else Reject(500, "The server had an error while processing your request.")
            )
            self._record(replace(seen, status=reject.status, error=reject.message, fault=reject.fault))
            return Made(reject.status, reject.payload(wire.provider, request_id), request_id)

    def _understand(self, wire: Wire, body: Mapping[str, Any]) -> tuple[Prompt, Request]:
        try:
            shaped(wire.provider, body)
            if self._strict:
                wire.check(body)
            elif not body.get("model"):
                raise Reject(400, "you must provide a model parameter", "invalid_request_error")
            return wire.prompt(body), wire.read(body)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:  # any JSON may come in: not an outage
            raise Reject(400, f"Invalid body: {error!r}", "invalid_request_error") from error

    def _strike(self, seen: Seen, injected: Injected, fault: Fault) -> None:
        """Apply a fault that needs no answer."""
        if fault in (Fault.RESET, Fault.STALL):
            self._record(replace(seen, error=fault.value))
            self._wait(seen.model)
            raise Reset if fault is Fault.RESET else Stall(injected.seconds)
        if fault not in ANSWERED and fault not in NOT_STREAMED and fault not in GARBLED:
            raise rejection(injected, fault, seen.provider, seen.api, seen.model)

    def _wait(self, model: str) -> None:
        """Wait for the latency of a model, or until the server stops."""
        self._sleep(self._latency.get(model, self._latency.get("*", 0.0)))

    def _sleep(self, seconds: float) -> None:
        if seconds and self._server is not None:
            self._server.stopping.wait(seconds)

    def _paced(self, events: Iterator[Event], model: str) -> Iterator[bytes]:
        """The bytes of a stream, with the pauses of its pace."""
        pace = self._pace.get(model, self._pace.get("*", 0.0))
        for event in events:
            self._sleep(event.after + (pace if event.content else 0.0))
            yield event.data

    def _ask(self, request: Request, fault: Fault | None) -> Answer:
        if fault is Fault.REFUSAL:
            return Answer("I'm sorry, I can't assist with that request.", stop_reason="refusal")
        try:
            if not isinstance(answer := self._responder(request), Answer):
                raise TypeError(f"answer= gave {answer!r:.80} for an answer: give a switchwise_loopback.Answer")
        except Reject:
            raise
        except Exception as error:  # any exception of the caller's code must not look like an outage
            with self._lock:
                self._failure = self._failure or error
            raise Reject(400, f"loopback: the answer callable raised {error!r}", code="loopback_answer_failed") from error
        return replace(answer, stop_reason="content_filter") if fault is Fault.CONTENT_FILTER else answer

    def _json(self, seen: Seen, status: int, body: Mapping[str, Any], request_id: str) -> Response:
        self._record(replace(seen, status=status))
        own = seen.answer.headers if seen.answer is not None else {}
        headers = {"content-type": "application/json", **limits(seen.provider, seen.usage, request_id), **own}
        return Response(status, headers, json.dumps(body, ensure_ascii=False).encode())

    def _refuse(self, seen: Seen, reject: Reject, request_id: str) -> Response:
        self._record(replace(seen, status=reject.status, error=reject.message, fault=reject.fault))
        kind, body = reject.body(seen.provider, request_id)
        headers = {"content-type": kind, **reject.headers}
        if not reject.plain:
            headers[REQUEST_IDS[seen.provider]] = request_id
        if seen.provider == "anthropic" and reject.status < 500:
            headers.setdefault("x-should-retry", "true" if reject.status == 429 else "false")
        return Response(reject.status, headers, body)

    def _record(self, seen: Seen) -> None:
        with self._lock:
            self._seen.append(seen)
        if self._observe is not None:
            self._observe(seen)


def _responder(answer: Responder | Sequence[Answer] | None, seed: int) -> Responder:
    if answer is None:
        return DefaultResponder(seed)
    if callable(answer):
        return answer
    script, lock = iter(tuple(answer)), threading.Lock()

    def next_of_script(_: Request) -> Answer:
        with lock:
            made = next(script, None)
        if made is None:
            raise Reject(400, "loopback: the script of answers is exhausted", code="loopback_script_exhausted")
        return made

    return next_of_script


def _usage(prompt: int, ticket: Ticket, answer: Answer, minimum: int) -> Usage:
    reasoning = weight(Answer(text=answer.reasoning))
    return Usage(prompt, max(minimum, weight(answer)), ticket.read, ticket.write_5m, ticket.write_1h, reasoning)
