"""ChatSwitchwise: a LangChain chat model that sends each call to the model that should answer it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any, Self, cast

from langchain_core.callbacks import CallbackManagerForLLMRun, Callbacks
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LangSmithParams, LanguageModelInput
from langchain_core.language_models.chat_model_stream import AsyncChatModelStream, ChatModelStream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatResult, LLMResult
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable
from langchain_core.runnables.utils import AnyConfigurableField
from langchain_core.tools import BaseTool
from pydantic import Field

from langchain_switchwise.answering.decision_record import target_of
from langchain_switchwise.answering.event_stream import Routed, routed
from langchain_switchwise.calling.construction import Parts, refuse_misplaced
from langchain_switchwise.calling.dispatch import Dispatch
from langchain_switchwise.calling.door import EVENTS, GENERATE, INVOKE, STREAM
from langchain_switchwise.calling.errors import unless_spent
from langchain_switchwise.doors.comparing import compare
from langchain_switchwise.doors.configurable import configurable
from langchain_switchwise.doors.from_file import parts_of_file
from langchain_switchwise.doors.structured import Structured
from langchain_switchwise.models.makers import PROVIDER, claim_messages
from langchain_switchwise.models.messages import turn_of
from langchain_switchwise.models.native import Models, common_profile, natives
from langchain_switchwise.porting.schema import AnswerSchema
from langchain_switchwise.porting.tools import Tools, measured
from langchain_switchwise.reading.inputs import for_prompt, run_config
from switchwise import Router
from switchwise.catalog import Catalog
from switchwise.engine.policy import Verifier
from switchwise.nouns.exchange.on_broken import OnBroken
from switchwise.observe.explain import Explanation
from switchwise.observe.observer import Observes
from switchwise.observe.side_by_side import SideBySide
from switchwise.policies.default_chain import Aim
from switchwise.prompt_cache.cache_hints import CacheHints
from switchwise.reading import token_estimate as tokens

_FIELDS = frozenset(["name", "verbose", "callbacks", "tags", "metadata", "rate_limiter", "disable_streaming", "profile"])
_PASSED_ON = frozenset(["callbacks", "tags", "metadata", "rate_limiter", "disable_streaming"])  # fields used in every call
_TRACED = frozenset(["temperature", "max_tokens", "stop"])  # recorded in traces; others may be keys


class ChatSwitchwise(BaseChatModel):
    """A chat model that sends each call to the model that should answer it, and falls back to the next one.

    Use it in place of a native chat model. Each answer's `response_metadata["switchwise"]` has the decision.

    Parameters:
        models: native chat models or `provider:model` strings, strongest first; or a mapping of names to them.
        router: chooses among the models; its pool must have the names of `models` (a mapping, or models with those names).
            None: the chain of `Router.default` over `models`.
        aim: `quality` (the default), `balanced` or `cost`; see `Router.default`. Not together with `router`.
        verify: verifier of answers before they are shown; see `switchwise.verifiers`. Not together with `router`.
        on_broken: what to do when a stream breaks off after part of it was shown; see `switchwise.Router`. Not together with `router`.
        observers: receive decisions, attempts and events; see `switchwise.observe`. Not together with `router`.
        catalog: your own prices and capabilities. Not together with `router`.
        cache_hints: hints for prompt caches (`switchwise.prompt_cache.CacheHints`); None: a key per thread for endpoints that
            accept one, and no marks.
        dispatch: the dispatch of another `ChatSwitchwise`, shared in place of all the above; used by LangChain's configurable fields.
        settings: fields of LangChain's chat models (`tags`, `metadata`, `callbacks`, `rate_limiter`, ...); anything else is
            passed to the constructors of the models given as strings.

    Raises:
        ConfigurationError: an argument is invalid; the message names the field and the remedy.

    >>> from langchain_core.language_models import FakeListChatModel
    >>> strong, fast = FakeListChatModel(responses=["I think so."]), FakeListChatModel(responses=["Yes."])
    >>> import warnings; warnings.simplefilter("ignore")  # a fake has no price
    >>> llm = ChatSwitchwise({"strong": strong, "fast": fast})
    >>> llm.invoke("Is it?", config={"configurable": {"switchwise_target": "fast"}}).content
    'Yes.'
    """

    dispatch: Dispatch = Field(exclude=True, repr=False)
    """Decides and calls; also used by the middleware and the node. A field, so that copies have it."""

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
        dispatch: Dispatch | None = None,
        **settings: Any,
    ) -> None:
        fields = _FIELDS | (type(self).model_fields.keys() - ChatSwitchwise.model_fields.keys())  # subclasses may add some
        options = {key: value for key, value in settings.items() if key not in fields and value is not None}
        refuse_misplaced(models or dispatch, options)
        if dispatch is None:
            parts = Parts(router, verify, observers, catalog, cache_hints, aim, on_broken)
            shared_settings = {key: options[key] for key in _TRACED & options.keys()}
            dispatch = Dispatch(natives(models, options), parts, shared_settings)
        super().__init__(dispatch=dispatch, **{key: value for key, value in settings.items() if key in fields})  # type: ignore[call-arg]
        if self.profile is None:
            self.profile = common_profile(native.model for native in dispatch.natives.values())
        self._pass_on()

    @classmethod
    def from_file(cls, path: str | Path | None = None, router: str | None = None, **options: Any) -> Self:
        """Return a model from a configuration file; `options` are those of `doors.from_file.parts_of_file`."""
        return cls(**parts_of_file(path, router, **options))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with other fields; both share the router."""
        copied = super().model_copy(update=update, deep=deep)
        if update:
            copied._pass_on()
        return copied

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field, for the next calls.

        Raises:
            ConfigurationError: the field belongs to the models.
        """
        refuse_misplaced(True, {name: value} if value else {})
        super().__setattr__(name, value)
        if name in _PASSED_ON:
            self._pass_on()

    def _pass_on(self) -> None:
        """Pass the fields used in calls to the dispatch."""
        metadata = {key: value for key, value in (self.metadata or {}).items() if key != "lc_versions"}  # models have their own
        fields = {"callbacks": self.callbacks, "tags": self.tags, "metadata": metadata}
        local = {key: value for key, value in fields.items() if value}
        config = cast("RunnableConfig", local) if local else None
        self.dispatch = self.dispatch.sharing(self.rate_limiter, config, self.disable_streaming)

    # -- description

    @property
    def router(self) -> Router:
        """The router."""
        return self.dispatch.router

    @property
    def models(self) -> Mapping[str, BaseChatModel]:
        """The native chat models by target name."""
        return {name: native.model for name, native in self.dispatch.natives.items()}

    def explain(self, input: LanguageModelInput = "", config: RunnableConfig | None = None, **kwargs: Any) -> Explanation:  # noqa: A002
        """Explain the decision for an input without any call: order, ruled out targets, reasons. Print it."""
        return self.router.explain(self.dispatch.view(self.dispatch.request(input, config, kwargs)))

    def compare(self, input: LanguageModelInput, targets: Iterable[str] | None = None, **options: Any) -> SideBySide:  # noqa: A002
        """Run the input at several targets (names or roles; None: all) at once; `options`: see `doors.comparing.compare`."""
        return compare(self, self.router.pool, input, targets, **options)

    def __repr__(self) -> str:
        """Show the router: pydantic would show every field and the profile of the first model."""
        return f"ChatSwitchwise({self.router!r})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return self.router._repr_html_()

    @property
    def _llm_type(self) -> str:
        return "switchwise"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"targets": list(self.dispatch.natives)}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        claim_messages(self.dispatch.natives.values())
        shared_settings = {**self.dispatch.shared_settings, **kwargs}
        params = LangSmithParams(
            ls_provider=PROVIDER, ls_model_name=str(kwargs.get("model") or "switchwise"), ls_model_type="chat"
        )
        if isinstance(shared_settings.get("temperature"), (int, float)):
            params["ls_temperature"] = shared_settings["temperature"]
        if isinstance(shared_settings.get("max_tokens"), int):
            params["ls_max_tokens"] = shared_settings["max_tokens"]
        if stop or shared_settings.get("stop"):
            params["ls_stop"] = stop or shared_settings["stop"]
        return params

    def get_num_tokens(self, text: str) -> int:
        """Return the router's estimate of a text's tokens, without a tokenizer or a call."""
        return tokens.estimate(text)

    def get_num_tokens_from_messages(
        self, messages: list[BaseMessage], tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] | None = None
    ) -> int:
        """Return the estimated tokens of messages and tool definitions; see `get_num_tokens`."""
        return sum([tokens.of(turn_of(message)) for message in messages]) + sum(map(measured, tools or ()))

    # -- calls: every public entry point parses its arguments and goes through a door

    def with_retry(self, *, retry_if_exception_type: Any = (Exception,), **options: Any) -> Any:
        """As LangChain's, but never retries an exhausted budget."""
        return super().with_retry(retry_if_exception_type=unless_spent(retry_if_exception_type), **options)

    def invoke(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Return the answer."""
        return cast("AIMessage", self.dispatch.call(INVOKE, self.dispatch.request(input, config, kwargs, stop)))

    async def ainvoke(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """As `invoke`, asynchronously."""
        return cast("AIMessage", await self.dispatch.acall(INVOKE, self.dispatch.request(input, config, kwargs, stop)))

    def stream(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        """Yield the answer in chunks; fallback is possible only before the first chunk."""
        if self._streaming_disabled(**kwargs):
            yield cast("AIMessageChunk", self.invoke(input, config, stop=stop, **kwargs))
            return
        with closing(self.dispatch.stream(STREAM, self.dispatch.request(input, config, kwargs, stop))) as chunks:
            yield from chunks

    async def astream(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        """As `stream`, asynchronously."""
        if self._streaming_disabled(**kwargs):
            yield cast("AIMessageChunk", await self.ainvoke(input, config, stop=stop, **kwargs))
            return
        async with aclosing(self.dispatch.astream(STREAM, self.dispatch.request(input, config, kwargs, stop))) as chunks:
            async for chunk in chunks:
                yield chunk

    def generate(
        self,
        messages: list[list[BaseMessage]],
        stop: list[str] | None = None,
        callbacks: Callbacks = None,
        *,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        run_name: str | None = None,
        run_id: uuid.UUID | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        """Return the answers to several prompts, each routed separately."""
        config = run_config(callbacks, tags, metadata, run_name)
        requests = [
            self.dispatch.request(prompt, for_prompt(config, run_id, i), kwargs, stop) for i, prompt in enumerate(messages)
        ]
        return self._joined([self.dispatch.call(GENERATE, request) for request in requests])

    async def agenerate(
        self,
        messages: list[list[BaseMessage]],
        stop: list[str] | None = None,
        callbacks: Callbacks = None,
        *,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        run_name: str | None = None,
        run_id: uuid.UUID | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        """As `generate`, asynchronously and all prompts at once."""
        config = run_config(callbacks, tags, metadata, run_name)
        requests = [
            self.dispatch.request(prompt, for_prompt(config, run_id, i), kwargs, stop) for i, prompt in enumerate(messages)
        ]
        return self._joined(await asyncio.gather(*[self.dispatch.acall(GENERATE, request) for request in requests]))

    def _chat_model_stream_v3(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> ChatModelStream:
        return routed(self.dispatch.stream(EVENTS, self.dispatch.request(input, config, kwargs, stop)))

    async def _achat_model_stream_v3(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncChatModelStream:
        return Routed(self.dispatch.astream(EVENTS, self.dispatch.request(input, config, kwargs, stop)))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("ChatSwitchwise has no run of its own to generate in: use invoke, stream or generate")

    # -- derived runnables

    def configurable_fields(self, **kwargs: AnyConfigurableField) -> RunnableSerializable[LanguageModelInput, AIMessage]:
        """Return the model with fields that a run can choose: its own, and settings of its models.

        Raises:
            ConfigurationError: a field is unknown.
        """
        return configurable(self, self.models, kwargs)

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: dict[str, Any] | str | bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the model with tools, which are bound to the target of each call in that target's form.

        Parameters:
            tools: functions, tools, classes or schemas; server-side tools restrict the targets to their provider.
            tool_choice: `auto`, `any` (or `required`, True), `none`, the name of a tool, or any provider's dictionary.
            parallel_tool_calls: whether several tools may be called at once; None: the target's default.
            kwargs: further arguments of the target's own `bind_tools`.
        """
        seen = {name: kwargs[name] for name in ("response_format",) if kwargs.get(name) is not None}  # policies need it
        return self.bind(tools=Tools(tools, tool_choice, parallel_tool_calls, kwargs), **seen)

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """Return a runnable whose answers follow `schema`, by the chosen target's own method and parser.

        Parameters:
            schema: a Pydantic class, a TypedDict, or a JSON or OpenAI schema.
            include_raw: return `raw`, `parsed` and `parsing_error` instead of the parsed answer alone.
            kwargs: further arguments of the target's own method: `method`, `strict`.

        Raises:
            NotImplementedError, ValueError: raised by the first target's own method.
        """
        wanted = AnswerSchema(schema, include_raw, kwargs, self.disable_streaming)
        first = next(iter(self.dispatch.natives.values()))
        wanted.bound_to(first.name, first.model)
        return Structured(self.dispatch, wanted)

    def _joined(self, results: Sequence[LLMResult]) -> LLMResult:
        outputs = [result.llm_output or {} for result in results]
        runs = [run for result in results for run in result.run or []]
        joined = LLMResult(generations=[result.generations[0] for result in results])
        joined.llm_output = outputs[0] if len(outputs) == 1 else self._combined(joined, outputs)
        joined.run = runs or None
        return joined

    def _combined(self, joined: LLMResult, outputs: list[dict[str, Any]]) -> dict[str, Any]:
        """The `llm_output` of several prompts, combined as each class of native models does."""
        warned: dict[type, tuple[BaseChatModel, list[Any]]] = {}
        for (first, *_), output in zip(joined.generations, outputs, strict=True):
            model = self.models[target_of(cast("Any", first).message)]
            warned.setdefault(type(model), (model, []))[1].append(output)
        combined: dict[str, Any] = {"switchwise": outputs}
        for model, theirs in warned.values():
            combined = {**model._combine_llm_outputs(theirs), **combined}
        return combined
