"""Let a LangChain decision model choose: `switchwise.policies.ByDecision` with LangChain's models and questions.

Source: `langchain_core.decisions` (langchain-core >= 1.8) and OpenAI's Decisions API (`langchain_openai.decisions`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast

from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable

from langchain_switchwise.policies.decision_models import RunnableModel, neutral, question_of
from switchwise import Price, View
from switchwise.nouns.exchange.ask import Model
from switchwise.policies import by_decision
from switchwise.policies.by_decision import QUESTION, targets_of

State = Callable[[Sequence[BaseMessage]], Any]


class ByDecision(by_decision.ByDecision):
    """Prefer the targets that a decision model's answer names.

    Parameters:
        model: a decision model (`BaseDecisionModel`, `OpenAIDecisions`), or a runnable made of one (`with_retry`, ...); or a
            model accepted by `switchwise.policies.ByDecision`: a decision model of `switchwise.clients`, or the name of a
            target.
        question: a `Choice`, `Score`, `Noul` or `Predicate` of the same package; or the instructions of a choice between the labels of `targets`.
        targets: label -> target or role. The labels are those of a choice, the level numbers of a score (the nearest one
            counts), or True and False of a yes or no. A label without a target gives no opinion.
        threshold, when, every, pause, size: as in the core.
        state: function of the request's messages that returns the text to judge; None: the text of the user's last message.
        timeout: longest wait in seconds; None: unlimited. For LangChain's models; others have their own.
        price: price of the model; None: the listed one. Under a budget in USD, a model without a price is not asked.

    Raises:
        ConfigurationError: `model` is not a decision model, the question is from another package, a label is not one of the
            question's, or langchain-core < 1.8 is too old; or, when the router is built, a name is neither a target nor a role
            of the pool.

    >>> from langchain_openai.decisions import Choice, OpenAIDecisions
    >>> question = Choice(instructions="How hard is it?", choices={"easy": "One step.", "hard": "Several steps."})
    >>> import warnings; warnings.simplefilter("ignore")  # OpenAI's interface is in beta
    >>> policy = ByDecision(OpenAIDecisions(model="gpt-6-luna", api_key="..."), question, {"easy": "fast", "hard": "strong"})
    >>> policy.asks[0].name, policy.asks[0].price.input
    ('gpt-6-luna decisions', 0.1)
    """

    def __init__(
        self,
        model: Runnable[Any, Any] | Model | str,
        question: Any,
        targets: Mapping[Any, str],
        *,
        threshold: float | None = None,
        when: Callable[[View], bool] | None = None,
        every: Literal["turn", "step"] = "turn",
        state: State | None = None,
        timeout: float | None = 5.0,
        pause: float = 30.0,
        price: Price | None = None,
        size: int = 1_000,
    ) -> None:
        asked: Model | str
        if isinstance(model, str) or (not isinstance(model, Runnable) and hasattr(model, "aanswer")):
            asked, neutral_question = model, question
        else:
            model = cast("Runnable[Any, Any]", model)
            put, package = question_of(model, question, targets_of(targets))
            asked = RunnableModel(model, package, {QUESTION: put}, timeout, price)
            neutral_question = neutral(put)
        about = None if state is None else lambda view: state(list(view.conversation.source))
        super().__init__(
            asked,
            neutral_question,
            targets,
            threshold=threshold,
            when=when,
            every=every,
            about=about,
            pause=pause,
            size=size,
        )
