"""A fast dataclass is a frozen dataclass of the standard library in all but the time that it takes to define and to make one."""

import copy
import dataclasses
import inspect
import pickle
from dataclasses import FrozenInstanceError, field, fields, replace

import pytest

from switchwise import Attempt, Needs, Outcome, Reply, Scope, Signals, Usage, View
from switchwise.nouns.call import Call
from switchwise.nouns.fast_dataclass import dataclass, maker
from switchwise.nouns.signals import Turn


@dataclass(frozen=True, slots=True)
class Fast:
    x: int
    y: str = "y"
    z: object = field(default=None, compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Plain:
    x: int
    y: str = "y"
    z: object = field(default=None, compare=False)


def test_it_takes_what_the_plain_one_takes():
    assert inspect.signature(Fast) == inspect.signature(Plain)
    assert repr(Fast(1, z=2)) == repr(Plain(1, z=2)).replace("Plain", "Fast")
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'x'"):
        Fast()
    with pytest.raises(TypeError, match="unexpected keyword argument 'w'"):
        Fast(1, w=2)


def test_a_maker_makes_what_the_constructor_makes():
    @dataclass(frozen=True, slots=True)
    class Listed:
        x: int
        at: list[int] = field(default_factory=list)

    make = maker(Listed)
    one, two = make(1), make(x=1, at=[])
    assert type(one) is Listed
    assert one == two == Listed(1)
    assert one.at is not two.at
    with pytest.raises(FrozenInstanceError):
        one.x = 2
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'x'"):
        make()
    plain, made = View(Scope("s1"), 10), maker(View)(maker(Scope)("s1"), 10)
    assert made == plain
    assert pickle.loads(pickle.dumps(made)) == replace(made, tokens=10) == plain


def test_it_compares_copies_replaces_and_pickles_as_the_plain_one_does():
    one = Fast(1, "b", [3])
    assert one == Fast(1, "b", [4]) != Fast(2, "b")
    assert hash(one) == hash(Plain(1, "b"))
    assert (replace(one, x=5).x, copy.deepcopy(one).z) == (5, [3])
    assert pickle.loads(pickle.dumps(one)) == one


def test_a_subclass_is_a_dataclass_of_the_standard_library():
    @dataclasses.dataclass(frozen=True)
    class More(Fast):
        w: int = 0

    assert More(1, w=2) == More(1, w=2) != More(1, w=3)
    assert More(1) != Fast(1)
    assert repr(More(1)).endswith("More(x=1, y='y', z=None, w=0)")


def test_a_bare_subclass_is_made_and_stays_frozen():
    class Bare(Fast):
        pass

    one = Bare(1, z=2)
    assert (type(one), one.x, one.y, one.z) == (Bare, 1, "y", 2)
    with pytest.raises(FrozenInstanceError):
        one.x = 2


def test_it_checks_its_fields_and_shows_itself_within_itself():
    @dataclass(frozen=True, slots=True)
    class Checked:
        parts: list[object] = field(default_factory=list)
        hidden: int = field(default=1, repr=False, hash=False)

        def __post_init__(self) -> None:
            if self.hidden < 1:
                raise ValueError(self.hidden)

    one = Checked()
    one.parts.append(one)
    assert repr(one).endswith("Checked(parts=[...])")
    with pytest.raises(ValueError, match="0"):
        Checked(hidden=0)


def test_a_method_of_the_class_itself_stays():
    @dataclass(frozen=True, slots=True)
    class Same:
        x: int

        def __eq__(self, other):
            return True

        def __repr__(self):
            return "same"

    assert (Same(1) == Same(2), repr(Same(1)), hash(Same(1)) == hash((1,))) == (True, "same", True)


def test_what_a_factory_makes_is_made_for_each():
    @dataclass(frozen=True, slots=True)
    class Listed:
        items: list[int] = field(default_factory=list)

    first, second, given = Listed(), Listed(), Listed([7])
    assert first == second
    assert first.items is not second.items
    assert given.items == [7]


def test_a_field_by_keyword_alone_is_refused():
    with pytest.raises(AssertionError, match="takes every field in its place"):

        @dataclass(frozen=True, slots=True)
        class Named:
            x: int = field(default=1, kw_only=True)


def test_a_field_that_the_constructor_does_not_take_is_worked_out_after_it():
    with pytest.raises(AssertionError, match="a __post_init__ sets"):

        @dataclass(frozen=True, slots=True)
        class Hidden:
            x: int = field(default=1, init=False)

    @dataclass(frozen=True, slots=True)
    class Twice:
        once: int
        twice: int = field(init=False, repr=False, compare=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "twice", 2 * self.once)

    assert (Twice(3).twice, replace(Twice(3), once=4).twice, repr(Twice(3)).endswith("Twice(once=3)")) == (6, 8, True)


@pytest.mark.parametrize("noun", [Scope, View, Needs, Signals, Turn, Usage, Call, Reply, Attempt, Outcome])
def test_the_nouns_of_a_decision_stay_frozen(noun):
    made = noun(*range(len(fields(noun))))
    assert [getattr(made, each.name) for each in fields(noun)] == list(range(len(fields(noun))))
    with pytest.raises(FrozenInstanceError):
        setattr(made, fields(noun)[0].name, "other")
