"""Which agent of which run is calling.

LlamaIndex hands an LLM neither agent nor session. They are found, at the moment of the call, where each is said most
explicitly: the call's own `route={...}`, `Switchwise.bind`, the event of the running workflow step, `route_scope`,
instrumentation tags. `bind(agent=...)` is the supported way to name an agent. The step event needs no wiring, but is read
from a private variable of the workflow engine: where that is gone, agents are no longer distinguished.

A session that nobody names is the workflow's `Context`: runs that share one are one session. Between two runs the engine
keeps nothing of a context but its store, so the first run leaves its id there, under `MARK`, and it stays with the context
where that is saved and restored. Where the store is not the usual one, each run is a session of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from llama_index_instrumentation.dispatcher import active_instrument_tags, instrument_tags

from switchwise import ConfigurationError, Limits

try:
    from workflows.context.state_store import DictState
    from workflows.runtime.types import results as _workflow
except ImportError:  # a core without workflows
    _workflow = DictState = None  # type: ignore[assignment, misc]

Words = Mapping[str, Any]
_NOTHING: Words = {}
_OWN = "switchwise."
_OURS = ("session", "agent", "task", "target", "deadline", "limits", "tenant")
_RUN = "llamaindex.run_id"
_STEP: ContextVar[Any] | None = getattr(_workflow, "StepWorkerStateContextVar", None)  # private: it may go
_CONTEXT: ContextVar[Any] | None = getattr(_workflow, "InternalContextVar", None)  # private as well
MARK = "switchwise_session"
"""Where the store of a workflow's context holds the session."""


class Moment(StrEnum):
    """The current task of a workflow, as far as its step event shows it."""

    STEP = "step"
    FINALIZE = "finalize"
    TOOL = "tool"


class Caller(NamedTuple):
    """Who makes a call, as far as anybody said. Empty: nobody did.

    Parameters:
        session, agent, task: as in `switchwise.Scope`.
        target: the target or role that the call must go to.
        deadline: as in `switchwise.Scope`.
        labels: everything else that was said: user, team, tenant, region.
        moment: what the running workflow is at.
        named: somebody named the session; else it is a workflow's run or context.
        tenant: as in `switchwise.Scope`; also a label.
        limits: as in `switchwise.Scope`.
        pin_inherited: the target was named around the call (`route_scope`), not by it or `bind`.
    """

    session: str = ""
    agent: str = ""
    task: str = ""
    target: str = ""
    deadline: float | None = None
    labels: Mapping[str, str] = _NOTHING
    moment: Moment = Moment.STEP
    named: bool = False
    tenant: str = ""
    pin_inherited: bool = False
    limits: Limits | None = None


class _Block(NamedTuple):
    """What the surrounding `route_scope` said.

    Parameters:
        words: its own and those of the blocks around it.
        tags: the instrumentation tags that it set; others are there where somebody has spoken since.
        caller: who calls, as long as nobody has; None: a workflow's run may know more.
    """

    words: Words
    tags: Words | None
    caller: Caller | None


_NOBODY = Caller()
_SCOPE: ContextVar[_Block] = ContextVar("switchwise_scope", default=_Block(_NOTHING, None, _NOBODY))  # noqa: B039  (nobody changes it)

DECIDED: ContextVar[list[str] | None] = ContextVar("switchwise_decided", default=None)
"""Where the ids of the decisions that are made in this context are noted; None: nobody asks."""


@contextmanager
def route_scope(**words: Any) -> Iterator[None]:
    """Say for a block of code who is calling; inner blocks add to outer ones.

    Works around `run()` of a workflow, around a query engine, in sync and async code. The words travel as instrumentation
    tags too, because a durable workflow runtime carries those and not context variables.

    Parameters:
        words: `session`, `agent`, `task`, `tenant`; `target` pins calls to a target or role; `deadline` in seconds on the
            router's clock; `limits` as `Limits(first=..., between=..., total=...)` or a mapping of these; any other word is a label for rules and budgets (user, team, region), and so is `tenant`.

    >>> with route_scope(session="s1", tenant="acme"):
    ...     capture({}).tenant
    'acme'
    """
    words_now = {**_SCOPE.get().words, **words}
    tags = {**active_instrument_tags.get(), **{_OWN + word: value for word, value in words.items()}}
    token = _SCOPE.set(_Block(words_now, tags, None if _RUN in tags else _merged(words_now, tags)))
    try:
        with instrument_tags(tags):
            yield
    finally:
        _SCOPE.reset(token)


def capture(bound: Words, hint: Words | None = None) -> Caller:
    """Who is calling now. To be asked in the caller's own frame: a stream may be read elsewhere.

    Parameters:
        bound: what `Switchwise.bind` said.
        hint: what the call itself says.
    """
    tags = active_instrument_tags.get()
    block = _SCOPE.get()
    step = _STEP.get(None) if _STEP is not None else None
    if block.caller is not None and step is None and not (bound or hint) and (tags is block.tags or not (tags or block.words)):
        return block.caller  # the usual case outside workflows, and the quick way
    words_now = block.words
    if tags and not words_now:  # in a durable runtime, which carries tags only
        words_now = {tag[len(_OWN) :]: value for tag, value in tags.items() if tag.startswith(_OWN)}
    return _merged(words_now, tags, step, bound, hint)


def _merged(words_now: Words, tags: Words, step: object = None, bound: Words = _NOTHING, hint: Words | None = None) -> Caller:
    """Who is calling, the most explicit word for each thing."""
    known = {**words_now}
    moment = Moment.STEP
    event = getattr(step, "event", None)  # it must never fail in the user's call
    if event is not None:
        agent = getattr(event, "current_agent_name", None)
        name = type(event).__name__
        if name == "AgentOutput":
            moment = Moment.FINALIZE
        elif name == "ToolCall":
            moment = Moment.TOOL
            agent = f"tool:{getattr(event, 'tool_name', '')}"
        if agent:
            known["agent"] = agent
    if bound:
        known.update(bound)
    if hint:
        if not isinstance(hint, Mapping):
            raise ConfigurationError(f"route={hint!r}: give the words of route_scope, such as route={{'target': 'fast'}}")
        known.update(hint)
    run = tags.get(_RUN) if tags else None
    session = known.pop("session", None) or (tags.get("session_id") if tags else None)
    named = bool(session)
    if run and not named:
        session = _session_of(run)
    limits = Limits.read(known.pop("limits", None))
    if known:
        _refuse_slips(frozenset(known).difference(_OURS))
    return Caller(
        str(session or ""),
        str(known.pop("agent", None) or ""),
        str(known.pop("task", None) or run or ""),
        str(known.pop("target", None) or ""),
        known.pop("deadline", None),
        {word: str(value) for word, value in known.items()} if known else _NOTHING,
        moment,
        named,
        str(known.get("tenant") or ""),
        not (bound.get("target") or (hint and hint.get("target"))),
        limits,
    )


@lru_cache
def _refuse_slips(labels: frozenset[str]) -> None:
    """Any word may be a label; one that is nearly ours is a slip.

    Raises:
        ConfigurationError: the message says which was meant.
    """
    for word in labels:
        if near := get_close_matches(word, _OURS, 1, 0.75):
            raise ConfigurationError(f"{word!r} is nearly a word of ours: did you mean {near[0]!r}?")


def _session_of(run: str) -> str:
    """The session of the workflow context that `run` belongs to. It must never fail in the user's call."""
    held = _CONTEXT.get(None) if _CONTEXT is not None else None
    try:
        state = held().store.checkpoint().state  # type: ignore[misc]  # where there is none, the run is the session
    except (AttributeError, TypeError, RuntimeError):
        return run
    if not isinstance(state, DictState):  # a state model of the user's own has no place for it
        return run
    session = state.get(MARK, None)
    if not session:
        session = state[MARK] = run
    return str(session)
