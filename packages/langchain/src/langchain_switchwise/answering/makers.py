"""Find the model that made a message: the called one, or another one called by an inner middleware."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from langchain_core.messages import AIMessage

from langchain_switchwise.models.native import Native
from switchwise.catalog import Catalog
from switchwise.nouns.target import Pool, Target

_DATED = re.compile(r"[-@:](?:\d{8}|\d{4}-\d{2}-\d{2}|\d{3,4}|latest)(?:-v\d+(?::\d+)?)?$")


def maker_of(message: AIMessage, called: Native, natives: Iterable[Native], pool: Pool) -> Target | None:
    """The target that made a message, if not the called one; None if it was the called one, by its metadata.

    A message of another provider is another target's. With the same provider, so is one that names another known model: aliases and
    deployments have other names.

    Parameters:
        message: a complete message.
        called: the called model.
        natives, pool: all models and targets.
    """
    metadata = message.response_metadata
    provider, model = metadata.get("model_provider") or "", metadata.get("model_name") or metadata.get("model") or ""
    same_maker = not provider or not called.makers or provider in called.makers
    if not isinstance(model, str) or (same_maker and (not model or _akin(model, called.model_name))):
        return None
    for native in natives:
        if native is not called and (not provider or provider in native.makers) and model and _akin(model, native.model_name):
            return pool[native.name]
    found = _known(provider or called.provider, model)
    if same_maker and (found is None or _known(called.provider, called.model_name) is None):
        return None
    return found or Target(model or provider, provider, model)


def _akin(one: str, other: str) -> bool:
    """Return whether two names are of one model: with a date, or with its maker's prefix."""
    one, other = (_DATED.sub("", name.rpartition("/")[2]) for name in (one, other))
    return not one or not other or one == other


@lru_cache(maxsize=256)
def _known(provider: str, model: str) -> Target | None:
    known = Catalog().look_up(provider, model)
    return None if known.price is None else Target(model, provider, model, known.price, known.can)
