"""Configurable fields: those of a `ChatSwitchwise`, and settings of its models.

`configurable_fields(temperature=ConfigurableField(id="temperature"))` lets a run choose a setting of its model. LangChain
rebuilds a native model with it; a `ChatSwitchwise` sends it with the call, translated for the chosen target.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable
from langchain_core.runnables.configurable import RunnableConfigurableFields, make_options_spec
from langchain_core.runnables.utils import (
    AnyConfigurableField,
    ConfigurableField,
    ConfigurableFieldSpec,
    get_unique_config_specs,
)

from switchwise import ConfigurationError

SETTINGS = frozenset(
    """effort frequency_penalty logprobs max_completion_tokens max_output_tokens max_tokens model model_name n presence_penalty
    reasoning reasoning_effort seed service_tier stop stop_sequences temperature thinking top_k top_logprobs top_p
    verbosity""".split()
)
"""Fields of native models that are also settings of a call."""
Fields = Mapping[str, AnyConfigurableField]
if TYPE_CHECKING:
    _Dynamic = RunnableConfigurableFields[LanguageModelInput, AIMessage]
else:
    _Dynamic = RunnableConfigurableFields  # pydantic would create another class for these types


def configurable(
    llm: BaseChatModel, models: Mapping[str, BaseChatModel], fields: Fields
) -> RunnableSerializable[LanguageModelInput, AIMessage]:
    """Return `llm` with fields that a run can choose.

    Parameters:
        llm: the model.
        models: its models by target name.
        fields: name -> configurable field: fields of `llm` itself, and settings that are fields of any of the models.

    Raises:
        ConfigurationError: a name is neither of these.
    """
    own = type(llm).model_fields.keys()
    known = {name for model in models.values() for name in _names(model)} & SETTINGS
    if strange := sorted(fields.keys() - own - known):
        raise ConfigurationError(
            f"configurable_fields({', '.join(strange)}=...): no setting of a call that any of models= has a field for; "
            f"known are {', '.join(sorted(known))}, and this model's own {', '.join(sorted(own - {'dispatch'}))}"
        )
    if fields.keys() <= own:
        return _Dynamic(default=llm, fields=dict(fields))
    return SettingFields(default=llm, fields=dict(fields))


class SettingFields(_Dynamic):
    """LangChain's configurable model, where some fields are settings of the call."""

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """The fields that a run can choose."""
        described = [_spec(name, field) for name, field in self._settings().items()]
        return get_unique_config_specs([*described, *self._without().config_specs])

    def _prepare(self, config: RunnableConfig | None = None) -> tuple[Runnable[LanguageModelInput, AIMessage], RunnableConfig]:
        model, prepared = self._without()._prepare(config)
        chosen = prepared.get("configurable", {})
        given = {name: _value(field, chosen) for name, field in self._settings().items()}
        bound = {"model" if name == "model_name" else name: value for name, value in given.items() if value is not None}
        return (model.bind(**bound) if bound else model), prepared

    def _settings(self) -> dict[str, AnyConfigurableField]:
        own = type(self.default).model_fields
        return {name: field for name, field in self.fields.items() if name not in own}

    def _without(self) -> _Dynamic:
        """A copy without settings of the call."""
        own = type(self.default).model_fields
        return _Dynamic(default=self.default, fields={k: v for k, v in self.fields.items() if k in own})


def _names(model: BaseChatModel) -> set[str]:
    fields = type(model).model_fields
    return {*fields, *[field.alias for field in fields.values() if field.alias]}


def _spec(name: str, field: AnyConfigurableField) -> ConfigurableFieldSpec:
    if not isinstance(field, ConfigurableField):
        return make_options_spec(field, None)
    return ConfigurableFieldSpec(
        id=field.id,
        name=field.name or name,
        description=field.description,
        annotation=field.annotation or Any,
        default=None,
        is_shared=field.is_shared,
    )


def _value(field: AnyConfigurableField, chosen: Mapping[str, Any]) -> Any:
    if isinstance(field, ConfigurableField):
        return chosen.get(field.id)
    picked = chosen.get(field.id, field.default)
    return field.options.get(picked) if isinstance(picked, str) else [field.options[option] for option in picked]
