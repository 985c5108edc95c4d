"""Pickle LLMs without keys; another process reads the keys from its environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pickle import PicklingError
from typing import Any

from switchwise.adapting.accounts import names_a_key
from switchwise.adapting.sdk_clients import is_sdk_client

_TELLING = ("auth", "cookie", "key", "secret", "token")

Packed = Any
"""An LLM itself, or its class and its state without keys."""


def packed(llm: Any) -> Packed:
    """Prepare an LLM for pickling: itself, or its class and state if it holds a key or a client with one.

    Raises:
        PicklingError: there may be a key among its headers.
    """
    fields, private = vars(llm), getattr(llm, "__pydantic_private__", None) or {}
    keys = [name for name, value in fields.items() if names_a_key(name) and value]
    if not keys and not any(map(is_sdk_client, private.values())):
        return llm
    headers = fields.get("default_headers") or {}
    if telling := sorted(name for name in headers if any(word in name.lower() for word in _TELLING)):
        raise PicklingError(
            f"cannot pickle {type(llm).__name__}: default_headers has {', '.join(telling)}, which looks like a key"
        )
    state = llm.__getstate__()
    kept = {name: value for name, value in state["__dict__"].items() if name not in keys}
    return type(llm), {**state, "__dict__": kept, "__pydantic_private__": None}


def unpacked(given: Packed) -> Any:
    """Restore an LLM as LlamaIndex restores its components: by its constructor, which reads the key from the environment."""
    if not isinstance(given, tuple):
        return given
    cls, state = given
    made = cls.__new__(cls)
    made.__setstate__(state)
    return made


def unpacked_all(models: Mapping[str, Sequence[Packed]]) -> dict[str, list[Any]]:
    """Those of a pool, all keys of one model together."""
    return {name: [*map(unpacked, keys)] for name, keys in models.items()}
