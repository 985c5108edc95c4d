"""Call targets of several providers through one router, with one message format.

clients = Clients({"strong": AnthropicClient(model="claude-opus-5-5"), "fast": OpenAIClient(model="gpt-6-luna")})
messages = [{"role": "user", "content": "Hello"}]
answer = clients.complete(messages, session="s1")
messages.append(answer.message)
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from switchwise import catalog
from switchwise.adapting.efforts import AtEffort
from switchwise.adapting.models import by_name
from switchwise.clients.completion import Completion, Signal, Stream
from switchwise.clients.recording import PromptRecording, given_again
from switchwise.clients.sdk import Client
from switchwise.clients.views import PromptViews, sorted_options
from switchwise.engine.drive import adrive, drive
from switchwise.engine.run import Run
from switchwise.nouns.call import Call
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.on_broken import OnBroken
from switchwise.nouns.exchange.reply import Reply
from switchwise.nouns.target import Defaults, Pool, Target
from switchwise.nouns.view import View
from switchwise.observe.side_by_side import TASK, Side, SideBySide, side_by_side
from switchwise.policies.default_chain import Aim
from switchwise.protocols.openai_chat import text_of
from switchwise.protocols.prompt import Message, Prompt
from switchwise.router import Router
from switchwise.state.in_process import Memory

Given = Client | AtEffort | str
_ANSWERS = 256
"""Most answers whose target is remembered: some models refuse to continue another's."""


if TYPE_CHECKING:
    from switchwise.catalog import Catalog
    from switchwise.config import TargetEndpoint


class Clients:
    """A router over SDK clients.

    Parameters:
        clients: target name -> client, `openai:model` or `anthropic:model`, strongest first, or one at an effort (`efforts`), or a list of clients of
            one model, each with a key of its own; or a list of all these, which are then called by their models.
        router: chooses among targets of these names; None: the default chain, with prices and capabilities from the catalogue, which
            needs the `model` of every client.
        aim: `quality` (the default), `balanced` or `cost`; see `Router.default`. Not together with `router`.
        on_broken: what to do when a stream breaks off after part of it was shown; see `Router`. Not together with `router`.

    Raises:
        ConfigurationError: router and clients do not name the same targets, a model is missing, or an argument is not a client.
    """

    def __init__(
        self,
        clients: Mapping[str, Given | Sequence[Given]] | Sequence[Given | Sequence[Given]],
        router: Router | None = None,
        *,
        aim: Aim | None = None,
        on_broken: OnBroken | None = None,
    ) -> None:
        if isinstance(clients, str) or not isinstance(clients, Mapping | Sequence):
            raise ConfigurationError(f"clients={clients!r:.80}: give target name -> client, such as OpenAIClient(model=...)")
        if router is not None and not isinstance(router, Router):
            raise ConfigurationError(f"router={router!r:.80}: give Router(pool, ...)")
        if router is not None and aim is not None:
            raise ConfigurationError(f"aim={aim!r} belongs to the router that you give: Router.default(pool, aim={aim!r})")
        if router is not None and on_broken is not None:
            raise ConfigurationError(
                f"on_broken={on_broken!r:.80} belongs to the router that you give: Router(pool, ..., on_broken=...)"
            )
        found = by_name(clients, {}, "client", _from_string, _Named)
        self.by_target = {name: each.client for name, each in found.items()}
        self.router = router or Router.default(_pool(found.values()), aim or "quality", on_broken=on_broken or "raise")
        if router is not None:
            router.set_clients(found, "clients")
        self.views = PromptViews()
        self._makers: Memory[int, str] = Memory(_ANSWERS)

    @classmethod
    def from_file(
        cls,
        path: str | Path | None = None,
        router: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        reload: float | None = None,
        catalog: Catalog | None = None,
        **options: Any,
    ) -> Self:
        """Return clients with a router from a configuration file.

        Parameters:
            path, router, labels, reload, catalog, options: as in `Router.from_file`.

        Raises:
            ConfigurationError: the file is invalid, a key is missing, or a provider is not supported.
        """
        clients, made = Router.with_models(client_of, path, router, labels=labels, reload=reload, catalog=catalog, **options)
        return cls(clients, made)

    def complete(self, messages: Sequence[Message], **options: Any) -> Completion:
        """Return the whole answer.

        Parameters:
            messages: the conversation so far. Messages are read once: append new ones, do not change old ones in place.
            options: tools, tool_choice, parallel_tool_calls, schema, max_tokens, temperature, top_p, stop, extra (see `Prompt`);
                session, agent, task, labels, deadline, tenant, limits (see `Scope`); target: the only target or role that may answer.

        Raises:
            NoTarget, BudgetExceeded: no target may be called.
            AllTargetsFailed: every target that may be called failed.
        """
        view, prompt = self._ready(messages, options, stream=False)
        run = self.router.start(view)
        for _ in drive(run, lambda call: self.perform(call, prompt)):
            pass
        return self._completion(run)

    async def acomplete(self, messages: Sequence[Message], **options: Any) -> Completion:
        """As `complete`, asynchronously."""
        view, prompt = self._ready(messages, options, stream=False)
        run = self.router.start(view)
        async for _ in adrive(run, lambda call: self._aperform(call, prompt)):
            pass
        return self._completion(run)

    def stream(self, messages: Sequence[Message], **options: Any) -> Stream:
        """Return a stream of the answer's text. Parameters as in `complete`.

        Raises:
            Interrupted: while iterating: the answer broke off after part of it was shown. The errors of `complete` are also raised while
                iterating: the decision and reservations are made at the first read.
        """
        ready = self._ready(messages, options, stream=True)
        begun: list[Run] = []
        return Stream(self._streamed(ready, begun), lambda: self._finished(begun))

    def astream(self, messages: Sequence[Message], **options: Any) -> Stream:
        """As `stream`, asynchronously: `async for text in clients.astream(...)`."""
        ready = self._ready(messages, options, stream=True)
        begun: list[Run] = []
        return Stream(self._astreamed(ready, begun), lambda: self._finished(begun))

    def _streamed(self, ready: tuple[View, Prompt], begun: list[Run]) -> Generator[str]:
        """Decide and reserve at the first read."""
        view, prompt = ready
        begun.append(run := self._watched(view))
        yield from drive(run, lambda call: self.perform(call, prompt))

    async def _astreamed(self, ready: tuple[View, Prompt], begun: list[Run]) -> AsyncGenerator[str]:
        view, prompt = ready
        begun.append(run := self._watched(view))
        async with aclosing(adrive(run, lambda call: self._aperform(call, prompt))) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk

    def _watched(self, view: View) -> Run:
        run = self.router.start(view)
        run.signals = lambda broken: (Signal(broken),)
        return run

    def _finished(self, begun: list[Run]) -> Completion:
        if not begun:
            raise RuntimeError("the stream has no completion: it has not been read")
        return self._completion(begun[0])

    def compare(
        self,
        messages: Sequence[Message],
        targets: Iterable[str] | None = None,
        *,
        progress: Callable[[Side], object] | None = None,
        **options: Any,
    ) -> SideBySide:
        """Call several targets with the same request and compare answers, tokens, cost and latency. The calls are billed, and recorded in
        the journal as a separate session.

        Parameters:
            messages, options: as in `complete`.
            targets: names or roles; None: all.
            progress: called with each finished answer, such as `print`; None: a progress bar in a terminal or notebook.
        """
        where = {"session": f"{TASK}-{uuid.uuid4().hex[:8]}", "task": TASK}
        return side_by_side(
            self.router.pool, targets, lambda name: self.complete(messages, **{**where, **options, "target": name}), progress
        )

    def _ready(self, messages: Sequence[Message], options: dict[str, Any], stream: bool) -> tuple[View, Prompt]:
        scope, target, prompt = sorted_options(messages, stream, **options)
        last = messages[-1]
        if last.get("role") == "assistant" and not last.get("tool_calls"):
            prompt = replace(prompt, ended_by=self._makers.get(hash(text_of(last.get("content")))) or "")
        view = self.views.view(prompt, scope, target, stream)
        if self.router.cache is not None:
            view = replace(view, recording=PromptRecording(prompt, self.by_target, self.router.pool))
        return view, prompt

    def perform(self, call: Call, prompt: Prompt) -> Iterator[str | Reply]:
        """Make a call, for `drive`."""
        client = self.by_target[call.target.name]
        if call.stored is not None:
            return given_again(call.stored, client, prompt.stream)
        params = _params(client, call, prompt)
        items = client.perform(call, params, "session" in call.view.named)
        return _texts(items, client, _pieces(call, prompt)) if params.get("stream", client.streams) else items

    async def _aperform(self, call: Call, prompt: Prompt) -> AsyncIterator[str | Reply]:
        client = self.by_target[call.target.name]
        if call.stored is not None:
            for item in given_again(call.stored, client, prompt.stream):
                yield item
            return
        pieces = _pieces(call, prompt)
        async for item in client.aperform(call, _params(client, call, prompt), "session" in call.view.named):
            if isinstance(item, Reply):
                yield item if pieces is None else replace(item, pieces=pieces)
            elif text := client.text_of(item):
                if pieces is not None:
                    pieces.append(text)
                yield text

    def _completion(self, run: Run) -> Completion:
        outcome = run.outcome
        attempt, reply = outcome.attempt, outcome.reply
        client = self.by_target[attempt.target.name]
        model = client.asked(attempt.target)
        if reply.text:
            self._makers.put(hash(reply.text), model)
        message = client.message_of(reply, model)
        if (broken := attempt.call.broken) is not None and broken.text:
            message = {**message, "content": broken.text + text_of(message.get("content"))}
        return Completion(outcome, message)


_OF_THE_SDK = frozenset(["default_headers", "default_query", "max_retries", "organization", "project"])


def client_of(endpoint: TargetEndpoint) -> Client:
    """Return the client for a target of a configuration file.

    Raises:
        ConfigurationError: its provider is not supported, or a key is missing.
    """
    from switchwise.clients.anthropic import AnthropicClient
    from switchwise.clients.openai import OpenAIClient

    target, given = endpoint.target, endpoint.options()
    if endpoint.api == "responses":
        raise ConfigurationError(f"target {target.name!r}: api = 'responses' is not supported by these clients: use 'chat'")
    defaults = {name: value for name, value in endpoint.settings.items() if name not in _OF_THE_SDK}
    options = {name: value for name, value in given.items() if name not in defaults}
    defaults = {name: given[name] for name in defaults}
    if target.provider == "anthropic" or endpoint.api == "messages":
        return AnthropicClient(model=target.model, defaults=defaults, **options)
    if target.provider != "openai" and "base_url" not in options:
        raise ConfigurationError(
            f"target {target.name!r}: these clients speak to openai and anthropic; for {target.provider} give base_url = "
            "the address at which it speaks OpenAI's Chat Completions, and key = where its key is"
        )
    if target.provider == "openai" and "max_tokens" in defaults:
        defaults["max_completion_tokens"] = defaults.pop("max_tokens")
    return OpenAIClient(model=target.model, defaults=defaults, **options)


@dataclass(frozen=True, slots=True)
class _Named:
    """A client as a target."""

    name: str
    client: Client
    effort: str = ""
    key_of: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.client, Client):
            raise ConfigurationError(
                f"clients={self.client!r:.80}: give target name -> client, such as OpenAIClient(model=...)"
            )
        if not self.name:
            if not self.client.model:
                raise ConfigurationError(f"clients=[{self.client!r}, ...]: give a mapping of names, or a client with model=")
            object.__setattr__(self, "name", self.client.model)

    @property
    def account(self) -> str:
        """Of the client."""
        return self.client.account

    @property
    def defaults(self) -> Defaults:
        """Of the client."""
        return self.client.sends


def _from_string(text: str, options: Mapping[str, Any]) -> Client:
    """Return the client of `provider:model`; its key is read from the environment."""
    provider, _, model = text.partition(":")
    if provider not in ("openai", "anthropic") or not model:
        raise ConfigurationError(
            f"clients={text!r:.80}: give 'openai:model' or 'anthropic:model', or a client, such as OpenAIClient(model=..., base_url=...)"
        )
    from switchwise.config import TargetEndpoint

    return client_of(TargetEndpoint(Target(model, provider, model), settings=options))


def _pool(clients: Iterable[_Named]) -> Pool:
    given = [*clients]
    if nameless := [each.name for each in given if not each.client.model]:
        raise ConfigurationError(f"without a router, each client needs model=...; missing for {', '.join(nameless)}")
    return Pool(
        replace(
            catalog.target(
                each.name,
                provider=each.client.served_by,
                model=each.client.model,
                account=each.account,
                defaults=each.defaults,
            ),
            effort=each.effort,
            key_of=each.key_of,
        )
        for each in given
    )


def _texts(items: Iterator[Any], client: Client, pieces: list[str] | None) -> Iterator[str | Reply]:
    """Yield the texts of a streamed call, then its reply, with `pieces` where they are kept."""
    for item in items:
        if isinstance(item, Reply):
            yield item if pieces is None else replace(item, pieces=pieces)
        elif text := client.text_of(item):
            if pieces is not None:
                pieces.append(text)
            yield text


def _pieces(call: Call, prompt: Prompt) -> list[str] | None:
    """List for the texts of a stream, if a cache may store them."""
    return [] if prompt.stream and call.view.recording is not None and call.ask is None else None


def _params(client: Client, call: Call, prompt: Prompt) -> dict[str, Any]:
    if call.ask is not None:
        return {}
    if call.note:
        shown = [{"role": "assistant", "content": call.continued}] if call.continued else []
        prompt = replace(prompt, messages=[*prompt.messages, *shown, {"role": "user", "content": call.note}], ended_by="")
    return client.render(prompt, call.target)
