"""One root run per logical call in LangChain's traces, with the runs of attempts and of questions as children.

Rules:
1. It is a chain's run: a chat model's run around another one would count tokens and show text twice.
2. It exists only if runs are recorded: LangSmith, a tracer, a handler with `on_chain_start`. Otherwise readers of streams see the
   target's run as if it had been called directly.
3. It begins when the first decision is known. Its metadata have target, level, policy, reason and decision id, its tags the first three;
   at its end a tracer's run has the whole decision record, including cost, and its outputs are the answer and the record.
4. `run_id` is the id of the logical call, for feedback; a `run_name` is the name of both.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from functools import cache
from typing import Any

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackHandler, CallbackManager
from langchain_core.globals import get_debug
from langchain_core.runnables import RunnableConfig
from langchain_core.tracers._streaming import _StreamingCallbackHandler, _V2StreamingCallbackHandler
from langchain_core.tracers.base import BaseTracer

from langchain_switchwise.answering.tokens_shown import handlers_of
from langchain_switchwise.calling.perform import Performer
from switchwise import Run
from switchwise.observe.decision_record import reason_of, record_of

NAME = "switchwise"
_SILENT = BaseCallbackHandler.on_chain_start


def root_run(performer: Performer, run: Run) -> AbstractContextManager[RunnableConfig]:
    """Context manager around the calls of `run`: pass the config of child runs to the performer."""
    config = performer.request.config
    performer.seen = anybody_sees(config)
    return _root_run(performer, config, run) if performer.seen and anybody_keeps(config) else nullcontext(config)


@contextmanager
def _root_run(performer: Performer, config: RunnableConfig, run: Run) -> Generator[RunnableConfig, None, None]:
    manager = CallbackManager.configure(config.get("callbacks"), **_labels(config, run))
    root = manager.on_chain_start(None, _inputs(performer), config.get("run_id"), name=config.get("run_name") or NAME)
    try:
        yield performer.beneath(root.get_child())
    except BaseException as error:  # reported, and raised again
        root.on_chain_error(error)
        raise
    _complete(root.handlers, str(root.run_id), run)
    root.on_chain_end(_outputs(run))


def aroot_run(performer: Performer, run: Run) -> AbstractAsyncContextManager[RunnableConfig]:
    """As `root_run`, asynchronously."""
    config = performer.request.config
    performer.seen = anybody_sees(config)
    return _aroot_run(performer, config, run) if performer.seen and anybody_keeps(config) else nullcontext(config)


@asynccontextmanager
async def _aroot_run(performer: Performer, config: RunnableConfig, run: Run) -> AsyncGenerator[RunnableConfig, None]:
    manager = AsyncCallbackManager.configure(config.get("callbacks"), **_labels(config, run))
    root = await manager.on_chain_start(None, _inputs(performer), config.get("run_id"), name=config.get("run_name") or NAME)
    try:
        yield performer.beneath(root.get_child())
    except BaseException as error:  # reported, and raised again
        await root.on_chain_error(error)
        raise
    _complete(root.handlers, str(root.run_id), run)
    await root.on_chain_end(_outputs(run))


def anybody_sees(config: RunnableConfig) -> bool:
    """Whether a handler or tracer may see runs of calls with this config, those of the models themselves excepted."""
    tracing = _tracing()
    if config.get("callbacks") or get_debug() or tracing._tracing_v2_is_enabled():
        return True
    return any(var.get() or (name and name in os.environ) for var, _, _, name in tracing._configure_hooks)


def anybody_keeps(config: RunnableConfig) -> bool:
    """Return whether runs with this config are recorded."""
    given: Any = config.get("callbacks")
    if given and any(map(_keeps, handlers_of(given))):
        return True
    tracing = _tracing()
    hooked = [var.get() for var, _, _, _ in tracing._configure_hooks]
    return bool(tracing._tracing_v2_is_enabled()) or get_debug() or any(map(_keeps, filter(None, hooked)))


@cache
def _tracing() -> Any:
    """LangChain's state of tracing. Importing it imports langsmith, which LangChain does at the first call."""
    from langchain_core.tracers import context

    return context


def _keeps(handler: BaseCallbackHandler) -> bool:
    reader = isinstance(handler, _StreamingCallbackHandler | _V2StreamingCallbackHandler)
    return not reader and not handler.ignore_chain and type(handler).on_chain_start is not _SILENT


def _inputs(performer: Performer) -> dict[str, Any]:
    return {"messages": performer.request.messages}


def _outputs(run: Run) -> dict[str, Any]:
    answer = run.outcome.reply.raw
    output, *_ = getattr(answer, "result", None) or [answer]  # an agent's answer has the message among others
    return {"output": output, NAME: record_of(run.outcome)}


def _labels(config: RunnableConfig, run: Run) -> dict[str, Any]:
    """Tags and metadata: those of the config apply to child runs too, those of the decision only to this run."""
    found: dict[str, Any] = {"inheritable_tags": config.get("tags"), "inheritable_metadata": config.get("metadata")}
    if run.call is not None and run.call.ask is None:  # a question precedes the decision
        reason = reason_of(run.call)
        found |= {"local_tags": _words(reason), "local_metadata": _flat(reason)}
    return found


def _complete(handlers: list[BaseCallbackHandler], run_id: str, run: Run) -> None:
    """Add the final record to the tracer's run."""
    record = record_of(run.outcome)
    for handler in handlers:
        kept = handler.run_map.get(run_id) if isinstance(handler, BaseTracer) else None
        if kept is not None:
            kept.add_metadata(_flat(record))
            kept.tags = [*(tag for tag in kept.tags or () if not tag.startswith(f"{NAME}:")), *_words(record)]


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{NAME}_{name}": value for name, value in record.items()}


def _words(record: Mapping[str, Any]) -> list[str]:
    return [f"{NAME}:{name}:{record[name]}" for name in ("target", "level", "policy")]
