"""Names of a package that are imported when they are first used, so that a program pays only for what it uses."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any


def lazily(package: str, names: Collection[str], **places: str) -> Callable[[str], Any]:
    """The `__getattr__` of a package (PEP 562). For type checkers the package imports the same names under `TYPE_CHECKING`.

    Parameters:
        package: its `__name__`.
        names: what it offers, its `__all__`. A class is taken from the module of its name in lower case with underscores.
        places: name -> module of the package, for those that stand elsewhere.

    >>> lazily("switchwise.policies", ["ByAgent", "Follows"], Follows="follow_decision")("ByAgent").__module__
    'switchwise.policies.by_agent'
    """

    def found(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        place = places.get(name) or "".join([f"_{letter.lower()}" if letter.isupper() else letter for letter in name]).lstrip(
            "_"
        )
        value = getattr(import_module(f"{package}.{place}"), name)
        setattr(sys.modules[package], name, value)  # from now on it is found without us
        return value

    return found
