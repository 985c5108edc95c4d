"""LangChain's decision models as models that answer the questions of policies.

Two packages define them, with the same classes: `langchain_core.decisions` (langchain-core >= 1.8) and
`langchain_openai.decisions`. Both are in beta; all code that depends on them is in this module. They are imported only when
used.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextvars import copy_context
from importlib import import_module
from importlib.metadata import version
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config

from switchwise import Answer, Ask, ConfigurationError, FailureKind, Price, Question, Reply, Target, Usage
from switchwise.catalog import Catalog
from switchwise.failures import target_error
from switchwise.nouns.errors import TargetError

Label = str | int | bool
NOSTREAM = "nostream"
"""LangGraph's tag for model runs whose tokens are not shown."""
_CORE, _OPENAI = "langchain_core", "langchain_openai"
PUT_AS: Mapping[str, str] = {_CORE: "state", _OPENAI: "input"}
"""Package of a question -> argument of its models for the text to judge."""
_log = logging.getLogger(__name__)


def question_of(model: object, question: Any, targets: Mapping[Label, str]) -> tuple[Any, str]:
    """The question as an object, and its package."""
    if isinstance(model, BaseChatModel) or not isinstance(model, Runnable):
        raise ConfigurationError(f"ByDecision: {type(model).__name__} is not a decision model; for a chat model use `Judge`")
    package = package_of(model if isinstance(question, str) else question)
    if package is None and isinstance(question, str):
        raise ConfigurationError(
            f"ByDecision: {type(model).__name__} is not a known decision model: give a BaseDecisionModel (langchain-core >= 1.8; "
            f"installed is {version('langchain-core')}) or OpenAIDecisions, or the question as an object of its package"
        )
    if package is None or (not isinstance(question, str) and not labels_of(question)):
        raise ConfigurationError(
            f"ByDecision: {type(question).__name__} is not a question to choose by: give a Choice, Score, Noul or Predicate of "
            f"langchain_core.decisions (langchain-core >= 1.8; installed is {version('langchain-core')}) or langchain_openai.decisions"
        )
    if (home := package_of(model)) is not None and home != package:
        raise ConfigurationError(
            f"ByDecision: {type(model).__name__} takes questions of {home}.decisions, not of {package}.decisions"
        )
    if isinstance(question, str):
        choice = import_module(f"{package}.decisions").Choice
        options = {str(label): None for label in targets}
        question = choice(instructions=question, **{"criteria" if package == _CORE else "choices": options})
    return question, package


def package_of(thing: object) -> str | None:
    """The package of a question or decision model."""
    modules = {cls.__module__ for cls in type(thing).__mro__}
    return next((name for name in PUT_AS if any(module.startswith(f"{name}.decisions") for module in modules)), None)


def labels_of(question: Any) -> list[Label]:
    """Possible answers of a question."""
    kind = getattr(question, "type", None)
    if kind == "choice":
        return list(getattr(question, "choices", None) or question.criteria)
    if kind == "score":
        return list(range(len(getattr(question, "levels", None) or question.criteria)))
    return [True, False] if kind in ("noul", "predicate") else []


def neutral(question: Any) -> Question:
    """Convert a question to the core's type."""
    instructions = question.instructions if isinstance(question.instructions, str) else repr(question.instructions)
    if question.type == "choice":
        return Question.choice(instructions, dict(getattr(question, "choices", None) or question.criteria))
    if question.type == "score":
        levels = getattr(question, "levels", None) or question.criteria
        return Question.score(instructions, [str(getattr(level, "label", level)) for level in levels])
    return Question.yes_no(instructions)


def _answer(given: Any) -> Answer:
    kind = getattr(given, "type", None)
    if kind == "choice":
        return Answer(label=given.choice, probabilities=dict(given.probabilities) or None)
    if kind == "score":
        return Answer(score=float(given.score), probabilities=dict(given.probabilities) or None)
    if kind in ("noul", "predicate"):
        likely = float(given.noul if kind == "noul" else given.probability)
        return Answer(label=likely >= 0.5, probabilities={True: likely, False: 1.0 - likely})
    return Answer(because="it declined" if kind == "refusal" else "none that can be read")


class RunnableModel:
    """Adapter of a LangChain decision model to the core's protocol.

    Parameters:
        runnable: a decision model, or a runnable made of one.
        package: package of its questions.
        given: name -> question object, for each question that is asked.
        timeout: longest wait in seconds; None: unlimited.
        price: None: the listed one.
    """

    def __init__(
        self,
        runnable: Runnable[Any, Any],
        package: str,
        given: Mapping[str, Any],
        timeout: float | None = None,
        price: Price | None = None,
    ) -> None:
        self._runnable = runnable
        self._package = package
        self._given = given
        self._timeout = timeout
        self._target = target_of(runnable, price)

    @property
    def target(self) -> Target:
        """Target under which its calls are counted, outside the pool."""
        return self._target

    def answer(self, ask: Ask, context: Any = None) -> Reply:
        """Answer all questions of `ask`; any exception counts as a failure of the decision model.

        Parameters:
            context: LangChain's config of the request that the questions are about.

        Raises:
            TargetError: the decision model failed.
        """
        request, config = self._request(ask), aside(context)
        try:
            return _reply(ask, in_time(self._timeout, lambda: self._runnable.invoke(request, config)))
        except Exception as error:  # noqa: BLE001  (whatever a classifier dies of, the run that it advises goes on)
            failure = failure_of(error)
            raise failure from failure.__cause__

    async def aanswer(self, ask: Ask, context: Any = None) -> Reply:
        """As `answer`, asynchronously."""
        request, config = self._request(ask), aside(context)
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._runnable.ainvoke(request, config)
            return _reply(ask, response)
        except Exception as error:  # noqa: BLE001  (as above)
            failure = failure_of(error)
            raise failure from failure.__cause__

    def _request(self, ask: Ask) -> dict[str, Any]:
        return {PUT_AS[self._package]: ask.about, "questions": {name: self._given[name] for name in ask.questions}}


def aside(config: RunnableConfig | None) -> RunnableConfig:
    """The config of an internal question: traced and counted like any call, but not shown."""
    given = ensure_config() if config is None else config
    made: RunnableConfig = {
        **given,
        "tags": [*(given.get("tags") or ()), NOSTREAM],
        "metadata": {**(given.get("metadata") or {}), "lc_source": "switchwise"},
    }
    made.pop("run_id", None)
    return made


def _reply(ask: Ask, response: Any) -> Reply:
    answers = {name: _answer(response.answers[name]) for name in ask.questions if name in response.answers}
    instructions = ", ".join(
        [f"{name}: {answer.score if answer.label is None else answer.label}" for name, answer in answers.items()]
    )
    return Reply(instructions, usage=_usage(response.usage), raw=response, model=response.model, answers=answers)


def _usage(given: Any) -> Usage | None:
    """Tokens from a mapping (core) or an object (OpenAI); None if unknown."""
    tokens = given if isinstance(given, Mapping) else getattr(given, "__dict__", {})
    if tokens.get("input_tokens") is None:
        return None
    details: Mapping[str, Any] = tokens.get("input_token_details") or {}
    return Usage(
        tokens["input_tokens"], tokens.get("output_tokens") or 0, details.get("cache_read"), details.get("cache_creation")
    )


def target_of(model: object, price: Price | None) -> Target:
    """The decision model as a target, outside the pool.

    It has a separate provider name, so that its failures do not affect the provider's chat models.
    """
    while (inner := getattr(model, "bound", None) or getattr(model, "runnable", None)) is not None:
        model = inner
    name = str(getattr(model, "model", "") or type(model).__name__)
    provider = "openai" if package_of(model) == _OPENAI else str(getattr(model, "_provider", ""))
    if price is None:
        known = Catalog()
        price = known.look_up(f"{provider}-decisions", name).price or known.look_up(provider, name).price if provider else None
    return Target(f"{name} decisions", f"{provider}-decisions" if provider else "", name, price)


def in_time(seconds: float | None, ask: Callable[[], Any]) -> Any:
    """Return the result of `ask`, run in a separate thread that is abandoned after the timeout."""
    if seconds is None:
        return ask()
    context, answer = copy_context(), Future[Any]()

    def work() -> None:
        try:
            answer.set_result(context.run(ask))
        except BaseException as error:  # noqa: BLE001  (it comes out where the answer is waited for)
            answer.set_exception(error)

    threading.Thread(target=work, name="switchwise-decision", daemon=True).start()
    return answer.result(seconds)


def failure_of(error: Exception) -> TargetError:
    """Convert any exception to a failure of the decision model.

    Raises:
        GraphBubbleUp: LangGraph's control flow, such as an interrupt.
    """
    graph: Any = sys.modules.get("langgraph.errors")
    if graph is not None and isinstance(error, graph.GraphBubbleUp):
        raise error
    failure = target_error(error)
    if failure is None:
        _log.warning("a decision model failed, and routing goes on without it: %r", error)
        failure = TargetError(FailureKind.UNSUPPORTED, f"{type(error).__name__}: {error}")
        failure.__cause__ = error
    return failure
