"""Let a model read the request and choose: a decision model, which answers with labels and probabilities, or a chat model.

Use it where the text of a request shows how hard it is, and a very cheap call may classify it first. Not for conditions that
code can check (see `Rules`, `ByPhase`, `ByStep`), and not where every millisecond counts: the caller waits for the answer.

Rules:
1. It asks once per user turn, and only where the answer can change the first target. A failed target is not a reason to ask
   again.
2. A model that fails, declines or is not sure never ends the run: a note records it, and the next policy of the chain is asked.
3. The text is untrusted, and a sentence in it can steer the answer. So give each choice a label for "none of these", and do not
   let an answer raise what a request may spend or access: use requirements for those; they hold whatever the answer is.

Source: decision models, as in OpenAI's Decisions API and the System One interface. As input of a router: langchain's
`ModelRouterMiddleware`, which asks once per agent run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from switchwise.engine.policy import Flow, Opinion
from switchwise.engine.recovery import TABLE
from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import ConfigurationError, FailureKind, TargetError
from switchwise.nouns.exchange.ask import Ask, Kind, Model, Question
from switchwise.nouns.exchange.reply import Answer, Label, Reply
from switchwise.nouns.scope import Key, Level
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.signals import StepKind
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.validation import number, whole
from switchwise.nouns.view import View
from switchwise.state.in_process import InProcess
from switchwise.state.store import Store, Table

QUESTION = "switchwise"
"""Name of the policy's question."""
LONGEST = 8_000
"""Characters of the user's turn that the model reads; the middle of a longer turn is cut out."""


class _Reading(NamedTuple):
    """A model's answer in the step `decision`: the target or role to prefer (empty: none), and the reason."""

    decision: str
    word: str
    because: str
    failed: bool = False


class ByDecision:
    """Prefer the targets that a model's answer names.

    Hold it per session, agent or task to ask less often. Its questions are recorded in the journal, with usage and cost, as
    calls of the purpose `ask`; budgets count them. `explain` makes no calls, so there the policy has no opinion.

    Parameters:
        model: a decision model, such as `switchwise.clients.SystemOne` or `OpenAIDecisions`; or the name (or role) of a target of the pool.
        question: a `Question` of labels or a score; or the instructions of a choice between the labels of `targets`.
        targets: label -> target or role. The labels are those of the question; for a score, the numbers of its levels (the
            nearest one counts). A label without a target gives no opinion.
        threshold: for a choice, the least probability at which its label counts (None: always, also if unknown); for a yes or
            no, the least probability of a yes (None: 0.5).
        when: condition on the request for asking; None: always.
        every: ask once per `turn` of the user, or at each `step` of the agent.
        about: function of the view that gives the input of the model, as text or JSON; None: the user's last turn, at most
            `LONGEST` characters.
        pause: seconds without questions after the model failed.
        size: most conversations whose answers are remembered.
        store: where it remembers them; None: the router's store, else this process.

    Raises:
        ConfigurationError: `model` is not a model, or a label is not one of the question's; or, when the router is built, a
            name is neither a target nor a role of the pool.

    >>> from switchwise import Pool, Router, Target, View, drive
    >>> from switchwise.testing import Script
    >>> policy = ByDecision("luna", "How hard is it?", {"easy": "luna", "hard": "opus"})
    >>> router = Router(Pool([Target("opus"), Target("luna")]), policy)
    >>> def says_easy(call):
    ...     code = prompt_of(call).split("ANSWERS ")[1][:8]
    ...     return f'ANSWERS {code}: {{"switchwise": "easy"}}' if call.ask else "done"
    >>> from switchwise.protocols.ask_text import prompt_of
    >>> run = router.start(View())
    >>> _ = list(drive(run, Script(luna=lambda call: says_easy(call) if call.ask else "done").perform))
    >>> run.outcome.attempt.call.shortlist.decider.because
    "luna says 'easy' (of unknown probability): luna"
    """

    name = "ByDecision"

    def __init__(
        self,
        model: Model | str,
        question: Question | str,
        targets: Mapping[Any, str],
        *,
        threshold: float | None = None,
        when: Callable[[View], bool] | None = None,
        every: Literal["turn", "step"] = "turn",
        about: Callable[[View], Any] | None = None,
        pause: float = 30.0,
        size: int = 1_000,
        store: Store | None = None,
    ) -> None:
        self.targets: dict[Any, str] = targets_of(targets)
        if every not in ("turn", "step"):
            raise ConfigurationError(f"ByDecision(every={every!r}): use 'turn' or 'step'")
        if threshold is not None and not (isinstance(threshold, int | float) and 0 <= threshold <= 1):
            raise ConfigurationError(f"ByDecision(threshold={threshold!r}): give a probability from 0 to 1")
        number("ByDecision", "pause", pause)
        whole("ByDecision", "size", size)
        if not isinstance(model, str) and not isinstance(getattr(model, "target", None), Target):
            raise ConfigurationError(
                f"ByDecision(model={model!r:.80}): give a decision model such as SystemOne(...), or the name of a target"
            )
        self.model = model
        self.question = Question.choice(question, list(self.targets)) if isinstance(question, str) else question
        if not isinstance(self.question, Question) or not self.question.options:
            raise ConfigurationError(f"ByDecision(question={question!r:.80}): give a Question.choice, .yes_no or .score")
        known = range(len(self.question.options)) if self.question.kind is Kind.SCORE else self.question.labels
        if strange := [label for label in self.targets if not any(type(label) is type(k) and label == k for k in known)]:
            raise ConfigurationError(
                f"ByDecision: {', '.join(map(repr, strange))} is not an answer to its question; those are: {', '.join(map(repr, known))}"
            )
        self.threshold = threshold
        self.when = when
        self.every = every
        self.pause = pause
        self._who = model if isinstance(model, str) else model.target.model or model.target.name
        self._about = about or last_request
        self._questions = {QUESTION: self.question}
        self.size = size
        self._store = store
        self.table = self._table(store or InProcess())
        self._rest = (0.0, "")  # end of the pause, and its reason

    @property
    def asks(self) -> tuple[Target, ...]:
        """The model as a target, if it is not in the pool."""
        return () if isinstance(self.model, str) else (self.model.target,)

    def check(self, pool: Pool) -> None:
        """Check that each label's target, and `model` if it is a name, is in the pool."""
        for word in self.targets.values():
            pool.select(word)
        if isinstance(self.model, str):
            pool.select(self.model)

    def use_store(self, store: Store) -> None:
        """Remember the answers in `store`, unless the constructor got a store."""
        if self._store is None:
            self._store, self.table = store, self._table(store)

    def __call__(self, view: View, shortlist: Shortlist) -> Opinion:
        if not self._matters(shortlist) or (self.when is not None and not self.when(view)):
            return shortlist
        reading = self._standing(view)
        if reading is not None:
            return _noted(shortlist, reading)
        until, because = self._rest
        if view.now < until:
            return shortlist.remark(f"{self._who} is not asked for {until - view.now:,.0f} s more: {because}")
        return self._asked(view, shortlist)

    def learn(self, attempt: Attempt) -> None:
        """Remember the answer for the rest of the turn; start a pause after a failure."""
        ask, view = attempt.call.ask, attempt.call.view
        if ask is None or ask.questions is not self._questions or attempt.abandoned:
            return
        self.table.put(_key(view), list(self._read(view, attempt.reply or attempt.error)))
        if attempt.error is not None and ((remedy := TABLE[attempt.error.kind]).lasting or remedy.cool is not None):
            wait = max(self.pause, attempt.error.retry_after or 0.0)
            self._rest = (attempt.ended + wait, f"it failed with {attempt.error.kind.value}")

    def _asked(self, view: View, shortlist: Shortlist) -> Flow[Shortlist]:
        to, model = (self.model, None) if isinstance(self.model, str) else ("", self.model)
        answer: Reply | TargetError
        try:
            answer = yield Ask(self._questions, self._about(view), to, model, "its answer says which targets suit")
        except TargetError as error:
            answer = error
        return _noted(shortlist, self._read(view, answer))

    def _matters(self, shortlist: Shortlist) -> bool:
        """Return whether some answer would prefer a part of the leading targets."""
        leaders = frozenset(shortlist.leaders)
        return len(leaders) > 1 and any(
            0 < len(leaders & shortlist.pool.select(word)) < len(leaders) for word in self.targets.values()
        )

    def _standing(self, view: View) -> _Reading | None:
        """The remembered answer that still holds; None if the model must be asked."""
        row = self.table.get(_key(view))
        reading = None if row is None else _Reading(*row)
        if reading is None or reading.decision == view.decision:
            return reading
        new = self.every == "step" or view.signals.first or view.signals.step is StepKind.USER_TURN
        return None if new or reading.failed else reading

    def _read(self, view: View, reading: Reply | TargetError | None) -> _Reading:
        if not isinstance(reading, Reply):
            price = self.model.target.price if not isinstance(self.model, str) else None
            unpriced = isinstance(reading, TargetError) and reading.kind is FailureKind.QUOTA and price is None
            hint = "; a budget in USD needs its price: give price=" if unpriced and not isinstance(self.model, str) else ""
            return _Reading(view.decision, "", f"{self._who} gave no answer: {reading}{hint}", failed=True)
        answer = (reading.answers or {}).get(QUESTION, Answer(because="it left the question out"))
        label, how, sure = self._chosen(answer)
        if label is None:
            return _Reading(view.decision, "", f"{self._who} gave no answer: {answer.because or 'none that can be read'}")
        because = f"{self._who} says {label!r} ({how})"
        if not sure:
            return _Reading(view.decision, "", f"{because}, which is less sure than {self.threshold:g}")
        word = self.targets.get(label, "")
        return _Reading(view.decision, word, f"{because}: {word}" if word else f"{because}, which names no target")

    def _chosen(self, answer: Answer) -> tuple[Label | int | None, str, bool]:
        """The label of an answer (None: no label), the model's confidence in words, and whether it reaches `threshold`."""
        if self.question.kind is Kind.SCORE:
            if answer.score is None:
                return None, "", False
            return max(0, int(answer.score + 0.5)), f"{answer.score:.2f} of {len(self.question.options) - 1}", True
        if self.question.is_yes_no and answer.probabilities is not None and True in answer.probabilities:
            likely = answer.probabilities[True]
            return likely >= (0.5 if self.threshold is None else self.threshold), f"{likely:.2f}", True
        probability = answer.probability
        if probability is None:
            return answer.label, "of unknown probability", self.threshold is None
        return answer.label, f"{probability:.2f}", self.threshold is None or probability >= self.threshold

    def _table(self, store: Store) -> Table:
        # Another policy with the same question may read the answer otherwise.
        meant = ", ".join([f"{label!r}={word}" for label, word in self.targets.items()])
        return store.table(f"ByDecision:{self._who}:{self.question.instructions}:{meant}:{self.threshold}", self.size)

    @staticmethod
    def _examples() -> list[ByDecision]:
        return [
            ByDecision("luna", "How hard is it?", {"easy": "luna", "hard": "opus"}),
            ByDecision("haiku", Question.yes_no("Is it hard?"), {True: "opus", False: "luna"}, every="step"),
            ByDecision("haiku", Question.score("How hard is it?", ["trivial", "hard"]), {0: "luna", 1: "opus"}),
        ]


def targets_of(given: Mapping[Any, str]) -> dict[Any, str]:
    """Targets by label.

    Raises:
        ConfigurationError: no target is given.
    """
    if not isinstance(given, Mapping) or not given:
        raise ConfigurationError(f"ByDecision(targets={given!r:.80}): name a target or role for each label that matters")
    return dict(given)


def last_request(view: View) -> str:
    """The text of the user's last turn, else of the last turn; content that is not text is named in brackets."""
    turn = view.conversation.user_turn or (view.conversation[-1] if view.conversation else None)
    if turn is None:
        return ""
    text = " ".join([turn.text, *(f"[{kind}]" for kind in turn.media)]).strip()
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}\n[...]\n{text[-LONGEST // 2 :]}"


def _key(view: View) -> Key:
    return view.thread or view.scope.key(Level.AGENT)


def _noted(shortlist: Shortlist, reading: _Reading) -> Shortlist:
    if not reading.word:
        return shortlist.remark(reading.because)
    preferred = shortlist.prefer(shortlist.pool.select(reading.word), reading.because)
    return preferred if preferred is not shortlist else shortlist.remark(f"{reading.because}, which changes no order")
