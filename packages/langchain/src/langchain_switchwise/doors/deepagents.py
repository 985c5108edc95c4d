"""Deep agents route automatically: deepagents calls `register` by its entry point and adds the middleware to every agent.

`create_deep_agent(model=ChatSwitchwise(...))` then routes the main agent, declared sub-agents and the general-purpose one.
Harness profiles registered for its models (those of deepagents, and your own) apply as follows:

| what                                                    | counts                                                         |
|---------------------------------------------------------|----------------------------------------------------------------|
| prompt suffix, excluded tools, descriptions of tools    | by call: those of the target that was chosen (`TargetProfile`) |
| base prompt, extra and excluded middleware, general-    | only as registered under the key `switchwise`, for they shape an |
| purpose sub-agent                                       | agent before a target is chosen: your own, or `harness_from`   |

Profiles are a beta interface of deepagents, and their look-up is private; all code that depends on them is in this module.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import SystemMessage
from langchain_core.tools import BaseTool

from langchain_switchwise.doors.chat_model import ChatSwitchwise
from langchain_switchwise.doors.middleware import SwitchwiseMiddleware
from switchwise import ConfigurationError
from switchwise.state.in_process import Memory

if TYPE_CHECKING:
    from deepagents import HarnessProfile

KEY = "switchwise"


def register() -> None:
    """Add the middleware to every deep agent whose model is a `ChatSwitchwise`. Called by deepagents."""
    from deepagents import HarnessProfile, register_harness_profile

    register_harness_profile(KEY, HarnessProfile(extra_middleware=_middleware))


def harness_from(model: str | BaseChatModel) -> None:
    """Use the whole harness profile of one model for all deep agents whose model is a `ChatSwitchwise`.

    deepagents merges it with the profile registered already. For your own profile,
    `deepagents.register_harness_profile("switchwise", profile)` does the same.

    Parameters:
        model: a chat model, or the key of a registered profile: `provider` or `provider:model`.

    Raises:
        ConfigurationError: no profile is registered for it.
    """
    from deepagents import HarnessProfile, register_harness_profile

    profile = profile_of(model)
    if profile is None or profile == HarnessProfile():
        raise ConfigurationError(f"harness_from({model!r}): deepagents has no harness profile for it; register one first")
    register_harness_profile(KEY, profile)


def profile_of(model: str | BaseChatModel) -> HarnessProfile | None:
    """The harness profile of deepagents for this model; None if the look-up no longer exists."""
    from deepagents.profiles.harness import harness_profiles

    if isinstance(model, str):
        find: Any = getattr(harness_profiles, "_get_harness_profile", None)
        found: HarnessProfile | None = None if find is None else find(model)
        return found
    find = getattr(harness_profiles, "_harness_profile_for_model", None)
    return None if find is None else find(model, None)


class TargetProfile(AgentMiddleware[AgentState[Any], Any, Any]):
    """Apply the harness profile of the called model to the call, as if the agent had been created for that model.

    It runs inside `SwitchwiseMiddleware` and outside middleware for one provider. Text that is already in the agent's prompt is
    not added again.
    """

    def __init__(self) -> None:
        super().__init__()
        self._profiles: Memory[int, tuple[BaseChatModel, HarnessProfile | None]] = Memory(64)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Call the model by its own profile."""
        return handler(self._shaped(request))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """As `wrap_model_call`, asynchronously."""
        return await handler(self._shaped(request))

    def _shaped(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        model = request.model
        known = self._profiles.get(id(model))
        if known is None:
            known = (model, None if isinstance(model, ChatSwitchwise) else profile_of(model))  # the id stays the model's own
            self._profiles.put(id(model), known)
        profile = known[1]
        if profile is None:
            return request
        changes: dict[str, Any] = {}
        if profile.system_prompt_suffix and profile.system_prompt_suffix not in _text(request.system_message):
            changes["system_message"] = _with_suffix(request.system_message, profile.system_prompt_suffix)
        if profile.excluded_tools or profile.tool_description_overrides:
            changes["tools"] = [
                _described(tool, profile) for tool in request.tools if _name(tool) not in profile.excluded_tools
            ]
        return request.override(**changes) if changes else request


def _middleware() -> list[Any]:
    return [SwitchwiseMiddleware(), TargetProfile()]


def _with_suffix(message: SystemMessage | None, suffix: str) -> SystemMessage:
    if message is None:
        return SystemMessage(suffix)
    if isinstance(message.content, str):
        return message.model_copy(update={"content": f"{message.content}\n\n{suffix}"})
    return message.model_copy(update={"content": [*message.content, {"type": "text", "text": f"\n\n{suffix}"}]})


def _described(tool: Any, profile: HarnessProfile) -> Any:
    """A copy of the tool with the profile's description."""
    description = profile.tool_description_overrides.get(_name(tool))
    if description is None or "{available_agents}" in description:  # deepagents fills it in when it creates the tool
        return tool
    if isinstance(tool, dict):
        return {**tool, "description": description}
    return tool.model_copy(update={"description": description}) if isinstance(tool, BaseTool) else tool


def _name(tool: Any) -> str:
    return str(tool.get("name") if isinstance(tool, dict) else getattr(tool, "name", ""))


def _text(message: SystemMessage | None) -> str:
    return "" if message is None else str(message.text)
