"""The standard library's frozen dataclasses, cheaper to define and to make.

`dataclasses.dataclass` compiles six functions for each class: 0.5 ms, which for the classes of `import switchwise` was a third of its time. Here the
constructor alone is compiled; comparison, hash and repr are closures over the names of the fields. The compiled constructor of a frozen class looks up
each field by name (`object.__setattr__`): 0.1 us a field, and a decision sets fifty. Here an object is of an open class while it is made, which takes
plain assignments, at 0.01 us a field.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, fields
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    from dataclasses import dataclass as _dataclass

    def dataclass(*, frozen: Literal[True], slots: Literal[True]) -> Callable[[type], type]:
        """As `dataclasses.dataclass(frozen=True, slots=True)`, for classes whose constructor takes every field in its place.

        A field with `init=False` is set in `__post_init__`.

        >>> @dataclass(frozen=True, slots=True)
        ... class Point:
        ...     x: int
        ...     y: int = 0
        >>> Point(1)
        Point(x=1, y=0)
        """
        made = _dataclass(frozen=frozen, slots=slots, init=False, repr=False, eq=False)
        return lambda cls: _completed(made(cls))


T = TypeVar("T")
__all__ = ["dataclass"]


class _Factory:
    def __repr__(self) -> str:
        return "<factory>"  # in a signature, as of the standard library


_MADE = _Factory()
_set_class = vars(object)["__class__"].__set__  # past the `__setattr__` of a frozen class


def _completed(cls: type[T]) -> type[T]:
    given: tuple[Field[Any], ...] = fields(cls)  # type: ignore[arg-type]  # it is a dataclass
    assert not any(field.kw_only for field in given), "a constructor that takes every field in its place"
    assert hasattr(cls, "__post_init__") or all(field.init for field in given), (
        "a __post_init__ sets what the constructor does not take"
    )
    own: Any = cls
    compared = _values([field.name for field in given if field.compare])
    hashed = _values([field.name for field in given if (field.compare if field.hash is None else field.hash)])
    shown = [field.name for field in given if field.repr]

    def __eq__(self: Any, other: object) -> Any:  # noqa: N807  (the name that a traceback shows)
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: Any) -> int:  # noqa: N807
        return hash(hashed(self))

    @recursive_repr()
    def __repr__(self: Any) -> str:  # noqa: N807
        return f"{self.__class__.__qualname__}({', '.join([f'{name}={getattr(self, name)!r}' for name in shown])})"

    own.__init__ = _constructor(cls, [field for field in given if field.init])
    for method in (__eq__, __hash__, __repr__):
        if vars(cls).get(method.__name__) is None:
            method.__qualname__ = f"{cls.__qualname__}.{method.__name__}"
            setattr(cls, method.__name__, method)
    return cls


def _values(names: list[str]) -> Callable[[Any], Any]:
    """A function of an object that returns the values of these attributes as a tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda each: tuple([getattr(each, name) for name in names])


def _constructor(cls: type, given: Sequence[Field[Any]]) -> Callable[..., None]:
    names = [field.name for field in given]
    # Of the same layout, without the frozen `__setattr__`: while an object is made, it is one of these.
    open_ = {"__slots__": cls.__slots__, "__setattr__": object.__setattr__}  # type: ignore[attr-defined]  # it has slots
    making = type(f"{cls.__name__} in the making", cls.__bases__, open_)
    setters = [getattr(cls, name).__set__ for name in names]

    def set_all(self: Any, *values: Any) -> None:
        for setter, value in zip(setters, values, strict=True):
            setter(self, value)

    known = {"_made": _MADE, "_own": cls, "_making": making, "_set_class": _set_class, "_set_all": set_all}
    known |= {f"_make_{field.name}": field.default_factory for field in given}
    text = "\n".join(
        [
            f"def constructor({', '.join(known)}):",
            f"  def __init__(self, {', '.join(names)}):",
            *[f"    if {field.name} is _made: {field.name} = _make_{field.name}()" for field in given if _has_factory(field)],
            "    if self.__class__ is _own:",
            "      _set_class(self, _making)",
            *[f"      self.{name} = {name}" for name in names],
            "      self.__class__ = _own",
            f"    else: _set_all(self, {', '.join(names)})",  # a subclass
            *(["    self.__post_init__()"] if hasattr(cls, "__post_init__") else []),
            "  return __init__",
        ]
    )
    found: dict[str, Any] = {}
    exec(text, vars(sys.modules[cls.__module__]), found)  # noqa: S102  (as `dataclasses` itself does)
    init = found["constructor"](**known)
    defaults = [_MADE if _has_factory(field) else field.default for field in given]
    init.__defaults__ = tuple([default for default in defaults if default is not MISSING])
    init.__annotations__ = {field.name: field.type for field in given} | {"return": None}
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init  # type: ignore[no-any-return]  # compiled above


def _has_factory(field: Field[Any]) -> bool:
    return field.default_factory is not MISSING
