"""Decision models as LangChain has them: what they are asked, what they answer, and what becomes of their failures.

Two packages define them, alike but for their names: `langchain_core.decisions` (langchain-core >= 1.8) and
`langchain_openai.decisions`. Both are in beta; whatever depends on them stands here. Neither is imported before somebody uses it.
"""

from __future__ import annotations

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
from langchain_core.runnables import Runnable

from switchwise import ConfigurationError, FailureKind, Price, Reply, Target, Usage
from switchwise.catalog import Catalog
from switchwise.failures import target_error
from switchwise.nouns.errors import TargetError

Label = str | int | bool
QUESTION = "switchwise"
_CORE, _OPENAI = "langchain_core", "langchain_openai"
PUT_AS: Mapping[str, str] = {_CORE: "state", _OPENAI: "input"}
"""By the package that a question is of: where its models take what they are to judge."""
_log = logging.getLogger(__name__)


def question_of(model: object, question: Any, targets: Mapping[Label, str]) -> tuple[Any, str]:
    """The question as an object, and the package that it is of."""
    if isinstance(model, BaseChatModel) or not isinstance(model, Runnable):
        raise ConfigurationError(f"ByDecision: {type(model).__name__} is no decision model; a chat model judges as `Judge`")
    package = package_of(model if isinstance(question, str) else question)
    if package is None and isinstance(question, str):
        raise ConfigurationError(
            f"ByDecision: {type(model).__name__} is no decision model that is known: give a BaseDecisionModel (langchain-core >= 1.8; "
            f"installed is {version('langchain-core')}) or OpenAIDecisions, or the question as an object of its package"
        )
    if package is None or (not isinstance(question, str) and not labels_of(question)):
        raise ConfigurationError(
            f"ByDecision: {type(question).__name__} is no question to choose by: give a Choice, Score, Noul or Predicate of "
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
    """Which of the two packages a question or a decision model is of."""
    modules = {cls.__module__ for cls in type(thing).__mro__}
    return next((name for name in PUT_AS if any(module.startswith(f"{name}.decisions") for module in modules)), None)


def labels_of(question: Any) -> list[Label]:
    """The answers that a question can have."""
    kind = getattr(question, "type", None)
    if kind == "choice":
        return list(getattr(question, "choices", None) or question.criteria)
    if kind == "score":
        return list(range(len(getattr(question, "levels", None) or question.criteria)))
    return [True, False] if kind in ("noul", "predicate") else []


def answer_of(answer: Any, threshold: float | None) -> tuple[Label | None, str, bool]:
    """The label of an answer (None: it has none), how likely it is, in words, and whether that is enough."""
    kind = getattr(answer, "type", None)
    if kind == "choice":
        likely = answer.probabilities.get(answer.choice, answer.confidence)
        return answer.choice, f"{likely:.2f}", threshold is None or likely >= threshold
    if kind == "score":
        return max(0, int(answer.score + 0.5)), f"{answer.score:.2f} of {len(answer.probabilities) - 1}", True
    if kind in ("noul", "predicate"):
        likely = answer.noul if kind == "noul" else answer.probability
        return likely >= (0.5 if threshold is None else threshold), f"{likely:.2f}", True
    return None, "it declined" if kind == "refusal" else "none that can be read", False


def reply_of(response: Any) -> Reply:
    """A decision model's response, in the nouns of the core; the answer itself is `raw`."""
    answer, usage = response.answers.get(QUESTION), response.usage
    label, how, _ = answer_of(answer, None)
    return Reply("" if label is None else f"{label} ({how})", usage=_usage(usage), raw=answer, model=response.model)


def _usage(said: Any) -> Usage | None:
    """Tokens, of a mapping (core) or an object (OpenAI); None: not said."""
    tokens = said if isinstance(said, Mapping) else getattr(said, "__dict__", {})
    if tokens.get("input_tokens") is None:
        return None
    details: Mapping[str, Any] = tokens.get("input_token_details") or {}
    return Usage(
        tokens["input_tokens"], tokens.get("output_tokens") or 0, details.get("cache_read"), details.get("cache_creation")
    )


def target_of(model: object, price: Price | None) -> Target:
    """The decision model as a target, outside of every pool.

    Its provider is one of its own: what happens to it must not keep the provider's chat models from being called.
    """
    while (inner := getattr(model, "bound", None) or getattr(model, "runnable", None)) is not None:
        model = inner
    name = str(getattr(model, "model", "") or type(model).__name__)
    provider = "openai" if package_of(model) == _OPENAI else str(getattr(model, "_provider", ""))
    if price is None:
        known = Catalog()
        price = known.look_up(f"{provider}-decisions", name).price or known.look_up(provider, name).price if provider else None
    return Target(f"{name} decisions", f"{provider}-decisions" if provider else "", name, price)


def told(question: Any) -> str:
    """The question in words, for whoever counts its tokens or reads the log."""
    instructions = question.instructions
    options = ", ".join(map(str, labels_of(question)))
    return f"{instructions if isinstance(instructions, str) else repr(instructions)}\n{options}"


def in_time(seconds: float | None, ask: Callable[[], Any]) -> Any:
    """What `ask` gives; waited for on a thread of its own, which is left behind when it takes too long."""
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
    """What `error` means to whoever asked: a failure of the decision model, whatever it is.

    Raises:
        GraphBubbleUp: it is LangGraph's own control flow, such as an interrupt.
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
