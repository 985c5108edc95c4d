"""The standard library's frozen dataclasses, cheaper to define and to make.

`dataclasses.dataclass` compiles six functions for each class: 0.5 ms, which for the classes of `import switchwise` was a third of its time. Here the
constructor alone is compiled; comparison, hash and repr are closures over the names of the fields. The compiled constructor of a frozen class looks up
each field by name (`object.__setattr__`): 0.1 us a field, and a decision sets fifty. Here an object is of an open class while it is made, which takes
plain assignments, at 0.01 us a field.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
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
__all__ = ["dataclass", "maker"]


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


def maker(cls: type[T]) -> type[T]:
    """A function that makes objects of a class of this module as its constructor does, in two thirds of the time: for the path of a decision.

    It is not for subclasses and classes with a `__post_init__`.

    >>> @dataclass(frozen=True, slots=True)
    ... class Point:
    ...     x: int
    ...     y: int = 0
    >>> maker(Point)(1)
    Point(x=1, y=0)
    """
    given: tuple[Field[Any], ...] = fields(cls)  # type: ignore[arg-type]  # it is a dataclass
    assert not hasattr(cls, "__post_init__"), "nothing runs after the assignments"
    names = [field.name for field in given]
    lines = [
        "  self = _new(_making)",
        *[f"  self.{name} = {name}" for name in names],
        "  self.__class__ = _own",
        "  return self",
    ]
    known = {"_new": object.__new__, "_making": _in_the_making(cls), "_own": cls}
    return _compiled(cls, "make", names, lines, known, given)  # type: ignore[no-any-return]


def _in_the_making(cls: type) -> type:
    """A class of the same layout without the frozen `__setattr__`: while an object is made, it is one of these."""
    body = {"__slots__": cls.__slots__, "__setattr__": object.__setattr__}  # type: ignore[attr-defined]  # it has slots
    return type(f"{cls.__name__} in the making", cls.__bases__, body)


def _constructor(cls: type, given: Sequence[Field[Any]]) -> Callable[..., None]:
    names = [field.name for field in given]
    setters = [getattr(cls, name).__set__ for name in names]

    def set_all(self: Any, *values: Any) -> None:
        for setter, value in zip(setters, values, strict=True):
            setter(self, value)

    lines = [
        "  if self.__class__ is _own:",
        "   _set_class(self, _making)",
        *[f"   self.{name} = {name}" for name in names],
        "   self.__class__ = _own",
        f"  else: _set_all(self, {', '.join(names)})",  # a subclass
        *(["  self.__post_init__()"] if hasattr(cls, "__post_init__") else []),
    ]
    known = {"_own": cls, "_making": _in_the_making(cls), "_set_class": _set_class, "_set_all": set_all}
    init = _compiled(cls, "__init__", ["self", *names], lines, known, given)
    init.__annotations__ = {field.name: field.type for field in given} | {"return": None}
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init  # type: ignore[no-any-return]  # compiled above


def _compiled(
    cls: type, name: str, parameters: Sequence[str], lines: Sequence[str], known: Mapping[str, Any], given: Sequence[Field[Any]]
) -> Any:
    """A function of these parameters and lines, with the defaults of the given fields.

    Parameters:
        known: the values of other names in the lines.
    """
    made = [field for field in given if field.default_factory is not MISSING]
    known = {**known, "_made": _MADE, **{f"_make_{field.name}": field.default_factory for field in made}}
    filled = [f"  if {field.name} is _made: {field.name} = _make_{field.name}()" for field in made]
    text = [f"def outer({', '.join(known)}):", f" def {name}({', '.join(parameters)}):", *filled, *lines, f" return {name}"]
    found: dict[str, Any] = {}
    exec("\n".join(text), vars(sys.modules[cls.__module__]), found)  # noqa: S102  (as `dataclasses` itself does)
    function = found["outer"](**known)
    defaults = [_MADE if field in made else field.default for field in given]
    function.__defaults__ = tuple([default for default in defaults if default is not MISSING])
    return function
