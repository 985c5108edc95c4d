"""References to keys and addresses: `env:NAME` for an environment variable, `file:PATH` for the content of a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from switchwise.config.node import Node
from switchwise.nouns.errors import ConfigurationError

E = TypeVar("E")
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


def reference(node: Node) -> Reference:
    """Read a reference; a literal value is refused and never shown.

    Raises:
        Refused: it is something else.
    """
    kind, colon, name = node.value.partition(":") if isinstance(node.value, str) else ("", "", "")
    if kind not in ("env", "file") or not colon or not name or any(char.isspace() for char in name):
        raise node.wrong("keys are not written into this file", 'refer to it: "env:NAME_OF_THE_VARIABLE" or "file:PATH"')
    if kind == "file":
        name = str(Path(node.document.place(node.path)[0]).absolute().parent / name)
    return Reference(kind, name)


def for_each_key(endpoint: E, fields: Mapping[str, Node]) -> dict[str, E]:
    """An endpoint with its key, by its name, and one for each further key.

    Parameters:
        endpoint: a dataclass with `target` and `key`.
        fields: of its table; `key` or `keys` are read.

    Raises:
        Refused: one of them is no reference, both are there, or `keys` is empty.
    """
    made, name = cast("Any", endpoint), cast("Any", endpoint).target.name
    if "keys" not in fields:
        return {name: replace(made, key=reference(fields["key"]) if "key" in fields else None)}
    keys = [reference(item) for item in fields["keys"].items()]
    if not keys or "key" in fields:
        problem = "key = ... names one, too" if keys else "it names no key"
        raise fields["keys"].wrong(problem, 'write keys = ["env:FIRST", "env:SECOND"] alone')
    found = {name: replace(made, key=keys[0])}
    for number, key in enumerate(keys[1:], 2):
        target = replace(made.target, name=f"{name}#{number}", key_of=name)
        found[target.name] = replace(made, target=target, key=key)
    return found


def settled(node: Node) -> Any:
    """Read settings with references; a setting with the name of a key must be a reference.

    Raises:
        Refused: a key is given literally.
    """
    if isinstance(node.value, dict):
        return {name: settled(field) for name, field in node.table().items()}
    if isinstance(node.value, list):
        return [settled(item) for item in node.items()]
    last = str(node.path[-1]).lower().replace("-", "_")
    is_secret = any(last == name or last.endswith(f"_{name}") for name in SECRET_NAMES)
    if isinstance(node.value, str) and (is_secret or node.value.startswith(("env:", "file:"))):
        return reference(node)
    return node.value


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
