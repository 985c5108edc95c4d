"""Messages and config, as the policies see them.

Everything that says where in the work a call is made is read from `ensure_config(config)` at the public entry point: the
callback manager's metadata lacks `configurable`, and a context variable lacks what was bound to the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig

from langchain_switchwise.models.messages import turn_of
from langchain_switchwise.policies.follow_decision import FOLLOW
from langchain_switchwise.porting.schema import Schema
from langchain_switchwise.porting.tools import Tools, ToolSizes
from switchwise import Needs, Scope, StepKind, View
from switchwise.reading.reader import NO_FRONT, ConversationReader, Front, fingerprint
from switchwise.state.in_process import Memory

_PLAIN_NODES = frozenset(["", "model", "agent", "call_model", "chatbot", "llm"])
_LABELS = frozenset(["user", "user_id", "team", "tenant", "region", "plan"])
UNNAMED = "sub-agent"
_NO_NEEDS = Needs()


class Views:
    """Builds the view of each call; keeps per thread what it has read, so that only new messages are read.

    Parameters:
        size: how many threads are kept.
    """

    def __init__(self, size: int = 2_000) -> None:
        self._reader = ConversationReader(turn_of, size=size)
        self._names: Memory[tuple[str, ...], str] = Memory(size)
        self._sizes = ToolSizes()

    def view(
        self, config: RunnableConfig, messages: Sequence[BaseMessage], kwargs: Mapping[str, Any], pin: str = ""
    ) -> tuple[View, tuple[str, ...]]:
        """The view of a call, and the key of its thread.

        Parameters:
            config: what `ensure_config` gives.
            messages: the whole prompt.
            kwargs: settings of the call; tools and schema are among them.
            pin: the target that the call itself names.
        """
        metadata, configurable = config["metadata"], config["configurable"]
        namespace = configurable.get("checkpoint_ns") or metadata.get("langgraph_checkpoint_ns") or ""
        nest = namespace.rpartition("|")[0] if namespace else ""
        session = configurable.get("thread_id") or metadata.get("thread_id")
        session = str(session) if session else opening(messages)
        tenant = _tenant(metadata, configurable) if metadata or configurable else ""
        agent = self._agent(metadata.get("lc_agent_name"), tenant, session, nest)
        key = (tenant, session, agent, nest)
        tools = kwargs.get("tools")
        reading = self._reader.read(key, messages, bool(tools), self._front(tools) if tools else NO_FRONT)
        signals, modalities = reading.signals, reading.modalities
        labels = _labels(metadata, configurable, kwargs)
        runtime = configurable.get("__pregel_runtime")
        if runtime is not None and (runs := _runs(runtime)):
            signals = replace(signals, step=StepKind.FAILURE, failures=signals.failures + runs, because="the node runs again")
            labels = {**labels, "rerun": str(runs)}
        task = (
            configurable.get("switchwise_task")
            or metadata.get("switchwise_task")
            or metadata.get("lc_source")
            or (_node(metadata) if metadata else "")
            or signals.phase
            or ""
        )
        return View(
            Scope(session, agent, str(task), reading.length, labels, None, tenant),
            reading.tokens,
            _needs(kwargs, tools, modalities) if kwargs or modalities else _NO_NEEDS,
            signals,
            pin or configurable.get("switchwise_target") or "",
            prefix=reading.prefix,
        ), key

    def _front(self, tools: Any) -> Front:
        """Whether the same tools are bound as before, told by their names, since frameworks make new objects of the same tools; and how long."""
        if not isinstance(tools, Tools):
            return hash(str(tools)), self._sizes.of(tools)
        return hash((str(tools.choice), tools.parallel, *[_name(tool) for tool in tools.raw])), self._sizes.of(tools.raw)

    def _agent(self, name: str | None, tenant: str, session: str, nest: str) -> str:
        """The name of the agent that calls.

        One that has no name inherits that of the agent around it, so a name shared with the agent around counts as none.
        """
        if not name:
            return _named_by(nest) if nest else "main"
        if nest and self._names.get((tenant, session, nest.rpartition("|")[0])) == name:
            return f"{name}/{UNNAMED}"
        self._names.put((tenant, session, nest), name)
        return name


def _tenant(metadata: Mapping[str, Any], configurable: Mapping[str, Any]) -> str:
    """Whose call it is: `switchwise_tenant`, else `tenant`, which is also a label."""
    found = (
        configurable.get("switchwise_tenant")
        or metadata.get("switchwise_tenant")
        or configurable.get("tenant")
        or metadata.get("tenant")
    )
    return str(found) if found else ""


def opening(messages: Sequence[BaseMessage]) -> str:
    """What stands for the session where the caller names none: a hash of how the conversation began."""
    system = first_user = ""
    for message in messages:
        if message.type == "system" and not system:
            system = str(message.content)
        elif message.type == "human":
            first_user = str(message.content)
            break
    return fingerprint(system, first_user)


def _name(tool: Any) -> str:
    if isinstance(tool, Mapping):
        return str(tool.get("name") or tool.get("function") or tool.get("type"))
    return str(getattr(tool, "name", None) or getattr(tool, "__name__", ""))


def _named_by(nest: str) -> str:
    """The name of a nested agent that did not say its own: that of the graph node which runs it."""
    name = nest.rpartition("|")[2].partition(":")[0]
    return name if name and name != "tools" else UNNAMED


def _runs(runtime: Any) -> int:
    """How often LangGraph has run this node before and had an error: a failure to reckon with."""
    info = getattr(runtime, "execution_info", None)
    return 0 if info is None else max(0, info.node_attempt - 1)


def _node(metadata: Mapping[str, Any]) -> str:
    node = metadata.get("langgraph_node") or ""
    return "" if node in _PLAIN_NODES else str(node)


def _labels(metadata: Mapping[str, Any], configurable: Mapping[str, Any], kwargs: Mapping[str, Any]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for source in (metadata, configurable):
        if not _LABELS.isdisjoint(source):
            found.update({name: str(source[name]) for name in _LABELS & source.keys()})
    if follow := kwargs.get(FOLLOW):
        found[FOLLOW] = follow
    more = configurable.get("switchwise_labels") or metadata.get("switchwise_labels")
    return {**found, **more} if more else found


def _needs(kwargs: Mapping[str, Any], tools: Any, modalities: frozenset[str]) -> Needs:
    return Needs(
        bool(tools),
        kwargs.get("response_format") is not None or _held(kwargs.get("switchwise_schema")),
        modalities,
        kwargs.get("max_tokens") or kwargs.get("max_completion_tokens"),
        tools.providers if isinstance(tools, Tools) else frozenset(),
    )


def _held(schema: Any) -> bool:
    """Whether a target must be able to be held to a schema: some ways to ask for it, by a tool or in words, need no such thing."""
    return isinstance(schema, Schema) and schema.options.get("method", "json_schema") == "json_schema"
