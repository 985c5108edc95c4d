"""Find the scope of a call: which agent of which run makes it.

LlamaIndex passes neither agent nor session to an LLM. They are read at the call, from the most explicit source: the call's own
`route={...}`, `Switchwise.bind`, the event of the running workflow step, `route_scope`, instrumentation tags. `bind(agent=...)` is the
supported way to name an agent. The step event needs no setup, but is read from a private variable of the workflow engine: without it,
agents are not distinguished.

Without a named session, the workflow's `Context` is the session: runs that share it are one session. Between runs the engine keeps only a
context's store, so the first run writes its id there, under `MARK`, and it is saved and restored with the context. With another kind of
store, each run is its own session.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, NamedTuple

from llama_index_instrumentation.dispatcher import active_instrument_tags, instrument_tags

from switchwise import ConfigurationError, Limits, StepKind
from switchwise.adapting.views import Caller
from switchwise.nouns.scope import as_texts

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
"""Key of the session in the store of a workflow's context."""


class _Block(NamedTuple):
    """Keywords of the surrounding `route_scope`.

    Parameters:
        words: its own keywords and those of outer blocks.
        tags: instrumentation tags that it set; they differ if other code has set tags since.
        caller: the caller if nothing else is known; None: a workflow's run may know more.
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
    """Set the scope of the calls in a block of code; inner blocks add to outer ones.

    Works around `run()` of a workflow, around a query engine, in sync and async code. The keywords are also set as instrumentation tags,
    because a durable workflow runtime keeps those and not context variables.

    Parameters:
        words: `session`, `agent`, `task`, `tenant`; `target` pins calls to a target or role; `deadline` in seconds on the router's clock;
            `limits` as `Limits(first=..., between=..., total=...)` or a mapping of these; any other keyword is a label for rules and
            budgets (user, team, region), and so is `tenant`.

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
    """Return the present caller: its session is named if the user named it, not where it is a workflow's run or context. Call it in the caller's own context: a stream may be read in another one.

    Parameters:
        bound: keywords of `Switchwise.bind`.
        hint: keywords of the call itself.
    """
    tags = active_instrument_tags.get()
    block = _SCOPE.get()
    step = _STEP.get(None) if _STEP is not None else None
    if block.caller is not None and step is None and not (bound or hint) and (tags is block.tags or not (tags or block.words)):
        return block.caller  # the common case outside workflows, as a fast path
    words_now = block.words
    if tags and not words_now:  # in a durable runtime, which keeps tags only
        words_now = {tag[len(_OWN) :]: value for tag, value in tags.items() if tag.startswith(_OWN)}
    return _merged(words_now, tags, step, bound, hint)


def _merged(words_now: Words, tags: Words, step: object = None, bound: Words = _NOTHING, hint: Words | None = None) -> Caller:
    """Merge the sources: the most explicit value of each field."""
    known = {**words_now}
    finishes = False
    event = getattr(step, "event", None)  # it must never fail within the user's call
    if event is not None:
        agent = getattr(event, "current_agent_name", None)
        name = type(event).__name__
        finishes = name == "AgentOutput"
        if name == "ToolCall":
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
    session = _text(known.pop("session", None)) or (_text(tags.get("session_id")) if tags else "")
    named = bool(session)
    if run and not named:
        session = _session_of(run)
    limits = Limits.read(known.pop("limits", None))
    if known:
        _refuse_slips(frozenset(known).difference(_OURS))
    agent = str(known.pop("agent", None) or "")
    task = str(known.pop("task", None) or run or "")
    pin = str(known.pop("target", None) or "")
    deadline = known.pop("deadline", None)
    return Caller(
        session,
        agent,
        task,
        as_texts(known) if known else _NOTHING,
        deadline,
        pin,
        named=(named, bool(agent), bool(task)),
        step_kind=StepKind.FINAL_ANSWER if finishes else None,
        because="the agent finishes its run" if finishes else "",
        tenant=_text(known.get("tenant")),
        pin_inherited=not (bound.get("target") or (hint and hint.get("target"))),
        limits=limits,
    )


def _text(word: object) -> str:
    """An id as a text, since those of databases are numbers; empty for None."""
    return "" if word is None else str(word)


@lru_cache
def _refuse_slips(labels: frozenset[str]) -> None:
    """Any keyword may be a label, but a misspelled keyword of ours is an error.

    Raises:
        ConfigurationError: the message names the probable keyword.
    """
    for word in labels:
        if near := get_close_matches(word, _OURS, 1, 0.75):
            raise ConfigurationError(f"{word!r} is almost a keyword of route_scope: did you mean {near[0]!r}?")


def _session_of(run: str) -> str:
    """The session of the workflow context of `run`. It must never fail within the user's call."""
    held = _CONTEXT.get(None) if _CONTEXT is not None else None
    try:
        state = held().store.checkpoint().state  # type: ignore[misc]  # where there is none, the run is the session
    except (AttributeError, TypeError, RuntimeError):
        return run
    if not isinstance(state, DictState):  # the user's own state model has no field for it
        return run
    session = state.get(MARK, None)
    if not session:
        session = state[MARK] = run
    return str(session)
