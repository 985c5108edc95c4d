"""Let a decision model choose: a classifier that answers with labels and their probabilities instead of text.

Use it where the words of a request tell how hard it is, and a call that costs next to nothing may look at them first. Not for
what code can tell (see `Rules`, `ByPhase`, `ByStep`), and not where every millisecond counts: the caller waits for the answer.

Rules:
1. A decision model is no chat model: its question is a call of a kind of its own (`Enquiry`), which the adapter lets put itself.
2. It is asked once for each turn of the user, and only where its answer can change who leads. A target that fails is no reason
   to ask again.
3. A decision model that fails, hangs or declines never ends the run that it advises: a note says so, and the chain of policies goes on.

Source: `langchain_core.decisions` (langchain-core >= 1.8) and OpenAI's Decisions API (`langchain_openai.decisions`). As a
router's input: langchain's `ModelRouterMiddleware`, which asks once for each agent run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig

from langchain_switchwise.models.messages import media_of
from langchain_switchwise.policies.decision_models import (
    PUT_AS,
    QUESTION,
    Label,
    answer_of,
    failure_of,
    in_time,
    labels_of,
    question_of,
    reply_of,
    target_of,
    told,
)
from switchwise import Attempt, Call, ConfigurationError, FailureKind, Pool, Price, Reply, Shortlist, StepKind, View
from switchwise.engine.policy import Flow, Opinion
from switchwise.engine.recovery import TABLE
from switchwise.nouns.errors import TargetError
from switchwise.nouns.prompt_prefix import PromptPrefix
from switchwise.nouns.scope import Level
from switchwise.state.in_process import Memory

State = Callable[[Sequence[BaseMessage]], Any]
LONGEST = 8_000
"""Characters of the user's message that are shown to the decision model; of a longer one the middle is left out."""


@dataclass(frozen=True, slots=True)
class Enquiry(Call):
    """A question to a decision model, which puts itself.

    Parameters:
        policy: whose question it is.
    """

    policy: ByDecision | None = None

    def put(self, messages: Sequence[BaseMessage], config: RunnableConfig) -> Reply:
        """The decision model's answer.

        Parameters:
            messages: the request that it is about.
            config: LangChain's.

        Raises:
            TargetError: it failed, in whatever way.
        """
        policy, request = self._ready(messages)
        try:
            return reply_of(in_time(policy.timeout, lambda: policy.model.invoke(request, config)))
        except Exception as error:  # noqa: BLE001  (whatever a classifier dies of, the run that it advises goes on)
            failure = failure_of(error)
            raise failure from failure.__cause__

    async def aput(self, messages: Sequence[BaseMessage], config: RunnableConfig) -> Reply:
        """As `put`, asynchronously."""
        policy, request = self._ready(messages)
        try:
            async with asyncio.timeout(policy.timeout):
                response = await policy.model.ainvoke(request, config)
            return reply_of(response)
        except Exception as error:  # noqa: BLE001  (as above)
            failure = failure_of(error)
            raise failure from failure.__cause__

    def _ready(self, messages: Sequence[BaseMessage]) -> tuple[ByDecision, Mapping[str, Any]]:
        assert self.policy is not None, "an enquiry is made by a policy"
        return self.policy, self.policy.request(messages)  # what the user's own `state` raises is a bug, and goes on


@dataclass(frozen=True, slots=True)
class _Said:
    """What a decision model said in the step `decision`: the target or role to prefer (empty: none), and why."""

    decision: str
    word: str
    because: str
    failed: bool = False


class ByDecision:
    """Prefer the targets that a decision model's answer names.

    Hold it per session, agent or task to ask less often. Its questions are in the journal, with usage and cost, as calls of
    the purpose `ask`; budgets count them. `SwitchwiseNode` and `explain` ask nobody, so there it has no opinion. Only LangChain's
    adapter can put its questions: a router that LlamaIndex or plain clients share must do without it.

    Parameters:
        model: a decision model (`BaseDecisionModel`, `OpenAIDecisions`), or a runnable made of one (`with_retry`, ...).
        question: a `Choice`, `Score`, `Noul` or `Predicate` of the same package; or the instructions of a choice between
            the labels of `targets`.
        targets: label -> target or role. Labels are a choice's own, the level numbers of a score (the nearest one counts), and
            True and False of a yes or no. A label without a target is no opinion.
        threshold: of a choice, the least probability at which its label counts (None: any); of a yes or no, the probability
            from which on it is a yes (None: 0.5).
        when: on which requests it speaks; None: on all.
        every: ask once for each `turn` of the user, or at each `step` of an agent.
        state: what the model is to judge, made of the request's messages; None: the text of the user's last message.
        timeout: longest wait in seconds; None: as long as the model takes.
        pause: seconds for which a model that failed is left in peace.
        price: of the model; None: the listed one. Under a budget in USD a model without a price is not asked.
        size: how many threads of conversation it remembers the answer for.

    Raises:
        ConfigurationError: it cannot work: no decision model, a question of another package, a label that is not the
            question's, langchain-core < 1.8 where it is needed; or, when the router is built, no such target.

    >>> from langchain_openai.decisions import Choice, OpenAIDecisions
    >>> question = Choice(instructions="How hard is it?", choices={"easy": "One step.", "hard": "Several steps."})
    >>> import warnings; warnings.simplefilter("ignore")  # OpenAI's interface is in beta
    >>> policy = ByDecision(OpenAIDecisions(model="gpt-6-luna", api_key="..."), question, {"easy": "fast", "hard": "strong"})
    >>> policy.target.name, policy.target.price.input
    ('gpt-6-luna decisions', 0.1)
    """

    name = "ByDecision"

    def __init__(
        self,
        model: Runnable[Any, Any],
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
        if not targets:
            raise ConfigurationError("ByDecision(targets={}): name a target or role for each label that matters")
        if every not in ("turn", "step"):
            raise ConfigurationError(f"ByDecision(every={every!r}): use 'turn' or 'step'")
        if threshold is not None and not 0 <= threshold <= 1:
            raise ConfigurationError(f"ByDecision(threshold={threshold}): give a probability from 0 to 1")
        self.model = model
        self.targets: dict[Label, str] = dict(targets)
        self.question, package = question_of(model, question, self.targets)
        labels = labels_of(self.question)
        if strange := [label for label in self.targets if label not in labels]:
            known = ", ".join(map(repr, labels))
            raise ConfigurationError(
                f"ByDecision: {', '.join(map(repr, strange))} is no answer to its question; those are: {known}"
            )
        self.threshold = threshold
        self.when = when
        self.every = every
        self.timeout = timeout
        self.pause = pause
        self.target = target_of(model, price)
        self._put_as = PUT_AS[package]
        self._state = state or last_request
        self._ask = told(self.question)
        self._why = Shortlist(Pool([self.target])).signed_by(self.name).order(lambda _: 0.0, "it tells which targets suit")
        self._said: Memory[Hashable, tuple[PromptPrefix | None, _Said]] = Memory(size)
        self._rest = (0.0, "")  # until when it is left in peace, and why

    def check(self, pool: Pool) -> None:
        """Every label must name something in the pool."""
        for word in self.targets.values():
            pool.select(word)

    def __call__(self, view: View, shortlist: Shortlist) -> Opinion:
        if not self._matters(shortlist) or (self.when is not None and not self.when(view)):
            return shortlist
        said = self._standing(view)
        if said is not None:
            return _noted(shortlist, said)
        until, because = self._rest
        if view.now < until:
            return shortlist.remark(f"{self.target.model} is left in peace for {until - view.now:,.0f} s more: {because}")
        return self._asked(view, shortlist)

    def request(self, messages: Sequence[BaseMessage]) -> Mapping[str, Any]:
        """What the model is given to judge the request `messages`."""
        return {self._put_as: self._state(messages), "questions": {QUESTION: self.question}}

    def learn(self, attempt: Attempt) -> None:
        """Remember its own model's answer for the rest of the turn, and leave it in peace after a failure."""
        call = attempt.call
        if not isinstance(call, Enquiry) or call.policy is not self or attempt.abandoned:
            return
        prefix = call.view.prefix
        self._said.put(self._thread(call.view), (prefix, self._read(call.view, attempt.reply or attempt.error)))
        if attempt.error is not None and ((remedy := TABLE[attempt.error.kind]).lasting or remedy.cool is not None):
            wait = max(self.pause, attempt.error.retry_after or 0.0)
            self._rest = (attempt.ended + wait, f"it failed with {attempt.error.kind.value}")

    def _asked(self, view: View, shortlist: Shortlist) -> Flow[Shortlist]:
        call = Enquiry(self.target, view, self._why, self._ask, live=False, policy=self)
        try:
            answer: Reply | TargetError = yield call
        except TargetError as error:
            answer = error
        return _noted(shortlist, self._read(view, answer))

    def _matters(self, shortlist: Shortlist) -> bool:
        """Whether some answer would put one part of the leaders before the rest."""
        leaders = frozenset(shortlist.leaders)
        return len(leaders) > 1 and any(
            0 < len(leaders & shortlist.pool.select(word)) < len(leaders) for word in self.targets.values()
        )

    def _standing(self, view: View) -> _Said | None:
        """What was said and still holds; None: it must be asked."""
        _, said = self._said.get(self._thread(view)) or (None, None)
        if said is None or said.decision == view.decision:
            return said
        new = self.every == "step" or view.signals.first or view.signals.step is StepKind.USER_TURN
        return None if new or said.failed else said

    def _thread(self, view: View) -> Hashable:
        """Tells conversations apart; agents of one name that run at once are several. The memory keeps the prefix, so its id too."""
        return view.scope.key(Level.AGENT) if view.prefix is None else id(view.prefix)

    def _read(self, view: View, answer: Reply | TargetError | None) -> _Said:
        who = self.target.model
        if not isinstance(answer, Reply):
            broke = isinstance(answer, TargetError) and answer.kind is FailureKind.QUOTA and self.target.price is None
            hint = "; a budget in USD needs its price: give price=" if broke else ""
            return _Said(view.decision, "", f"{who} gave no answer: {answer}{hint}", failed=True)
        label, how, sure = answer_of(answer.raw, self.threshold)
        if label is None:
            return _Said(view.decision, "", f"{who} gave no answer: {how}")
        said = f"{who} says {label!r} ({how})"
        if not sure:
            return _Said(view.decision, "", f"{said}, which is less sure than {self.threshold:g}")
        word = self.targets.get(label, "")
        return _Said(view.decision, word, f"{said}: {word}" if word else f"{said}, which names no target")


def last_request(messages: Sequence[BaseMessage]) -> str:
    """The text of the user's last message; what is not text is named in brackets."""
    message = next((message for message in reversed(messages) if message.type == "human"), messages[-1] if messages else None)
    if message is None:
        return ""
    media = () if isinstance(message.content, str) else media_of(message.content)
    text = " ".join([str(message.text), *(f"[{kind}]" for kind in media)]).strip()
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}\n[...]\n{text[-LONGEST // 2 :]}"


def _noted(shortlist: Shortlist, said: _Said) -> Shortlist:
    if not said.word:
        return shortlist.remark(said.because)
    preferred = shortlist.prefer(shortlist.pool.select(said.word), said.because)
    return preferred if preferred is not shortlist else shortlist.remark(f"{said.because}, which moves nobody")


__all__ = ["ByDecision", "Enquiry", "last_request"]
