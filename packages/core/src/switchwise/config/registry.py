"""Find policies, verifiers, estimators and observers by class name; your own as `package.module:Class`.

A name is looked up among the shipped classes, then among the entry points of installed distributions (groups `switchwise.policies`,
`switchwise.verifiers`, `switchwise.estimators`, `switchwise.observers`).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, get_type_hints

from switchwise.config.node import Node, shown
from switchwise.config.problems import near
from switchwise.observe.observer import Observer

ROOMS: Mapping[str, str] = {
    "policies": "switchwise.policies",
    "verifiers": "switchwise.verifiers",
    "caches": "switchwise.response_cache",
    "estimators": "switchwise.quality",
    "observers": "switchwise.observe",
}
_ONE = {"policies": "policy", "verifiers": "verifier", "caches": "cache", "estimators": "estimator", "observers": "observer"}
REFERENCE = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")


@cache
def known(kind: str) -> Mapping[str, Any]:
    """Name -> class of one kind; those of other distributions as entry points, not loaded yet.

    Parameters:
        kind: a key of `ROOMS`.
    """
    try:
        room = import_module(ROOMS[kind])
    except ModuleNotFoundError:
        return {}
    shipped = {name: getattr(room, name) for name in room.__all__ if _fits(getattr(room, name), kind)}
    return {**{point.name: point for point in entry_points(group=f"switchwise.{kind}")}, **shipped}


def _fits(thing: Any, kind: str) -> bool:
    if not isinstance(thing, type) or getattr(thing, "_is_protocol", False) or inspect.isabstract(thing):
        return False
    if kind == "observers":
        return issubclass(thing, Observer) and thing is not Observer
    verb = {"estimators": "estimate", "caches": "look_up"}.get(kind, "__call__")
    return any(verb in vars(base) for base in thing.__mro__)


def found(node: Node, kind: str, name: str) -> Any:
    """The class of that name.

    Raises:
        Refused: there is none; the problem is recorded.
    """
    if REFERENCE.match(name):
        return imported(node, name)
    classes = known(kind)
    if name not in classes:
        remedy = near(name, classes)
        raise node.wrong(f"no {_ONE[kind]} is called {name!r}", f"{remedy} One of your own is 'package.module:Class'")
    thing = classes[name]
    return thing if isinstance(thing, type) else thing.load()


def imported(node: Node, reference: str) -> Any:
    """Import `package.module:name`.

    Raises:
        Refused: it cannot be imported; the problem is recorded.
    """
    if not REFERENCE.match(reference):
        raise node.wrong(f"{shown(reference)} names nothing that can be imported", "write package.module:name")
    module, _, name = reference.partition(":")
    try:
        thing: Any = import_module(module)
        for part in name.split("."):
            thing = getattr(thing, part)
    except (ImportError, AttributeError) as error:
        raise node.wrong(
            f"{reference!r} cannot be imported: {error}", "install its package, or put its folder on PYTHONPATH"
        ) from None
    return thing


def parameters(cls: Any) -> dict[str, tuple[Any, inspect.Parameter]]:
    """Parameters of a class's constructor: name -> type and parameter."""
    hints = hints_of(cls)
    return {name: (hints.get(name, Any), parameter) for name, parameter in inspect.signature(cls).parameters.items()}


def hints_of(cls: Any) -> dict[str, Any]:
    """The types of the constructor's parameters; those that cannot be resolved are omitted."""
    owner = next((base for base in getattr(cls, "__mro__", ()) if "__init__" in vars(base)), None)
    try:
        return get_type_hints(cls if owner in (None, object) else vars(owner)["__init__"])
    except (NameError, TypeError):
        return {}


def described(cls: Any) -> dict[str, str]:
    """Description of each parameter from the docstring, on one line."""
    sections = [
        re.search(r"^Parameters:\n((?:    .*\n?|\n)+)", inspect.getdoc(base) or "", re.M)
        for base in getattr(cls, "__mro__", ())
    ]
    section = next((each for each in sections if each is not None), None)
    if section is None:
        return {}
    descriptions: dict[str, str] = {}
    names: list[str] = []
    for line in section[1].splitlines():
        if head := re.match(r"^    (\w[\w, ]*): (.*)$", line):
            names = [name.strip() for name in head[1].split(",")]
            descriptions |= dict.fromkeys(names, head[2])
        else:
            descriptions |= {name: f"{descriptions[name]} {line.strip()}".strip() for name in names}
    return descriptions
