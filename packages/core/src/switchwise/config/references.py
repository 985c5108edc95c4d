"""How a target is called, with references in place of keys and addresses: `env:NAME` for an environment variable, `file:PATH` for the content
of a file.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from switchwise.config.node import Node
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.target import Target

SECRET_NAMES = ("key", "secret", "token", "password", "authorization")


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to a value.

    Parameters:
        kind: `env` or `file`.
        name: name of the variable, or path.
    """

    kind: str
    name: str

    def resolve(self) -> str:
        """Return the value.

        Raises:
            ConfigurationError: there is none.
        """
        if self.kind == "env":
            if value := os.environ.get(self.name):
                return value
            raise ConfigurationError(f"the variable {self.name} is not set: export {self.name}=...")
        try:
            return Path(self.name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigurationError(f"{self.name} cannot be read ({error.strerror}): it should hold a key") from None

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


def is_address(text: str, schemes: Collection[str]) -> bool:
    """Whether a text is a URL of one of these schemes, with a host or, for a socket, a path."""
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname or (parts.scheme == "unix" and parts.path)) and parts.port != 0
    except ValueError:  # its host or port cannot be read
        return False


def reference(node: Node) -> Reference:
    """Read a reference; a literal value is refused and never shown.

    Raises:
        Refused: it is something else.
    """
    kind, colon, name = node.value.partition(":") if isinstance(node.value, str) else ("", "", "")
    if kind not in ("env", "file") or not colon or not name or any(char.isspace() for char in name):
        raise node.wrong("keys are not written into this file", 'refer to it: "env:NAME_OF_THE_VARIABLE" or "file:PATH"')
    if kind == "file":
        name = str(node.beside(name))
    return Reference(kind, name)


def settled(node: Node) -> Any:
    """Read settings with references; a setting with the name of a key must be a reference.

    Raises:
        Refused: a key is given literally.
    """
    if isinstance(node.value, dict):
        return {name: settled(each) for name, each in node.table().items()}
    if isinstance(node.value, list):
        return [settled(item) for item in node.items()]
    last = next(part for part in reversed(node.path) if isinstance(part, str)).lower().replace("-", "_")
    is_secret = any(last == name or last.endswith(f"_{name}") for name in SECRET_NAMES)
    if is_secret and node.value is not None and not isinstance(node.value, bool):
        return reference(node)
    return reference(node) if isinstance(node.value, str) and node.value.startswith(("env:", "file:")) else node.value


def resolved(value: Any) -> Any:
    """Return settings with resolved references.

    Raises:
        ConfigurationError: a reference cannot be resolved.
    """
    if isinstance(value, Reference):
        return value.resolve()
    if isinstance(value, Mapping):
        return {name: resolved(part) for name, part in value.items()}
    return [resolved(part) for part in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class TargetEndpoint:
    """A target, and how to call it.

    Parameters:
        target: with price and capabilities.
        api: `chat`, `responses` or `messages`; empty: the usual one of its provider.
        key: reference to the key; None: the default of the provider's SDK.
        base_url: empty: the provider's own.
        timeout: seconds per request; None: the SDK's.
        settings: constructor arguments of the client or of the framework's model, references included.
    """

    target: Target
    api: str = ""
    key: Reference | None = None
    base_url: str | Reference = ""
    timeout: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def options(self) -> dict[str, Any]:
        """Constructor arguments of an SDK's client or of a framework's model, keys included.

        Raises:
            ConfigurationError: a reference cannot be resolved.
        """
        try:
            found = {
                "api_key": resolved(self.key),
                "base_url": resolved(self.base_url) or None,
                "timeout": self.timeout,
                **resolved(dict(self.settings)),
            }
        except ConfigurationError as error:
            raise ConfigurationError(f"target {self.target.name!r}: {error}") from None
        return {name: value for name, value in found.items() if value is not None}


def for_each_key(endpoint: TargetEndpoint, fields: Mapping[str, Node]) -> dict[str, TargetEndpoint]:
    """An endpoint with its key, by its name, and one for each further key.

    Parameters:
        endpoint: without a key.
        fields: of its table; `key` or `keys` are read.

    Raises:
        Refused: one of them is not a reference, both are there, or `keys` is empty.
    """
    name = endpoint.target.name
    if "keys" not in fields:
        return {name: replace(endpoint, key=reference(fields["key"]) if "key" in fields else None)}
    keys = [reference(item) for item in fields["keys"].items()]
    if not keys or "key" in fields:
        problem = "key = ... names one, too" if keys else "it names no key"
        raise fields["keys"].wrong(problem, 'write keys = ["env:FIRST", "env:SECOND"] alone')
    found = {name: replace(endpoint, key=keys[0])}
    for number, key in enumerate(keys[1:], 2):
        target = replace(endpoint.target, name=f"{name}#{number}", key_of=name)
        found[target.name] = replace(endpoint, target=target, key=key)
    return found
