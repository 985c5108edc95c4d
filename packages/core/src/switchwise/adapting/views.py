"""Builds the view of a call from what an adapter knows of it: the one way for clients, LangChain and LlamaIndex.

An adapter gives facts: who calls, the messages, the tools, what the answer must be. Reading, the estimate of tokens, needs, signals, the
prompt prefix and the conversation are made here, so that a request means the same to the policies wherever it comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from itertools import compress, product
from typing import Any, Generic, NamedTuple, TypeVar

from switchwise.dialects.settings import LONGEST
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.conversation import Conversation
from switchwise.nouns.exchange.limits import Limits
from switchwise.nouns.scope import Key, Scope
from switchwise.nouns.signals import StepKind, Turn
from switchwise.nouns.view import Needs, View
from switchwise.reading.reader import NO_FRONT, ConversationReader, Front, fingerprint
from switchwise.reading.token_estimate import Lengths
from switchwise.state.in_process import Memory

M = TypeVar("M")
T = TypeVar("T")

_OPENING = 8
_NO_NEEDS = Needs()
_NO_LABELS: Mapping[str, str] = {}
_NAMES = ("session", "agent", "task", "target")
_NAMED = {
    ((session, agent, task), target): frozenset(compress(_NAMES, (session, agent, task, target)))
    for session, agent, task, target in product((False, True), repeat=len(_NAMES))
}


class Caller(NamedTuple):
    """Who makes a call, as far as the caller or the framework says; empty: it does not say.

    Parameters:
        session, agent, task, labels, deadline, tenant: as in `Scope`. An empty session is derived from how the conversation began, an empty task
            from its phase; an empty agent is `main`.
        pin: the target or role that the caller named for this call.
        branch: separates concurrent conversations of one session and agent, such as parallel delegations.
        named: the caller named the session, the agent, the task, in this order; what a framework made up counts as not named.
        step_kind: what the framework knows of the call and its messages do not say; None: nothing.
        because: the evidence for `step_kind`, in a few words.
        pin_inherited: the pin was given to the run around the call, not to the call itself.
        limits: as in `Scope`.
        failures: failures that the messages do not show, such as runs of a graph's node that ended in an error.
    """

    session: str = ""
    agent: str = ""
    task: str = ""
    labels: Mapping[str, str] = _NO_LABELS
    deadline: float | None = None
    pin: str = ""
    branch: str = ""
    named: tuple[bool, bool, bool] = (False, False, False)
    step_kind: StepKind | None = None
    because: str = ""
    failures: int = 0
    tenant: str = ""
    pin_inherited: bool = False
    limits: Limits | None = None


class _ToolFronts(Generic[T]):
    """Digest and length of the tools that stand before the messages, and their names. The same tools come with every call: each list is read once."""

    def __init__(
        self, measure: Callable[[T], int], identity: Callable[[T], Hashable], name: Callable[[T], str], size: int = 128
    ) -> None:
        self._identity = identity
        self._name = name
        self._lengths: Lengths[T] = Lengths(measure, identity, size)
        self._fronts: Memory[Hashable, tuple[tuple[T, ...], Front, tuple[str, ...]]] = Memory(size)

    def of(self, tools: Sequence[T], settings: Hashable) -> tuple[Front, tuple[str, ...]]:
        key = (settings, *map(id, tools))
        known = self._fronts.get(key)
        if known is None:  # the objects are kept, so that their ids stay their own
            digest = hash((settings, *map(self._identity, tools)))
            known = (tuple(tools), (digest, self._lengths.of(tools)), tuple(map(self._name, tools)))
            self._fronts.put(key, known)
        return known[1], known[2]


class ViewBuilder(Generic[M, T]):
    """Builds views; remembers conversations, so that only their new messages are read. Safe to use from many threads at once.

    Parameters:
        turn: reads one message of the framework; called once per message object, and where a policy reads the turn.
        measure: tokens of one tool's definition; called once per tool.
        identity: identifies a tool independent of its object: frameworks create new objects for the same tools.
        size: how many conversations are remembered.
        number: numbers the calls of (tenant, session, agent, task), from 0; None: a call's number is how many messages its conversation has.
        name: the name of one tool.

    >>> builder = ViewBuilder[str, str](lambda text: Turn("user", text), measure=len, identity=str)
    >>> view = builder.view(["Hello", "Is anybody there?"], Caller(agent="greeter"))
    >>> view.scope.agent, view.tokens, view.conversation.last_user, view.thread[2]
    ('greeter', 13, 'Is anybody there?', 'greeter')
    """

    def __init__(
        self,
        turn: Callable[[M], Turn],
        measure: Callable[[T], int],
        identity: Callable[[T], Hashable],
        size: int = 2_000,
        number: Callable[[Key], int] | None = None,
        name: Callable[[T], str] = str,
    ) -> None:
        self._turn = turn
        self._reader = ConversationReader(turn, size=size)
        self._fronts = _ToolFronts(measure, identity, name)
        self._number = number

    def view(
        self,
        messages: Sequence[M],
        caller: Caller,
        *,
        tools: Sequence[T] | None = None,
        tool_settings: Hashable = None,
        structured: bool = False,
        max_output: int | None = None,
        tier: Any = None,
        providers: frozenset[str] = frozenset(),
        image_providers: Callable[[], frozenset[str]] | None = None,
        streamed: bool = False,
    ) -> View:
        """The view of a call.

        Parameters:
            messages: the whole prompt. A list is quickest.
            caller: who makes the call.
            tools: those that the call may use; None: not known.
            tool_settings: what else of the request a provider renders with the tools, such as the choice of one.
            structured, max_output, tier, providers: as in `Needs`.
            image_providers: the only providers that can serve the images of the conversation (empty: any); asked where it has some.
            streamed: the answer is read as it comes.
        """
        session, agent, task, labels, deadline, pin, branch, named, step_kind, because, failures, tenant, inherited, limits = (
            caller
        )
        session = session or opening(messages, self._turn)
        agent = agent or "main"
        thread = (tenant, session, agent, branch) if branch else (tenant, session, agent)
        front, names = self._fronts.of(tools, tool_settings) if tools else (NO_FRONT, ())
        reading = self._reader.read(thread, messages, None if tools is None else bool(tools), front)
        signals, modalities, length = reading.signals, reading.modalities, reading.length
        if step_kind is not None:
            signals = replace(signals, step=step_kind, failures=signals.failures + failures, because=because)
        needs = _NO_NEEDS
        if tools or structured or max_output is not None or tier or modalities or providers:
            if image_providers is not None and "image" in modalities:
                providers = image_providers()
            needs = Needs(bool(tools), structured, modalities, max_output, providers, tier if isinstance(tier, str) else "")
        task = task or str(signals.phase or "")
        step = length if self._number is None else self._number((tenant, session, agent, task))
        return View(
            Scope(session, agent, task, step, labels, deadline, tenant, limits),
            reading.tokens,
            needs,
            signals,
            pin,
            prefix=reading.prefix,
            conversation=Conversation(messages, self._turn, reading.last_user, range(length)),
            thread=thread,
            named=_NAMED[named, pin != ""],
            pin_inherited=inherited,
            tools=names,
            streamed=streamed,
        )

    def __len__(self) -> int:
        """How many conversations are remembered."""
        return len(self._reader)


def longest_of(settings: Mapping[str, Any] | None) -> int | None:
    """The longest answer that the settings of a call allow, in tokens, by whichever name; None: they do not say.

    Raises:
        ConfigurationError: it is less than 1, or no whole number.

    >>> longest_of({"max_completion_tokens": 100}), longest_of({"temperature": 1})
    (100, None)
    """
    for name in LONGEST if settings else ():
        value = (settings or {}).get(name)
        if isinstance(value, bool) or (isinstance(value, int | float) and (value < 1 or value != int(value))):
            raise ConfigurationError(f"{name}={value!r}: give a whole number from 1 on, or leave it out")
        if isinstance(value, int | float):
            return int(value)
    return None


def opening(messages: Sequence[Any], turn: Callable[[Any], Turn]) -> str:
    """What stands for the session where the caller names none: a digest of the system prompt and of the user's first words."""
    system = ""
    for at in range(min(len(messages), _OPENING)):
        found_turn = turn(messages[at])
        if found_turn.role == "user":
            return fingerprint(system, found_turn.text)
        if found_turn.role == "system" and not system:
            system = found_turn.text
    return fingerprint(system, "")
