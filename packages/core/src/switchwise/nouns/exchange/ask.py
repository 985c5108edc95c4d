"""Questions of a policy or verifier to a model: the effect that it yields.

    reply = yield Ask({"route": Question.choice("How hard is it?", ["easy", "hard"])}, about=view.last_user, to="haiku")
    label = reply.answers["route"].label

The driver of the run performs it, through the same adapter as any call, or by its own `model`. The engine reserves budget for it and counts it,
and every requirement of the chain applies: a question to a target that a requirement rules out is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.reply import Label, Reply
from switchwise.nouns.fast_dataclass import dataclass
from switchwise.nouns.target import Target


class Kind(StrEnum):
    """The kind of answer to a question."""

    TEXT = "text"
    LABELS = "labels"
    SCORE = "score"
    EMBEDDING = "embedding"


class Option(NamedTuple):
    """A label to choose, or a level of a score.

    Parameters:
        label: the answer; of a score, the name of the level.
        description: its meaning; empty if the label is clear.
    """

    label: Label
    description: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One question; create it by `text`, `choice`, `yes_no`, `score` or `embedding`.

    Parameters:
        kind: the kind of answer.
        instructions: the question. It is trusted text: the material to judge belongs in `Ask.about`.
        options: the labels, or the levels, lowest first.
        detail: structured instructions (JSON, or parts with images) instead of text; None if there are none.
    """

    kind: Kind
    instructions: str = ""
    options: tuple[Option, ...] = ()
    detail: Any = None

    @classmethod
    def text(cls, prompt: str) -> Question:
        """A question with a free-text answer."""
        return cls(Kind.TEXT, prompt)

    @classmethod
    def choice(cls, instructions: str, labels: Iterable[Label] | Mapping[Label, str | None]) -> Question:
        """A choice between labels.

        Parameters:
            labels: two or more; as a mapping, with their meanings. A model always chooses one: include a label for "none of these".

        Raises:
            ConfigurationError: fewer than two labels, or duplicates.
        """
        return cls(Kind.LABELS, instructions, _options(labels, "labels"))

    @classmethod
    def yes_no(cls, instructions: str, yes: str = "", no: str = "") -> Question:
        """A yes/no question: a choice between True and False, with their meanings."""
        return cls(Kind.LABELS, instructions, (Option(True, yes), Option(False, no)))

    @classmethod
    def score(cls, instructions: str, levels: Iterable[str] | Mapping[str, str | None]) -> Question:
        """A score from 0 to the last of `levels`, lowest first.

        Raises:
            ConfigurationError: fewer than two levels, or duplicates.
        """
        return cls(Kind.SCORE, instructions, _options(levels, "levels"))

    @classmethod
    def embedding(cls) -> Question:
        """Embedding vectors of `Ask.about`: of one text, or of each text of a list."""
        return cls(Kind.EMBEDDING)

    @property
    def labels(self) -> tuple[Label, ...]:
        """The labels to choose from, or the names of the levels."""
        return tuple([option.label for option in self.options])

    @property
    def is_yes_no(self) -> bool:
        """Whether its labels are True and False."""
        return self.kind is Kind.LABELS and set(map(type, self.labels)) == {bool}


class Model(Protocol):
    """A model outside the pool that answers questions itself: a decision model, an embedder, your own function.

    An exception that it raises ends the run, unless it is a `TargetError`.
    """

    @property
    def target(self) -> Target:
        """The target under which it is counted and checked by requirements: name, provider, price."""

    def answer(self, ask: Ask, context: Any = None) -> Reply:
        """Answer all questions of `ask`; `Reply.answers` has one for each name.

        Parameters:
            context: what the adapter passed to `drive`: LangChain's config; None elsewhere.

        Raises:
            TargetError: the model failed.
        """

    async def aanswer(self, ask: Ask, context: Any = None) -> Reply:
        """As `answer`, asynchronously."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Questions to a model, sent in one call.

    Parameters:
        questions: by name.
        about: the material to judge: a text, or any JSON value. It is never an instruction: it may hold untrusted text.
        to: name or role of the target in the pool to ask; a role means the first target that has it.
        model: a model outside the pool, in place of `to`.
        because: the reason, for the records.

    Raises:
        ConfigurationError: no question, neither or both of `to` and `model`, or a field of a wrong type.

    >>> Ask({"route": Question.choice("How hard is it?", ["easy", "hard"])}, about="2 + 2", to="haiku").questions["route"].labels
    ('easy', 'hard')
    """

    questions: Mapping[str, Question]
    about: Any = field(default="", repr=False)
    to: str = ""
    model: Model | None = None
    because: str = "a question of its own"

    def __post_init__(self) -> None:
        if not self.questions:
            raise ConfigurationError("Ask(questions={}): give at least one question, such as {'route': Question.choice(...)}")
        if not isinstance(self.questions, Mapping) or not all(isinstance(each, Question) for each in self.questions.values()):
            raise ConfigurationError(
                f"Ask(questions={self.questions!r:.80}): give name -> Question, such as {{'route': Question.choice(...)}}"
            )
        if not isinstance(self.to, str):
            raise ConfigurationError(f"Ask(to={self.to!r:.80}): give the name of a target or role")
        if (self.model is None) is (not self.to):
            raise ConfigurationError("Ask: give to=, the name of a target or role, or model=, and not both")
        if self.model is not None and not isinstance(getattr(self.model, "target", None), Target):
            raise ConfigurationError(
                f"Ask(model={self.model!r:.80}): give a decision model such as SystemOne(...), or in to= the name of a target"
            )

    @classmethod
    def text(cls, prompt: str, to: str, because: str = "a question of its own") -> Ask:
        """One free-text question, sent to a target as it is."""
        return cls({"text": Question.text(prompt)}, to=to, because=because)


def _options(given: Iterable[Label] | Mapping[Any, str | None], what: str) -> tuple[Option, ...]:
    pairs = given.items() if isinstance(given, Mapping) else [(label, "") for label in given]
    options = tuple([Option(label, description or "") for label, description in pairs])
    if isinstance(given, str) or len({(type(option.label), option.label) for option in options}) < max(2, len(options)):
        raise ConfigurationError(f"Question: {what}={given!r:.80}: give two or more that differ, such as ['easy', 'hard']")
    return options
