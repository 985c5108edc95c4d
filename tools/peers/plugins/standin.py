"""What stands for a model's class in a test module, so that the test builds a router without knowing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class StandIn:
    """A name for `real`: called, it gives a router around an instance; as a base class, it is `real` itself.

    Parameters:
        real: the class whose name a test module uses.
        router: the class that a call gives; what a test asks of the class, such as a method's signature, is answered by it.
        around: makes the router from an instance of `real`.
    """

    def __init__(self, real: type, router: type, around: Callable[[Any], Any]) -> None:
        self._real, self._router, self._around = real, router, around

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._around(self._real(*args, **kwargs))

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type]:
        return (self._real,)

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, (self._real, self._router))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._router if hasattr(self._router, name) else self._real, name)
