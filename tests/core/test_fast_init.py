"""A fast_init dataclass is a frozen dataclass in all but the time that it takes to make one."""

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from switchwise import Attempt, Needs, Outcome, Reply, Scope, Signals, Usage, View
from switchwise.nouns.call import Call
from switchwise.nouns.fast_init import fast_init
from switchwise.nouns.signals import Turn


@fast_init
@dataclass(frozen=True, slots=True)
class Quick:
    x: int
    y: str = "y"
    z: object = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Plain:
    x: int
    y: str = "y"
    z: object = field(default=None, compare=False)


def test_it_takes_what_the_plain_one_takes():
    assert inspect.signature(Quick) == inspect.signature(Plain)
    assert repr(Quick(1, z=2)) == repr(Plain(1, z=2)).replace("Plain", "Quick")
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'x'"):
        Quick()
    with pytest.raises(TypeError, match="unexpected keyword argument 'w'"):
        Quick(1, w=2)


def test_it_compares_copies_replaces_and_pickles_as_the_plain_one_does():
    one = Quick(1, "b", [3])
    assert one == Quick(1, "b", [4]) != Quick(2, "b")
    assert hash(one) == hash(Plain(1, "b"))
    assert (replace(one, x=5).x, copy.deepcopy(one).z) == (5, [3])
    assert pickle.loads(pickle.dumps(one)) == one


def test_what_a_factory_makes_is_made_for_each():
    @fast_init
    @dataclass(frozen=True, slots=True)
    class Listed:
        items: list[int] = field(default_factory=list)

    first, second, given = Listed(), Listed(), Listed([7])
    assert first == second
    assert first.items is not second.items
    assert given.items == [7]


def test_a_field_that_has_no_place_in_the_constructor_is_refused():
    with pytest.raises(AssertionError, match="takes every field in its place"):

        @fast_init
        @dataclass(frozen=True, slots=True)
        class Hidden:
            x: int = field(default=1, init=False)


@pytest.mark.parametrize("noun", [Scope, View, Needs, Signals, Turn, Usage, Call, Reply, Attempt, Outcome])
def test_the_nouns_of_a_decision_stay_frozen(noun):
    made = noun(*range(len(fields(noun))))
    assert [getattr(made, each.name) for each in fields(noun)] == list(range(len(fields(noun))))
    with pytest.raises(FrozenInstanceError):
        setattr(made, fields(noun)[0].name, "other")
