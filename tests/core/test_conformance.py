"""Every policy in fairlead.policies keeps the contract. A new one is found by itself; nothing is listed here."""

import importlib
import inspect
import pkgutil

import pytest

import fairlead.policies
from fairlead.default import default_chain
from fairlead.testing import conformance, material


def _classes():
    for module in pkgutil.iter_modules(fairlead.policies.__path__):
        members = vars(importlib.import_module(f"fairlead.policies.{module.name}")).values()
        for member in members:
            if inspect.isclass(member) and member.__module__.endswith(f".{module.name}") and "__call__" in vars(member):
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
        yield pytest.param(lambda i=i: default_chain(material.pool())[i], id=f"default_chain-{i}-{type(policy).__name__}")


@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("make", list(_makers()))
def test_every_policy_keeps_the_contract(make, check):
    check(make, material.pool())
