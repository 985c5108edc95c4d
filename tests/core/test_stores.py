"""The stores keep what they are given, apart by table and key, bounded, atomically; the JSON store takes nothing but data."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from switchwise import ConfigurationError
from switchwise.state import InProcess, JsonStore, Namespace, Store

KEY = ("acme", "s1")
STORES = pytest.mark.parametrize("store", [InProcess(), JsonStore(), Namespace(JsonStore(), "part")], ids=repr)


@STORES
def test_what_was_put_is_found_again_under_its_key_only(store: Store) -> None:
    table = store.table("found", 10)
    assert table.get(KEY) is None
    table.put(KEY, {"names": ["opus"], "count": 2})
    assert table.get(KEY) == {"names": ["opus"], "count": 2}
    assert table.get(("other", "s1")) is None
    assert table.items() == [(KEY, {"names": ["opus"], "count": 2})]


@STORES
def test_one_name_is_one_table_and_two_names_are_two(store: Store) -> None:
    store.table("shared", 10).put(KEY, 1)
    assert store.table("shared", 10).get(KEY) == 1
    assert store.table("another", 10).get(KEY) is None


@STORES
def test_an_update_that_gives_nothing_drops_the_entry(store: Store) -> None:
    table = store.table("dropped", 10)
    assert table.update(KEY, lambda value: [value]) == [None]
    assert table.update(KEY, lambda value: None) is None
    assert table.items() == []


@STORES
def test_updates_of_many_threads_are_all_counted(store: Store) -> None:
    table = store.table("counted", 10)

    def count() -> None:
        for _ in range(200):
            table.update(KEY, lambda value: (value or 0) + 1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert table.get(KEY) == 800


@STORES
def test_beyond_the_size_the_least_recently_used_entry_goes_first(store: Store) -> None:
    table = store.table("bounded", 2)
    table.put(("", "a"), 1)
    table.put(("", "b"), 2)
    assert table.get(("", "a")) == 1, "used now"
    table.put(("", "c"), 3)
    assert [key[1] for key, _ in table.items()] == ["a", "c"]


@STORES
def test_the_largest_size_that_anybody_gave_counts(store: Store) -> None:
    store.table("grown", 1)
    table = store.table("grown", 3)
    store.table("grown", 2)
    for name in "abcd":
        table.put(("", name), 1)
    assert [key[1] for key, _ in table.items()] == ["b", "c", "d"]


@STORES
def test_a_table_for_nothing_is_refused(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="size=0"):
        store.table("empty", 0)


@pytest.mark.parametrize(
    "value", [{1, 2}, (1, 2), {"a": (1,)}, {1: "a"}, float("nan"), float("inf"), object(), [{"a": {2: 3}}]]
)
def test_the_json_store_refuses_what_json_would_lose(value: Any) -> None:
    table = JsonStore().table("strict", 10)
    with pytest.raises((TypeError, ValueError)):
        table.put(KEY, value)
    with pytest.raises((TypeError, ValueError)):
        table.update(KEY, lambda _: value)
    assert table.items() == []


def test_the_json_store_refuses_keys_that_are_not_strings() -> None:
    with pytest.raises(TypeError, match="tuple of strings"):
        JsonStore().table("strict", 10).put(("acme", 1), "x")  # type: ignore[arg-type]


def test_the_json_store_holds_on_to_no_object() -> None:
    table, value = JsonStore().table("copied", 10), {"names": ["opus"]}
    table.put(KEY, value)
    value["names"].append("haiku")
    table.get(KEY)["names"].append("luna")
    assert table.get(KEY) == {"names": ["opus"]}


def test_namespaces_of_one_store_are_apart() -> None:
    whole = InProcess()
    Namespace(whole, "0:hold").table("held", 10).put(KEY, 1)
    assert Namespace(whole, "1:hold").table("held", 10).get(KEY) is None
