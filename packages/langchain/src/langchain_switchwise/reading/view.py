"""Build the view of a call from its messages and config.

The scope is read from `ensure_config(config)` at the public entry point: the callback manager's metadata lacks `configurable`, and a
context variable lacks what was bound to the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables.config import var_child_runnable_config

from langchain_switchwise.models.messages import turn_of
from langchain_switchwise.porting.tools import measured, tool_identity
from langchain_switchwise.reading.inputs import DEADLINE, LIMITS, Request, refuse_unknown
from switchwise import ConfigurationError, Limits, StepKind, View
from switchwise.adapting.views import Caller, ViewBuilder, longest_of, opening
from switchwise.nouns.scope import as_texts
from switchwise.policies.follow_decision import FOLLOW
from switchwise.state.in_process import Memory

_PLAIN_NODES = frozenset(["", "model", "agent", "call_model", "chatbot", "llm"])
_LABELS = frozenset(["user", "user_id", "team", "tenant", "region", "plan"])
_CONFIGURABLE = (DEADLINE, LIMITS, *(f"switchwise_{word}" for word in ("target", "task", "tenant", "labels")))
UNNAMED = "sub-agent"


class Views:
    """Build the view of each call; caches read messages per thread, so that only new ones are read.

    Parameters:
        size: most threads kept.
    """

    def __init__(self, size: int = 2_000) -> None:
        self._builder = ViewBuilder(turn_of, measured, tool_identity, size, name=lambda tool: tool_identity(tool)[0])
        self._names: Memory[tuple[str, ...], str] = Memory(size)

    def view(self, request: Request, streamed: bool = False) -> View:
        """The view of a call.

        Parameters:
            streamed: the answer is streamed.
        """
        config, messages, tools, schema = request.config, request.messages, request.tools, request.schema
        metadata, configurable = config["metadata"], config["configurable"]
        if configurable:
            refuse_unknown(configurable, _CONFIGURABLE)
        namespace = configurable.get("checkpoint_ns") or metadata.get("langgraph_checkpoint_ns") or ""
        nest = namespace.rpartition("|")[0] if namespace else ""
        given = _id("thread_id", configurable, metadata) if metadata or configurable else ""
        tenant = _tenant(metadata, configurable) if metadata or configurable else ""
        name = metadata.get("lc_agent_name")
        session = given or (opening(messages, turn_of)[0] if name or nest else "")
        task = configurable.get("switchwise_task") or metadata.get("switchwise_task")
        labels, runs = _labels(metadata, configurable, request.follow) if metadata or configurable or request.follow else {}, 0
        runtime = configurable.get("__pregel_runtime")
        if runtime is not None and (runs := _runs(runtime)):
            labels = {**labels, "rerun": str(runs)}
        pin, pin_inherited = request.pin, False
        if not pin and (pin := configurable.get("switchwise_target") or ""):
            pin_inherited = _is_around(pin)
        caller = Caller(
            session,
            self._agent(name, tenant, session, nest) if name or nest else "main",
            str(task or metadata.get("lc_source") or (_node(metadata) if metadata else "")),
            labels,
            request.deadline if request.deadline is not None else configurable.get(DEADLINE),
            pin,
            nest,
            (bool(given), bool(name), bool(task)),
            StepKind.FAILURE if runs else None,
            "the node runs again" if runs else "",
            runs,
            tenant,
            pin_inherited,
            request.limits or (Limits.read(configurable[LIMITS]) if LIMITS in configurable else None),
        )
        settings = request.settings
        if tools is None and schema is None and not settings:
            return self._builder.view(messages, caller, tools=(), streamed=streamed)
        return self._builder.view(
            messages,
            caller,
            tools=tools.raw if tools is not None else (),
            tool_settings=(str(tools.choice), tools.parallel) if tools is not None else None,
            structured=request.formatted or (schema is not None and schema.is_enforced),
            max_output=longest_of(settings),
            tier=settings.get("service_tier"),
            providers=tools.providers if tools is not None else frozenset(),
            streamed=streamed,
        )

    def _agent(self, name: str | None, tenant: str, session: str, nest: str) -> str:
        """The name of a named or nested agent.

        An unnamed agent inherits the name of the enclosing one, so a name shared with that counts as none.
        """
        if not name:
            return _named_by(nest)
        if nest and self._names.get((tenant, session, nest.rpartition("|")[0])) == name:
            return f"{name}/{UNNAMED}"
        self._names.put((tenant, session, nest), name)
        return name


def _is_around(pin: str) -> bool:
    """Return whether the pin is from the enclosing run: a graph's pin applies to every model called in it, for any pool."""
    around = var_child_runnable_config.get()
    return around is not None and (around.get("configurable") or {}).get("switchwise_target") == pin


def _tenant(metadata: Mapping[str, Any], configurable: Mapping[str, Any]) -> str:
    """The tenant of a call: `switchwise_tenant`, else `tenant`, which is also a label."""
    return _id("switchwise_tenant", configurable, metadata) or _id("tenant", configurable, metadata)


def _id(name: str, configurable: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """The value as a text, since ids of databases are numbers; empty if there is none."""
    found = configurable.get(name)
    if found is None or found == "":
        found = metadata.get(name)
    return "" if found is None else str(found)


def _named_by(nest: str) -> str:
    """The name of a nested agent without its own: that of the graph node which runs it."""
    name = nest.rpartition("|")[2].partition(":")[0]
    return name if name and name != "tools" else UNNAMED


def _runs(runtime: Any) -> int:
    """Number of failed runs of this node by LangGraph, which count as failures."""
    info = getattr(runtime, "execution_info", None)
    return 0 if info is None else max(0, info.node_attempt - 1)


def _node(metadata: Mapping[str, Any]) -> str:
    node = metadata.get("langgraph_node") or ""
    return "" if node in _PLAIN_NODES else str(node)


def _labels(metadata: Mapping[str, Any], configurable: Mapping[str, Any], follow: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for source in (metadata, configurable):
        if not _LABELS.isdisjoint(source):
            found.update(as_texts({name: source[name] for name in _LABELS & source.keys()}))
    if follow:
        found[FOLLOW] = follow
    more = configurable.get("switchwise_labels") or metadata.get("switchwise_labels")
    if more and not isinstance(more, Mapping):
        raise ConfigurationError(f"switchwise_labels={more!r:.80}: give name -> value, such as {{'user': 'ada'}}")
    return {**found, **as_texts(more)} if more else found
