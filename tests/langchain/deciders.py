"""Decision models of both packages, on the loopback provider or by script, under one set of words."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from langchain_openai.decisions import Choice, OpenAIDecisions, Predicate, Score
from pydantic import Field

from switchwise_loopback import LoopbackProvider

HARD = "How hard is this task?"
TARGETS = {"easy": "fast", "hard": "strong"}
CORE = find_spec("langchain_core.decisions") is not None


def openai_decisions(provider: LoopbackProvider, **options: Any) -> OpenAIDecisions:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # in beta
        return OpenAIDecisions(
            **{"model": "gpt-6-luna", "base_url": provider.openai_url, "api_key": "test", "max_retries": 0, **options}
        )


OPENAI_QUESTIONS: Mapping[str, Callable[[], Any]] = {
    "choice": lambda: Choice(instructions=HARD, choices={"easy": "One step.", "hard": "Several steps.", "other": None}),
    "score": lambda: Score(instructions=HARD, levels=["trivial", "some work", "a day's work"]),
    "yes or no": lambda: Predicate(instructions="Is this task hard?"),
}

if CORE:
    from langchain_core.decisions import BaseDecisionModel, ClassifierResponse, Noul
    from langchain_core.decisions import Choice as CoreChoice
    from langchain_core.decisions import Score as CoreScore

    CORE_QUESTIONS: Mapping[str, Callable[[], Any]] = {
        "choice": lambda: CoreChoice(
            instructions=HARD, criteria={"easy": "One step.", "hard": "Several steps.", "other": None}
        ),
        "score": lambda: CoreScore(instructions=HARD, criteria=["trivial", "some work", "a day's work"]),
        "yes or no": lambda: Noul(instructions="Is this task hard?"),
    }

    class ScriptedDecisions(BaseDecisionModel):
        """Answers by script, and keeps what it was asked."""

        model: str = "scripted-decisions"
        says: Any = "easy"
        asked: list[Any] = Field(default_factory=list)
        usage: dict[str, int] | None = Field(default_factory=lambda: {"input_tokens": 40, "output_tokens": 2})

        @property
        def _provider(self) -> str:
            return "nobody"

        def _classify(self, state: Any, questions: dict[str, Any]) -> ClassifierResponse:
            self.asked.append(state)
            if isinstance(self.says, Exception):
                raise self.says
            says = self.says(state) if callable(self.says) else self.says
            answers = {name: _core_answer(question, says) for name, question in questions.items()}
            return ClassifierResponse.model_validate({"model": self.model, "answers": answers, "usage": self.usage})

    def _core_answer(question: Any, says: Any) -> dict[str, Any]:
        if question.type == "noul":
            return {"type": "noul", "noul": says}
        if question.type == "choice":
            odds = {label: 0.9 if label == says else 0.05 for label in question.criteria}
            return {"type": "choice", "choice": says, "probabilities": odds, "confidence": 0.8}
        legend = dict(enumerate(question.criteria))
        odds = {level: max(0.0, 1 - abs(level - says)) for level in legend}
        return {"type": "score", "score": says, "legend": legend, "probabilities": odds, "confidence": 0.8}
