"""Checks of `check_policy` for policies with state in a store."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from switchwise.engine.policy import Checks, Policy, UsesStore
from switchwise.nouns.scope import Key, Level, Scope
from switchwise.nouns.target import Pool
from switchwise.nouns.view import View
from switchwise.state import JsonStore
from switchwise.testing.lessons import Make, decisions, fresh, teach

TENANT = "the tenant acme"
_OF_ACME = Scope("a session of acme", "an agent of acme", "a task of acme", labels={"user": "a user of acme"}, tenant=TENANT)


def as_it_is(make: Make) -> Make:
    """The policy with its own state."""
    return make


def in_json(make: Make) -> Make:
    """The policy with a new store of JSON text per instance, if it can use a store."""

    def kept() -> Policy:
        policy = make()
        if isinstance(policy, UsesStore):
            policy.use_store(JsonStore())
        return policy

    return kept


STORES: dict[str, Callable[[Make], Make]] = {"as it is": as_it_is, "JSON": in_json}


def lives_in_its_store(make: Make, pool: Pool) -> None:
    """Two instances share their state if and only if they share a store; the store may keep text, and changes in `learn` only."""
    store = JsonStore()
    one, other, stranger = _over(make, pool, store), _over(make, pool, store), _over(make, pool, JsonStore())
    if one is None or other is None or stranger is None or not store.tables:
        return  # it has no state, or another store
    unknown, by_itself = decisions(stranger, pool), fresh(make, pool)
    teach(one, pool)
    teach(by_itself, pool)
    kept = _entries(store)
    found = decisions(one, pool)
    assert _entries(store) == kept, "being asked changed its store; it learns in `learn`"
    assert decisions(other, pool) == found, "with the same store it decides differently: it remembers elsewhere"
    assert decisions(stranger, pool) == unknown, "with another store it knows what it was not taught"
    assert decisions(by_itself, pool) == found, (
        "over a store of JSON text it decides differently than by itself: it changes a value in place, which a store does not see"
    )


def keeps_tenants_apart(make: Make, pool: Pool) -> None:
    """The keys of its state begin with the tenant, or with an empty string where they are of no session, agent, task or label."""
    store = JsonStore()
    policy = _over(make, pool, store)
    if policy is None:
        return

    def of_acme(view: View) -> View:
        return replace(view, scope=replace(_OF_ACME, step=view.scope.step), thread=_OF_ACME.key(Level.AGENT))

    teach(policy, pool, change=of_acme)
    decisions(policy, pool)
    whose = {_OF_ACME.session, _OF_ACME.agent, _OF_ACME.task, _OF_ACME.label("user")}
    for table, key in _entries(store):
        if key[0] != TENANT:
            apart = key[0] == "" and whose.isdisjoint(key)
            assert apart, (
                f"its table {table!r} has the key {key!r} for a call of {TENANT!r}: begin with the tenant, as Scope.key does"
            )


def _over(make: Make, pool: Pool, store: JsonStore) -> Policy | None:
    """A new policy with its state in `store`; None if it uses no store."""
    policy = make()
    if not isinstance(policy, UsesStore):
        return None
    policy.use_store(store)
    if isinstance(policy, Checks):
        policy.check(pool)
    return policy


def _entries(store: JsonStore) -> dict[tuple[str, Key], str]:
    """All that it keeps, as text."""
    tables = {name: store.table(name, 1).items() for name in store.tables}
    return {(name, key): json.dumps(value, sort_keys=True) for name, rows in tables.items() for key, value in rows}
