"""Every policy in switchwise.policies keeps the contract; and each check of the contract catches who breaks it."""

import importlib
import inspect
import pkgutil
import time

import pytest

import switchwise.policies
from switchwise import Ask, ConfigurationError, Level, Shortlist
from switchwise.engine.policy import UsesStore
from switchwise.policies import ByStep, Stick, hold
from switchwise.policies.default_chain import default_chain
from switchwise.state import InProcess
from switchwise.testing import check_policy, conformance, material

DEAR = {conformance.has_bounded_memory, conformance.is_thread_safe}  # seconds each


def _classes():
    """The policies, one to a file: a new one is found by itself, nothing is listed here."""
    for module in pkgutil.iter_modules(switchwise.policies.__path__):
        members = vars(importlib.import_module(f"switchwise.policies.{module.name}")).values()
        for member in members:
            if (
                inspect.isclass(member)
                and not member.__name__.startswith("_")
                and member.__module__.endswith(f".{module.name}")
                and any("__call__" in vars(each) for each in member.__mro__)
            ):
                yield member


def _makers():
    """A name and a maker for each policy: of its own examples, or of what it is without arguments."""
    for cls in _classes():
        if hasattr(cls, "_examples"):
            for i in range(len(cls._examples())):
                yield pytest.param(lambda cls=cls, i=i: cls._examples()[i], id=f"{cls.__name__}-{i}")
        else:
            yield pytest.param(cls, id=cls.__name__)
    for i, policy in enumerate(default_chain(material.pool())):
        if type(policy) in set(_classes()) and not isinstance(policy, hold):
            continue  # it has its own rows
        yield pytest.param(lambda i=i: default_chain(material.pool())[i], id=f"default_chain-{i}-{type(policy).__name__}")


def _kept():
    """Each maker over each store that its policy can live in, with each check."""
    for maker in _makers():
        (make,) = maker.values
        for name, kept in conformance.STORES.items():
            if kept is conformance.as_it_is or isinstance(make(), UsesStore):
                for check in conformance.checks_over(kept):
                    if check in DEAR and kept is not conformance.as_it_is and not maker.id.endswith("-0"):
                        continue  # what a store keeps of many scopes and threads is the same for each example of a policy
                    yield pytest.param(kept(make), check, id=f"{maker.id}-{name}-{check.__name__}")


@pytest.mark.parametrize(("make", "check"), list(_kept()))
def test_every_policy_keeps_the_contract(make, check):
    check(make, material.pool())


def test_every_policy_is_exported_by_its_name():
    assert {cls.__name__ for cls in _classes()} == set(switchwise.policies.__all__)


class Base:
    """Breaks nothing yet."""

    def __init__(self):
        self.seen = []

    def __call__(self, view, shortlist):
        return shortlist


class AddsTargets(Base):
    def __call__(self, view, shortlist):
        return Shortlist(shortlist.pool)


class Forgets(Base):
    def __call__(self, view, shortlist):
        fresh = Shortlist(shortlist.pool).signed_by("Forgets")
        return fresh.require(lambda target: target in shortlist.targets, "starts anew")


class GivesNoReason(Base):
    def __call__(self, view, shortlist):
        return shortlist.prefer([shortlist.pool.targets[-1].name], " ")


class SignsNothing(Base):
    def __call__(self, view, shortlist):
        return shortlist.signed_by("", Level.STEP).prefer([shortlist.pool.targets[-1].name], "unsigned")


class RequiresInSecret(Base):
    def __call__(self, view, shortlist):
        return shortlist.require(lambda target: target.name != "opus", "never opus")


class Counts(Base):
    def __call__(self, view, shortlist):
        self.seen.append(view)
        return shortlist.prefer([shortlist.pool.targets[len(self.seen) % 4].name], "round robin")


class TripsOverNothing(Base):
    def __call__(self, view, shortlist):
        return shortlist.prefer([shortlist.targets[0].name], "whoever is first")


class LearnsOnlySuccess(Base):
    def learn(self, attempt):
        self.seen = [attempt.reply.text]


class DumpsNoJson(Base):
    def learn(self, attempt):
        self.seen = [attempt.target.name]

    def dump(self):
        return {"seen": set(self.seen)}

    def load(self, state):
        self.seen = list(state["seen"])


class LoadsNothing(Stick):
    def load(self, state):
        pass


class KeepsReservations(Base):
    def reserve(self, call):
        self.seen.append(call.target.name)
        return True

    def release(self, call):
        pass

    def learn(self, attempt):
        if self.seen:
            self.seen.pop()

    def dump(self):
        return {"open": len(self.seen)}

    def load(self, state):
        self.seen = ["?"] * state["open"]


class RemembersEverything(Base):
    def learn(self, attempt):
        self.seen.append(attempt.call.view.scope.session * 5)


class RacesWithItself(Base):
    busy = False

    def learn(self, attempt):
        if self.busy:
            raise RuntimeError("changed while it was read")
        self.busy = True
        time.sleep(0)  # lets another thread go on, as any line may
        self.busy = False


class ChecksWithAnAssertion(ByStep):
    def check(self, pool):
        assert "opus" in pool


class KeepsTheRequest:
    """Holds on to the view, and so to all that was said."""

    def __init__(self):
        self.seen = []

    def __call__(self, view, shortlist):
        return shortlist

    def learn(self, attempt):
        self.seen.append(attempt.call.view)


class KeepsTheWords:
    """Remembers the user's words as a key."""

    def __init__(self):
        self.answered = {}

    def __call__(self, view, shortlist):
        return shortlist

    def learn(self, attempt):
        self.answered[attempt.call.view.last_user.lower()] = attempt.target.name


class Dawdles(Base):
    def __call__(self, view, shortlist):
        for _ in range(20 * conformance.SLOWEST):
            pass
        return shortlist


class InStore:
    """Remembers in a store who answered last in a session, as it should."""

    def __init__(self):
        self.use_store(InProcess())

    def use_store(self, store):
        self.table = store.table("last", 100)

    def key(self, view):
        return view.scope.key(Level.SESSION)

    def value(self, attempt):
        return {"name": attempt.target.name}

    def __call__(self, view, shortlist):
        last = self.table.get(self.key(view))
        return shortlist.prefer([last["name"]], "it answered last") if last else shortlist

    def learn(self, attempt):
        if attempt.accepted:
            self.table.put(self.key(attempt.call.view), self.value(attempt))


class KeepsObjects(InStore):
    def value(self, attempt):
        return {"name": attempt.target.name, "target": attempt.target}


class KeepsTuples(InStore):
    def value(self, attempt):
        return {"name": attempt.target.name, "both": (1, 2)}


class MixesTenants(InStore):
    def key(self, view):
        return (view.scope.session,)


class HidesTheTenant(InStore):
    def key(self, view):
        return ("", view.scope.session)


class ChangesInPlace(InStore):
    def learn(self, attempt):
        known = self.table.get(self.key(attempt.call.view))
        if known is None:
            self.table.put(self.key(attempt.call.view), self.value(attempt))
        else:
            known["name"] = attempt.target.name


class CountsDecisions(InStore):
    def __call__(self, view, shortlist):
        self.table.update(("", "count"), lambda count: (count or 0) + 1)
        return shortlist


class RemembersTheSessions(Base):
    """A short entry for each: not much, but it never ends."""

    def learn(self, attempt):
        self.seen.append(attempt.call.view.scope.session)


@pytest.mark.parametrize(
    ("broken", "check", "message"),
    [
        (
            KeepsObjects,
            conformance.lives_in_its_store,
            r"table 'last': a value is JSON data .*Target is not JSON.* when it learned",
        ),
        (KeepsTuples, conformance.lives_in_its_store, r"table 'last': a value is JSON data .*'both': \(1, 2\)"),
        (
            MixesTenants,
            conformance.keeps_tenants_apart,
            r"its table 'last' has the key \('a session of acme',\) for a call of 'the ten",
        ),
        (HidesTheTenant, conformance.keeps_tenants_apart, r"has the key \('', 'a session of acme'\)"),
        (ChangesInPlace, conformance.lives_in_its_store, "it changes a value in place"),
        (CountsDecisions, conformance.lives_in_its_store, "being asked changed its store"),
        (RemembersTheSessions, conformance.has_bounded_memory, "its memory still grew by"),
        (LearnsOnlySuccess, conformance.learns_from_anything, r"it raised AttributeError.* when it learned an abandoned call$"),
        (
            lambda: lambda view, shortlist: None,
            conformance.only_narrows_and_ranks,
            "it returned None: a policy returns a Shortlist",
        ),
    ],
)
def test_what_is_wrong_with_the_state_of_a_policy_is_named(broken, check, message):
    with pytest.raises(AssertionError, match=message):
        check(broken, material.pool())


@pytest.mark.parametrize(
    "make", [InStore(), "InStore", lambda: None, lambda pool: InStore(), lambda view, shortlist: shortlist]
)
def test_what_makes_no_policy_is_refused_with_the_way_to_give_one(make):
    with pytest.raises(
        ConfigurationError, match=r"^check_policy\(.*: give a function without parameters that returns a new policy"
    ):
        check_policy(make)


def test_an_exception_of_the_policy_breaks_the_contract_and_a_mistake_in_its_maker_is_shown_as_it_is():
    class Divides(Base):
        def __call__(self, view, shortlist):
            return shortlist if view.tokens else 1 / 0

    def maker():
        return Base("too much")

    with pytest.raises(AssertionError, match=r"^only_narrows_and_ranks, as it is: it raised ZeroDivisionError"):
        check_policy(Divides)
    with pytest.raises(TypeError, match="positional argument"):
        check_policy(maker)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (AddsTargets, conformance.only_narrows_and_ranks),
        (AddsTargets, conformance.bears_an_empty_shortlist),
        (Forgets, conformance.only_narrows_and_ranks),
        (GivesNoReason, conformance.gives_reasons),
        (SignsNothing, conformance.gives_reasons),
        (RequiresInSecret, conformance.gives_reasons),
        (Counts, conformance.is_deterministic),
        (TripsOverNothing, conformance.bears_an_empty_shortlist),
        (LearnsOnlySuccess, conformance.learns_from_anything),
        (DumpsNoJson, conformance.carries_its_memory),
        (LoadsNothing, conformance.carries_its_memory),
        (KeepsReservations, conformance.gives_reservations_back),
        (RemembersEverything, conformance.has_bounded_memory),
        (RacesWithItself, conformance.is_thread_safe),
        (ChecksWithAnAssertion, conformance.complains_properly),
        (Dawdles, conformance.is_quick),
        (KeepsTheRequest, conformance.keeps_no_text),
        (KeepsTheWords, conformance.keeps_no_text),
    ],
)
def test_each_check_catches_who_breaks_it(broken, check):
    with pytest.raises((AssertionError, IndexError, AttributeError, TypeError)):
        check(broken, material.pool())


def test_a_plain_function_and_a_policy_that_asks_a_model_can_keep_the_contract():
    def asks(view, shortlist):
        def flow():
            yield Ask.text("Which?", to="haiku")
            return shortlist.prefer(["haiku"], "a model said so")

        return flow()

    check_policy(lambda: lambda view, shortlist: shortlist)
    check_policy(lambda: asks)


def test_check_policy_runs_all_checks():
    with pytest.raises(AssertionError, match="`requires = True`"):
        check_policy(RequiresInSecret)
    with pytest.raises(ConfigurationError):
        check_policy(lambda: ByStep(first="nobody"))
