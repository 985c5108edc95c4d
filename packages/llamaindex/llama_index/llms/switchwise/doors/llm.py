"""Switchwise: a LlamaIndex LLM that sends each call to the LLM that should answer it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from pickle import PicklingError
from typing import Any, Self, TypeVar
from warnings import catch_warnings, simplefilter

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.prompts import BasePromptTemplate
from llama_index.core.tools import BaseTool
from llama_index_instrumentation import dispatcher as _spans
from pydantic import BaseModel, Field, PrivateAttr
from pydantic.json_schema import SkipJsonSchema

from llama_index.llms.switchwise.answering.replies import target_named, tool_calls_in
from llama_index.llms.switchwise.calling.step_runner import StepRunner
from llama_index.llms.switchwise.doors.from_file import parts_of_file
from llama_index.llms.switchwise.models.native import Models, common_metadata, natives, pool_of
from llama_index.llms.switchwise.models.pickling import packed, unpacked_all
from llama_index.llms.switchwise.models.request import (
    ChatRequest,
    StructuredRequest,
    ToolRequest,
    chat_request,
    completion_request,
    history,
)
from llama_index.llms.switchwise.reading.scope import capture
from switchwise import ConfigurationError, Router
from switchwise.adapting.models import by_key
from switchwise.catalog import Catalog
from switchwise.engine.policy import Verifier
from switchwise.nouns.exchange.on_broken import OnBroken
from switchwise.observe.explain import Explanation
from switchwise.observe.observer import Observes
from switchwise.observe.side_by_side import TASK, Side, SideBySide, side_by_side
from switchwise.policies.default_chain import Aim
from switchwise.prompt_cache.cache_hints import CacheHints

Model = TypeVar("Model", bound=BaseModel)
Method = TypeVar("Method", bound=Callable[..., Any])
Tools = Sequence[BaseTool]
Message = str | ChatMessage | None
_SPANNED = getattr(_spans, "DISPATCHER_SPAN_DECORATED_ATTR", "__dispatcher_span_decorated__")
_FIELDS = frozenset(
    [
        "callback_manager",
        "completion_to_prompt",
        "labels",
        "messages_to_prompt",
        "output_parser",
        "pydantic_program_mode",
        "query_wrapper_prompt",
        "system_prompt",
    ]
)


def unspanned(method: Method) -> Method:
    """Prevent LlamaIndex from opening a span around a method, as it does for every LLM.

    The target opens the span of the call. A second span would show each call twice in traces, and cost as much time as the routing.
    """
    setattr(method, _SPANNED, True)
    return method


class Switchwise(FunctionCallingLLM):
    """An LLM that sends each call to the LLM that should answer it, and falls back to the next one.

    Use it in place of a LlamaIndex LLM: in agents and workflows, query and chat engines, programs, as `Settings.llm`. One instance may
    serve several agents and threads, and as many event loops as its LLMs can. Each response's `additional_kwargs["switchwise"]` has the
    decision; the message does not, since it is sent again.

    Every method takes `route={...}` for a single call (structured ones in `llm_kwargs`), with the keywords of `route_scope`.

    Parameters:
        models: LlamaIndex LLMs or `provider:model` strings, strongest first; or a mapping of names to them.
        router: chooses among them; its pool must have the names of `models`. None: `Router.default` over `models`.
        aim: `quality` (the default), `balanced` or `cost`; see `Router.default`. Not together with `router`.
        verify: verifier of answers before they are shown; see `switchwise.verifiers`. Not together with `router`.
        on_broken: what to do when a stream breaks off after part of it was shown; see `switchwise.Router`. Not together with `router`.
        observers: receive decisions, attempts and events; see `switchwise.observe`. Not together with `router`.
        catalog: prices and capabilities of models, such as a catalogue with your overrides.
        cache_hints: hints for prompt caches (`switchwise.prompt_cache.CacheHints`); None: a key per thread of a named session for
            endpoints that accept one, and no marks.
        settings: fields of LlamaIndex's LLMs (`system_prompt`, `callback_manager`, ...); anything else is passed to the constructors of
            the models given as strings.

    Raises:
        ConfigurationError: an argument is invalid; the message names the field and the remedy.

    >>> from llama_index.core.llms import MockLLM
    >>> import warnings; warnings.simplefilter("ignore")  # a mock has no price
    >>> llm = Switchwise({"strong": MockLLM(), "fast": MockLLM(max_tokens=2)})
    >>> answer = llm.complete("one two three four", route={"target": "fast"})
    >>> answer.text, answer.additional_kwargs["switchwise"]["target"]
    ('text text', 'fast')
    """

    models: dict[str, Any] = Field(exclude=True, repr=False, description="Target name -> LLM; in no dump, since LLMs hold keys")
    labels: dict[str, Any] = Field(default_factory=dict, description="Keywords of `bind`: the caller.")

    runner: SkipJsonSchema[StepRunner] = Field(  # type: ignore[assignment]  # None only until the constructor is done
        default=None, exclude=True, repr=False, description="what all copies share; made by the constructor"
    )
    _own_router: bool = PrivateAttr(default=False)
    _cache_hints: CacheHints | None = PrivateAttr(default=None)
    _shared: Any = PrivateAttr(default=None)  # the callback manager that we passed to the targets

    def __init__(
        self,
        models: Models = (),
        *,
        router: Router | None = None,
        aim: Aim | None = None,
        verify: Verifier | None = None,
        on_broken: OnBroken | None = None,
        observers: Sequence[Observes] = (),
        catalog: Catalog | None = None,
        cache_hints: CacheHints | None = None,
        **settings: Any,
    ) -> None:
        found = natives(models, {key: value for key, value in settings.items() if key not in _FIELDS})
        given = router
        if router is None:
            options: dict[str, Any] = {"verify": verify, "observers": observers, "on_broken": on_broken or "raise"}
            router = Router.default(pool_of(found.values(), catalog), aim or "quality", **options)
        elif not isinstance(router, Router):
            raise ConfigurationError(f"router={router!r:.80}: give a Router")
        elif verify is not None or observers or aim or on_broken:
            raise ConfigurationError(
                "verify=, observers=, aim= and on_broken= belong to the router where one is given: Router.default(pool, aim, verify=, ...)"
            )
        else:
            router.set_clients(found)
        super().__init__(
            models={name: native.llm for name, native in found.items()},
            **{key: value for key, value in settings.items() if key in _FIELDS and value is not None},
        )
        self.runner = StepRunner(found, router, cache_hints)
        self._own_router = given is None and not any((verify, catalog, aim, on_broken, observers))
        self._cache_hints = cache_hints
        self._share_callbacks()

    # -- description

    @classmethod
    def from_file(cls, path: str | Path | None = None, router: str | None = None, **options: Any) -> Self:
        """Return an LLM from a configuration file; `options` are those of `doors.from_file.parts_of_file`."""
        return cls(**parts_of_file(path, router, **options))

    @classmethod
    def class_name(cls) -> str:
        return "Switchwise"

    @property
    def router(self) -> Router:
        """The router."""
        return self.runner.router

    @property
    def metadata(self) -> LLMMetadata:
        """Metadata of the pool: the largest window, and tools if any target calls them; the router sends such calls to the able targets."""
        return common_metadata(self.runner.natives.values())

    def bind(self, **words: Any) -> Switchwise:
        """Return the LLM bound to one caller; targets, router and state are shared. The supported way to name an agent.

        Parameters:
            words: keywords of `route_scope`, mainly `agent="reviewer"`.
        """
        capture(words)  # refuses unknown keywords
        return self.model_copy(update={"labels": {**self.labels, **words}})

    def explain(self, messages: Sequence[ChatMessage] = (), **route: Any) -> Explanation:
        """Explain the decision without any call: order, ruled out targets, reasons. Print it."""
        return self.router.explain(self.runner.view(ChatRequest("chat", messages, {"route": route}), self.labels))

    def compare(
        self,
        messages: Sequence[ChatMessage],
        targets: Iterable[str] | None = None,
        *,
        progress: Callable[[Side], object] | None = None,
        route: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> SideBySide:
        """Call several targets with the same messages and compare the answers. The calls are billed, and recorded in the journal as a
        separate session.

        Parameters:
            messages, kwargs: as in `chat`.
            targets: names or roles; None: all.
            progress: called with each finished answer, such as `print`; None: a progress bar in a terminal or notebook.
            route: further keywords of `route_scope`.
        """
        where = {"session": f"{TASK}-{uuid.uuid4().hex[:8]}", "task": TASK, **(route or {})}
        return side_by_side(
            self.router.pool, targets, lambda name: self.chat(messages, route={**where, "target": name}, **kwargs), progress
        )

    # -- chat and completion

    @unspanned
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        response: ChatResponse = self.runner.whole(chat_request("chat", messages, kwargs), self.labels)
        return response

    @unspanned
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        response: ChatResponse = await self.runner.awhole(chat_request("achat", messages, kwargs), self.labels)
        return response

    @unspanned
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        return self.runner.stream(chat_request("stream_chat", messages, kwargs), self.labels)

    @unspanned
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        return await self.runner.astream(chat_request("astream_chat", messages, kwargs), self.labels)

    @unspanned
    def complete(self, prompt: str | None = None, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        request = completion_request("complete", prompt, formatted, kwargs)
        response: CompletionResponse = self.runner.whole(request, self.labels)
        return response

    @unspanned
    async def acomplete(self, prompt: str | None = None, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        request = completion_request("acomplete", prompt, formatted, kwargs)
        response: CompletionResponse = await self.runner.awhole(request, self.labels)
        return response

    @unspanned
    def stream_complete(self, prompt: str | None = None, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        return self.runner.stream(completion_request("stream_complete", prompt, formatted, kwargs), self.labels)

    @unspanned
    async def astream_complete(
        self, prompt: str | None = None, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseAsyncGen:
        return await self.runner.astream(completion_request("astream_complete", prompt, formatted, kwargs), self.labels)

    # -- tools: prepared by each target in its own format; `verbose`, `tool_required` and the like go to it as they are

    def chat_with_tools(  # type: ignore[override]
        self, tools: Tools, user_msg: Message = None, chat_history: list[ChatMessage] | None = None, **kwargs: Any
    ) -> ChatResponse:
        request = ToolRequest("chat_with_tools", history(user_msg, chat_history), kwargs, tools=tools)
        response: ChatResponse = self.runner.whole(request, self.labels)
        return response

    async def achat_with_tools(  # type: ignore[override]
        self, tools: Tools, user_msg: Message = None, chat_history: list[ChatMessage] | None = None, **kwargs: Any
    ) -> ChatResponse:
        request = ToolRequest("achat_with_tools", history(user_msg, chat_history), kwargs, tools=tools)
        response: ChatResponse = await self.runner.awhole(request, self.labels)
        return response

    def stream_chat_with_tools(  # type: ignore[override]
        self, tools: Tools, user_msg: Message = None, chat_history: list[ChatMessage] | None = None, **kwargs: Any
    ) -> ChatResponseGen:
        request = ToolRequest("stream_chat_with_tools", history(user_msg, chat_history), kwargs, tools=tools)
        return self.runner.stream(request, self.labels)

    async def astream_chat_with_tools(  # type: ignore[override]
        self, tools: Tools, user_msg: Message = None, chat_history: list[ChatMessage] | None = None, **kwargs: Any
    ) -> ChatResponseAsyncGen:
        request = ToolRequest("astream_chat_with_tools", history(user_msg, chat_history), kwargs, tools=tools)
        return await self.runner.astream(request, self.labels)

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """The tool calls of a response, as read by the LLM that gave it, or by the only one that can have given it."""
        natives = self.runner.natives
        native = natives.get(target_named(response)) or (next(iter(natives.values())) if len(natives) == 1 else None)
        if native is not None and hasattr(native.llm, "get_tool_calls_from_response"):
            calls: list[ToolSelection] = native.llm.get_tool_calls_from_response(
                response, error_on_no_tool_call=error_on_no_tool_call, **kwargs
            )
            return calls
        return tool_calls_in(response, error_on_no_tool_call)

    def _prepare_chat_with_tools(  # type: ignore[override]
        self, tools: Tools, user_msg: Message = None, chat_history: list[ChatMessage] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Arguments for `chat` and its like, which route them: the tools stay neutral until a target is chosen."""
        return {"messages": history(user_msg, chat_history), "tools": list(tools), **kwargs}

    # -- structured prediction: by each target's own method

    @unspanned
    def structured_predict(
        self, output_cls: type[Model], prompt: BasePromptTemplate, llm_kwargs: dict[str, Any] | None = None, **prompt_args: Any
    ) -> Model:
        request = self._structured("structured_predict", output_cls, prompt, llm_kwargs, prompt_args)
        predicted: Model = self.runner.whole(request, self.labels)
        return predicted

    @unspanned
    async def astructured_predict(
        self, output_cls: type[Model], prompt: BasePromptTemplate, llm_kwargs: dict[str, Any] | None = None, **prompt_args: Any
    ) -> Model:
        request = self._structured("astructured_predict", output_cls, prompt, llm_kwargs, prompt_args)
        predicted: Model = await self.runner.awhole(request, self.labels)
        return predicted

    @unspanned
    def stream_structured_predict(
        self, output_cls: type[Model], prompt: BasePromptTemplate, llm_kwargs: dict[str, Any] | None = None, **prompt_args: Any
    ) -> Generator[Model, None, None]:
        request = self._structured("stream_structured_predict", output_cls, prompt, llm_kwargs, prompt_args)
        return self.runner.stream(request, self.labels)

    @unspanned
    async def astream_structured_predict(
        self, output_cls: type[Model], prompt: BasePromptTemplate, llm_kwargs: dict[str, Any] | None = None, **prompt_args: Any
    ) -> AsyncGenerator[Model, None]:
        request = self._structured("astream_structured_predict", output_cls, prompt, llm_kwargs, prompt_args)
        return await self.runner.astream(request, self.labels)

    def _structured(
        self,
        method: str,
        output_cls: type[BaseModel],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None,
        prompt_args: dict[str, Any],
    ) -> StructuredRequest:
        """Format the prompt here, so that the system prompt and output parser of this LLM apply."""
        messages = self._get_messages(prompt, **prompt_args)
        return StructuredRequest(method, messages, dict(llm_kwargs or {}), output_cls=output_cls)

    # -- copies and settings

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "callback_manager":  # `Settings.llm` sets it, and only on what it knows: this LLM
            self._share_callbacks()

    def _share_callbacks(self) -> None:
        """Share our callback handlers with the targets, which count the tokens; targets with their own handlers keep them."""
        given, before = self.callback_manager, self._shared
        if given is None:
            return
        usual = CallbackManager([]).handlers  # those of `Settings`, which every LLM begins with that is given none
        for llm in self.models.values():
            own = getattr(llm, "callback_manager", None)
            if own is not None and (own is before or (given.handlers and own.handlers in ([], usual))):
                llm.callback_manager = given
        self._shared = given

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Switchwise:
        """Return a copy that shares targets and router, whose clients hold locks."""
        return self.model_copy()

    def __getstate__(self) -> dict[Any, Any]:
        if not self._own_router:
            raise PicklingError(
                "a Switchwise with a router of its own cannot be pickled: policies may hold anything; pickle its models and "
                "build a new Switchwise(models=..., router=...)"
            )
        fields = {name: getattr(self, name) for name in _FIELDS if name != "callback_manager"}  # the models have theirs
        models = {name: packed(llm) for name, llm in self.models.items()}
        models = by_key(models, {target.name: target.key_of for target in self.router.pool})
        return {"models": models, "cache_hints": self._cache_hints, **fields}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        with catch_warnings():
            simplefilter("ignore", UserWarning)  # warned when it was first built
            self.__init__(**{**state, "models": unpacked_all(state["models"])})  # type: ignore[misc]  # as LlamaIndex's own components are restored
