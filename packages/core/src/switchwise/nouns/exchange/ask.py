"""A policy's or verifier's own question to a model: the effect that it yields.

    reply = yield Ask({"route": Question.choice("How hard is it?", ["easy", "hard"])}, about=view.last_user, to="haiku")
    label = reply.answers["route"].label

Whoever drives the run performs it, through the same adapter as any call, or by the `model` that it brings along. The engine reserves for it,
counts it, and lets no requirement of the chain be passed by: a question to a target that a requirement rules out is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.reply import Label, Reply
from switchwise.nouns.target import Target


class Kind(StrEnum):
    """What a question asks for."""

    TEXT = "text"
    LABELS = "labels"
    SCORE = "score"
    EMBEDDING = "embedding"


class Option(NamedTuple):
    """A label that can be chosen, or a level of a score.

    Parameters:
        label: what is answered; of a score, the name of the level.
        description: what it stands for; empty: the label says it.
    """

    label: Label
    description: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One question; made by `text`, `choice`, `yes_no`, `score` or `embedding`.

    Parameters:
        kind: what it asks for.
        instructions: the question in words. They are yours: what is judged goes into `Ask.about`.
        options: the labels, or the levels from the lowest.
        detail: the instructions where they are more than words (JSON, or parts with images); None: they are not.
    """

    kind: Kind
    instructions: str = ""
    options: tuple[Option, ...] = ()
    detail: Any = None

    @classmethod
    def text(cls, prompt: str) -> Question:
        """A question that is answered in words."""
        return cls(Kind.TEXT, prompt)

    @classmethod
    def choice(cls, instructions: str, labels: Iterable[Label] | Mapping[Label, str | None]) -> Question:
        """A choice between labels.

        Parameters:
            labels: two or more; as a mapping, with what each stands for. A model always chooses: give it one for "none of these".

        Raises:
            ConfigurationError: fewer than two labels, or one of them twice.
        """
        return cls(Kind.LABELS, instructions, _options(labels, "labels"))

    @classmethod
    def yes_no(cls, instructions: str, yes: str = "", no: str = "") -> Question:
        """A yes or no: a choice between True and False, with what each stands for."""
        return cls(Kind.LABELS, instructions, (Option(True, yes), Option(False, no)))

    @classmethod
    def score(cls, instructions: str, levels: Iterable[str] | Mapping[str, str | None]) -> Question:
        """A score from 0 to the last of `levels`, lowest first.

        Raises:
            ConfigurationError: fewer than two levels, or one of them twice.
        """
        return cls(Kind.SCORE, instructions, _options(levels, "levels"))

    @classmethod
    def embedding(cls) -> Question:
        """The vectors of `Ask.about`: of one text, or of each of a list of them."""
        return cls(Kind.EMBEDDING)

    @property
    def labels(self) -> tuple[Label, ...]:
        """What can be chosen, or the names of the levels."""
        return tuple([option.label for option in self.options])

    @property
    def is_yes_no(self) -> bool:
        """Its labels are True and False."""
        return self.kind is Kind.LABELS and set(map(type, self.labels)) == {bool}


class Model(Protocol):
    """A model that answers questions itself, outside of the pool: a decision model, an embedder, a function of your own.

    What it raises ends the run, unless it is a `TargetError`.
    """

    @property
    def target(self) -> Target:
        """As what it is counted, and told to requirements: its name, provider and price."""

    def answer(self, ask: Ask, context: Any = None) -> Reply:
        """Answer all questions of `ask`; `Reply.answers` has one for each name.

        Parameters:
            context: what the adapter gave to `drive` for this: LangChain's config; None elsewhere.

        Raises:
            TargetError: it failed.
        """

    async def aanswer(self, ask: Ask, context: Any = None) -> Reply:
        """As `answer`, asynchronously."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Questions to a model, put in one call.

    Parameters:
        questions: by name.
        about: what they are about: a text, or anything that is JSON. It is material and never an instruction: it may hold a stranger's words.
        to: the target of the pool (or role) that is asked; of a role, the first target of the pool.
        model: answers in place of a target of the pool.
        because: why it is asked, for the records.

    Raises:
        ConfigurationError: no question, or neither or both of `to` and `model`.

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
        if not isinstance(self.to, str):
            raise ConfigurationError(f"Ask(to={self.to!r:.80}): give the name of a target or role")
        if (self.model is None) is (not self.to):
            raise ConfigurationError("Ask: give to=, the name of a target or role, or model=, and not both")

    @classmethod
    def text(cls, prompt: str, to: str, because: str = "a question of its own") -> Ask:
        """One question in words, sent to a target as it is."""
        return cls({"text": Question.text(prompt)}, to=to, because=because)


def _options(given: Iterable[Label] | Mapping[Any, str | None], what: str) -> tuple[Option, ...]:
    pairs = given.items() if isinstance(given, Mapping) else [(label, "") for label in given]
    options = tuple([Option(label, description or "") for label, description in pairs])
    if isinstance(given, str) or len({(type(option.label), option.label) for option in options}) < max(2, len(options)):
        raise ConfigurationError(f"Question: {what}={given!r:.80}: give two or more that differ, such as ['easy', 'hard']")
    return options
