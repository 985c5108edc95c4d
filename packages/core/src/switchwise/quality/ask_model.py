"""Adjust estimates by the difficulty that a decision model or a small chat model sees in the request.

Use it for single questions without graded outcomes, where a very cheap call may run first; with `boundary` it asks only where a
cheaper score is undecided. Not per step of an agent: a remote decision takes a quarter of a second. Its cost is counted as a
call of the purpose `ask`.

Source: LLM classifiers, as in other routers; published: on 80 synthetic requests a decision model chose the right tier in 95 %.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from math import exp, log
from typing import Any, Literal

from switchwise.nouns.errors import ConfigurationError, TargetError
from switchwise.nouns.exchange.ask import Ask, Kind, Model, Question
from switchwise.nouns.exchange.reply import Reply
from switchwise.nouns.scope import Level
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.validation import number, whole
from switchwise.nouns.view import View
from switchwise.quality.estimate import Estimate
from switchwise.quality.text.words import cut
from switchwise.state.in_process import Memory

QUESTION = "difficulty"
LONGEST = 4_000  # characters of the beginning, and of the end, that are judged
USUAL = Question.score(
    "How hard is this request for a small, cheap language model to get right? Judge the work that it asks for, not its length.",
    {
        "easy": "a lookup, a rewrite, small talk, one obvious step",
        "medium": "several steps, ordinary code or reasoning",
        "hard": "long chains of reasoning, subtle bugs, proofs, expert knowledge",
    },
)


class AskModel:
    """Adjust the given estimates by a model's rating of the request, asked once per user turn, task or session.

    A model that fails, declines or gives no readable answer changes nothing, and is not asked again for `pause` seconds. The
    same turn is never rated twice. `explain` makes no calls: there a policy that needs the answer has no opinion.

    Parameters:
        model: a decision model, or the name (or role) of a target of the pool.
        question: a score question from easy to hard; None: three levels.
        every: ask once per `turn`, `task` or `session`.
        strength: change of the log odds at the hardest (down) and easiest (up) level.
        boundary: a cheaper score of the view from -3 (easy) to 3 (hard), such as `lambda view:
            complexity(view.conversation.last_user)`, and the distance from 0 within which the model is asked; None: always
            asked.
        pause: seconds without questions after the model failed.
        size: most answers remembered.

    Raises:
        ConfigurationError: a parameter is out of range; or, when the router is built, `model` is not in the pool.

    >>> from switchwise import Pool, Router, Target, Turn, View, drive
    >>> from switchwise.nouns.exchange.conversation import Conversation
    >>> from switchwise.policies import Worth
    >>> from switchwise.protocols.ask_text import prompt_of
    >>> from switchwise.quality import AskModel, Priors, Shrunk
    >>> from switchwise.testing import Script
    >>> pool = Pool([Target("strong", model="claude-opus-4-8"), Target("cheap", model="minimax-m3")])
    >>> quality = Shrunk(Priors("bug_fixing"), AskModel("cheap", strength=2.0))
    >>> def answers(call):
    ...     return f'ANSWERS {prompt_of(call).split("ANSWERS ")[1][:8]}: {{"difficulty": 2}}' if call.ask else "done"
    >>> run = Router(pool, Worth(quality, 1.0)).start(View(conversation=Conversation([Turn("user", "Prove it.")])))
    >>> for _ in drive(run, Script(cheap=answers).perform):
    ...     pass
    >>> "asked how hard it is" in run.outcome.attempt.call.shortlist.decider.because
    True
    """

    def __init__(
        self,
        model: Model | str,
        question: Question | None = None,
        *,
        every: Literal["turn", "task", "session"] = "turn",
        strength: float = 1.0,
        boundary: tuple[Callable[[View], float], float] | None = None,
        pause: float = 30.0,
        size: int = 10_000,
    ) -> None:
        if not isinstance(model, str) and not isinstance(getattr(model, "target", None), Target):
            raise ConfigurationError(f"AskModel(model={model!r:.80}): give a decision model, or the name of a target")
        self.question = USUAL if question is None else question
        if not isinstance(self.question, Question) or self.question.kind is not Kind.SCORE:
            raise ConfigurationError(f"AskModel(question={question!r:.80}): give Question.score(...) from easy to hard")
        if every not in ("turn", "task", "session"):
            raise ConfigurationError(f"AskModel(every={every!r}): use 'turn', 'task' or 'session'")
        number("AskModel", "strength", strength, most=5)
        number("AskModel", "pause", pause)
        whole("AskModel", "size", size)
        self.model, self.every, self.strength, self.boundary, self.pause = model, every, strength, boundary, pause
        self._who = model if isinstance(model, str) else model.target.model or model.target.name
        self._answers: Memory[tuple[str, ...], float] = Memory(size)  # from -1 (easy) to 1 (hard)
        self._rest = 0.0

    @property
    def asks(self) -> tuple[Target, ...]:
        """The model as a target, if it is not in the pool."""
        return () if isinstance(self.model, str) else (self.model.target,)

    def check(self, pool: Pool) -> None:
        """Check that `model` is in the pool, if it is a name."""
        if isinstance(self.model, str):
            pool.select(self.model)

    def prepare(self, view: View) -> Generator[Any, Any, None] | None:
        """The question to ask first; None if the answer is known or not needed."""
        text = view.conversation.last_user
        if not text or view.now < self._rest or view.attempts or self._answers.get(self._key(view)) is not None:
            return None
        if self.boundary is not None and abs(self.boundary[0](view)) > self.boundary[1]:
            return None
        return self._ask(view, text)

    def _ask(self, view: View, text: str) -> Generator[Any, Any, None]:
        to, model = (self.model, None) if isinstance(self.model, str) else ("", self.model)
        try:
            reply: Reply = yield Ask({QUESTION: self.question}, cut(text, LONGEST), to, model, "how hard the request is")
        except TargetError:
            self._rest = view.now + self.pause
            return
        answer = (reply.answers or {}).get(QUESTION)
        if answer is None or answer.score is None:
            self._rest = view.now + self.pause
            return
        top = len(self.question.options) - 1
        self._answers.put(self._key(view), 2 * min(max(answer.score, 0.0), top) / top - 1)

    def estimate(self, view: View, targets: Sequence[Target], given: Sequence[Estimate]) -> Sequence[Estimate]:  # noqa: ARG002
        score = self._answers.get(self._key(view)) if view.conversation.last_user else None
        return given if score is None else [self._moved(before, score) if before.n else before for before in given]

    def _moved(self, given: Estimate, score: float) -> Estimate:
        p = min(max(given.p, 0.02), 0.98)
        moved = 1 / (1 + exp(-(log(p / (1 - p)) - self.strength * score)))
        source = f"{given.source}; {self._who} asked how hard it is: {score:+.1f}"
        return Estimate(moved, given.n, given.dollars, given.seconds, source, given.p)

    def _key(self, view: View) -> tuple[str, ...]:
        if self.every == "turn":
            return (*view.scope.key(Level.AGENT), f"{hash(view.conversation.last_user):x}")
        return view.scope.key(Level.TASK if self.every == "task" else Level.SESSION)

    @staticmethod
    def _examples() -> list[AskModel]:
        return [AskModel("fast"), AskModel("fast", every="session", strength=2.0)]
