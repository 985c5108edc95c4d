"""Shared tables: each process answers from its copy, all agree in the end, and nothing is lost or counted twice, whatever happens to messages."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import redis

from switchwise import ConfigurationError
from switchwise.state import Namespace
from switchwise.state.shared import LostStore, RedisTables, SharedStore, SqliteTables, SyncedTables
from switchwise.state.shared.file import SqliteFile
from switchwise.state.shared.tables import Entry, Exchange, News, TableStore, Write
from switchwise.state.shared.tables.protocol import PAGE
from switchwise.state.shared.tables.synced_table import SyncedTable

from .conftest import Server, programs

KEY = ("acme", "s1")


def more(value: int | None) -> int:
    return (value or 0) + 1


@pytest.fixture(params=[*programs(), "sqlite"])
def stores(
    request: pytest.FixtureRequest, servers: Callable[[str], Server], tmp_path: Path
) -> Iterator[Callable[..., SharedStore]]:
    """Stores of one server or file, each as another process has it."""
    made: list[SharedStore] = []

    def store(**options: object) -> SharedStore:
        where = str(tmp_path / "state.db") if request.param == "sqlite" else servers(request.param).url
        made.append(SharedStore(where, prefix=str(tmp_path), boxes=None, **{"heartbeat": 0.02, **options}))  # type: ignore[arg-type]
        return made[-1]

    yield store
    for each in made:
        each.close()


def eventually(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not what():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def test_what_one_process_writes_the_other_knows_within_two_heartbeats(stores: Callable[..., SharedStore]) -> None:
    one, other = stores(heartbeat=0.2).table("held", 10), stores(heartbeat=0.2).table("held", 10)
    one.put(KEY, {"names": ["opus"]})
    assert one.get(KEY) == {"names": ["opus"]}
    began = time.monotonic()
    eventually(lambda: other.get(KEY) == {"names": ["opus"]})
    assert time.monotonic() - began < 2.0, "0.4 s, and what a busy machine adds"
    other.update(KEY, lambda _: None)
    eventually(lambda: one.items() == [])


def test_increments_of_all_are_added_up(stores: Callable[..., SharedStore]) -> None:
    all_of_them = [stores() for _ in range(3)]
    tables = [store.table("counts", 10) for store in all_of_them]

    def work(number: int) -> None:
        for _ in range(200):
            tables[number].update(KEY, more)
            time.sleep(0.0005)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    eventually(lambda: all(table.get(KEY) == 600 for table in tables))
    assert stores().table("counts", 10).get(KEY) == 600, "a new process knows it at once"


def test_tenants_tables_and_namespaces_are_apart(stores: Callable[..., SharedStore]) -> None:
    one, other = stores(), stores()
    one.table("held", 10).put(("acme", "s1"), 1)
    Namespace(one, "staging").table("held", 10).put(("acme", "s1"), 2)
    one.flush()
    other.table("held", 10)
    assert other.table("held", 10).items() == [(("acme", "s1"), 1)]
    assert Namespace(other, "staging").table("held", 10).items() == [(("acme", "s1"), 2)]
    assert other.table("held", 10).get(("umbrella", "s1")) is None


def test_a_table_is_bounded_in_entries_bytes_and_time(stores: Callable[..., SharedStore]) -> None:
    store = stores(most_bytes=2_000)
    table = store.table("held", 50)
    for number in range(200):
        table.put(("", str(number)), number)
    store.flush()
    kept = [key[1] for key, _ in stores().table("held", 50).items()]
    assert len(kept) <= 50
    assert kept[-1] == "199"
    for number in range(40):
        table.put(("", str(number)), "x" * 200)
    store.flush()
    assert 2 <= len(stores().table("held", 50).items()) <= 8, "2,000 bytes"
    short = stores(keep=0.001)
    short.table("brief", 50).put(("", "old"), 1)
    short.flush()
    time.sleep(0.01)
    short.table("brief", 50).put(("", "new"), 1)
    short.flush()
    assert [key[1] for key, _ in stores().table("brief", 50).items()] == ["new"]


def test_nothing_is_kept_of_entries_that_are_forgotten_while_they_are_written() -> None:
    """More entries change between two exchanges than the table holds; the answers come when most of them are forgotten."""
    table, numbers = SyncedTable(2, lambda: None), iter(range(1, 1_000))
    for start in range(0, 100, 4):
        table.put(("s", str(start)), 1)
        table.put(("s", str(start + 1)), 1)
        sent = table.writes(10, lambda: next(numbers))
        table.put(("s", str(start + 2)), 1)
        table.put(("s", str(start + 3)), 1)
        for key, write in [*sent, *table.writes(10, lambda: next(numbers))]:
            table.made(key, Entry(write.key, 1, "me", write.value))
    assert len(table.items()) == 2
    assert table._versions.keys() == {key for key, _ in table.items()}


def test_what_is_not_json_stays_in_its_process(stores: Callable[..., SharedStore], caplog: pytest.LogCaptureFixture) -> None:
    store = stores()
    table = store.table("held", 10)
    table.put(KEY, {1, 2})
    table.put(("", "fine"), 1)
    store.flush()
    assert table.get(KEY) == {1, 2}
    assert "not JSON data" in caplog.text
    assert stores().table("held", 10).items() == [(("", "fine"), 1)]


@pytest.mark.parametrize("value", [{1, 2}, float("nan")])
def test_what_is_not_json_any_more_is_not_given_back_to_a_store_that_lost_its_data(value: object) -> None:
    table, numbers = SyncedTable(10, lambda: None), iter(range(1, 100))
    for key in (KEY, ("", "fine")):
        table.put(key, 1)
    for key, write in table.writes(10, lambda: next(numbers)):
        table.made(key, Entry(write.key, 1, "me", write.value))
    table.put(KEY, value)
    assert not table.writes(10, lambda: next(numbers))
    assert [write.key for write in table.restored({})] == [json.dumps(["", "fine"])]
    assert table.get(KEY) is value


def test_a_change_that_fails_on_another_process_s_value_is_dropped_alone(caplog: pytest.LogCaptureFixture) -> None:
    def strict(value: int | None) -> int:
        if value is not None and value > 5:
            raise ValueError("too many")
        return (value or 0) + 1

    table, numbers = SyncedTable(10, lambda: None), iter(range(1, 100))
    for change in (more, strict, more):
        table.update(KEY, change)
    table.take(Entry(json.dumps(KEY), 1, "other:1", "10"), "me")
    assert "a change of a shared entry is lost" in caplog.text
    ((_, write),) = table.writes(10, lambda: next(numbers))
    assert (table.get(KEY), write.value) == (12, "12")
    table.made(KEY, Entry(write.key, 2, "me:1", write.value))
    assert not table.waits
    table.update(KEY, lambda _: 3)
    table.update(KEY, strict)
    table.take(Entry(json.dumps(KEY), 3, "other:2", "20"), "me")
    assert (table.get(KEY), table._waiting) == (4, 2)


class Mail(TableStore):
    """A store behind a bad line: messages are lost on the way there or back, and arrive once more, late."""

    def __init__(self, store: TableStore, rng: random.Random) -> None:
        self._store, self._rng, self.name, self.bad = store, rng, "mail", True
        self._late: list[Sequence[Exchange]] = []

    def exchange(self, asked: Sequence[Exchange]) -> list[News]:
        if not self.bad:
            return self._store.exchange(asked)
        if self._late and self._rng.random() < 0.3:
            self._store.exchange(self._late.pop(self._rng.randrange(len(self._late))))
        fate = self._rng.random()
        if fate < 0.2:
            raise LostStore("lost on the way there")
        if fate < 0.4:
            self._late.append(asked)
            raise LostStore("late")
        news = self._store.exchange(asked)
        if fate < 0.6:
            raise LostStore("lost on the way back")
        return news

    def forked(self) -> None: ...

    def close(self) -> None: ...


def test_a_relative_path_stays_the_same_file_when_the_process_changes_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    store = SqliteTables("state.db")
    monkeypatch.chdir(tmp_path / "elsewhere")
    tables = SyncedTables(store, heartbeat=3_600.0, grace=0.0)
    tables.table("counts", 100).update(("", "a"), more)
    tables.flush()
    tables.close()
    assert not Path("state.db").exists()
    again = SyncedTables(SqliteTables(tmp_path / "state.db"), heartbeat=3_600.0, grace=0.0)
    assert again.table("counts", 100).get(("", "a")) is not None
    again.close()


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_lost_or_counted_twice_over_a_bad_line(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    kept = SqliteTables(tmp_path / "state.db")
    lines = [Mail(kept, rng) for _ in range(3)]
    processes = [SyncedTables(line, heartbeat=3_600.0, grace=0.0) for line in lines]  # turned by hand
    tables = [process.table("counts", 100) for process in processes]
    made = dict.fromkeys("abc", 0)
    for _ in range(400):
        name, at = rng.choice("abc"), rng.randrange(3)
        if rng.random() < 0.6:
            tables[at].update(("", name), more)
            made[name] += 1
        else:
            processes[at]._try(list(processes[at]._places.values()), None)
    for line in lines:
        line.bad = False
    for _ in range(2):
        for process in processes:
            process.flush()
    assert [{key[1]: value for key, value in table.items()} for table in tables] == [made] * 3
    for process in processes:
        process.close()


@pytest.mark.parametrize("kept", ["nothing", "older"])
@pytest.mark.parametrize("seed", range(3))
def test_a_store_that_comes_back_without_its_memory_is_given_back_what_is_known(
    server: Server, tmp_path: Path, kept: str, seed: int
) -> None:
    """The server's memory is swapped as by a restart: emptied, or set back to a moment before."""
    rng, prefix, client = random.Random(seed), f"lost-{kept}-{seed}", redis.Redis(port=server.port)
    processes = [SyncedTables(RedisTables(server.url, prefix), heartbeat=3_600.0, grace=0.0) for _ in range(3)]
    tables = [process.table("counts", 100) for process in processes]
    made = dict.fromkeys("abcd", 0)

    def work(times: int) -> None:
        for _ in range(times):
            name, at = rng.choice("abcd"), rng.randrange(3)
            tables[at].update(("", name), more)
            made[name] += 1
            if rng.random() < 0.5:
                processes[at].flush()

    work(100)
    names = list(client.scan_iter(f"{prefix}:*"))
    before = {name: client.dump(name) for name in names}
    for process in processes:
        process.flush()
    work(40)
    for process in processes:
        process.flush()
    for name in names:
        client.delete(name)
        if kept == "older" and before[name] is not None:
            client.restore(name, 0, before[name])  # type: ignore[arg-type]
    if kept == "older":
        mark = next(name for name in names if name.endswith(b":mark"))
        client.hset(mark, "run", "another life")
    for process in processes:  # what the grace is for
        process.flush()
    work(40)
    for _ in range(3):
        for process in processes:
            process.flush()
    assert [{key[1]: value for key, value in table.items()} for table in tables] == [made] * 3
    for process in processes:
        process.close()


@pytest.mark.parametrize("seed", range(3))
def test_redis_runs_the_same_rule(server: Server, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    both: list[TableStore] = [RedisTables(server.url, f"same-tables-{seed}"), SqliteTables(tmp_path / "state.db")]
    marks = [store.exchange([Exchange("t", "", 0, 20, 0, "a", [])])[0] for store in both]
    starts, numbers = [mark.cursor for mark in marks], dict.fromkeys("abc", 0)

    def plain(entry: Entry, start: int) -> tuple[str, int, str, str]:
        return entry.key, entry.version - start if entry.version else 0, entry.writers, entry.value

    for _ in range(150):
        origin, cursor = rng.choice("abc"), rng.randrange(60)
        writes = []
        for _ in range(rng.randrange(3)):
            numbers[origin] += rng.random() < 0.8
            key = json.dumps(["", str(rng.randrange(30))])
            sequence = max(1, numbers[origin]) if rng.random() < 0.9 else 0
            writes.append(
                (key, rng.choice([-1, rng.randrange(1, 60)]), sequence, "z:1" if not sequence else "", rng.choice(["1", ""]))
            )
        found = []
        for store, mark, start in zip(both, marks, starts, strict=True):
            own = [Write(key, there(store, mark, key) if base < 0 else start + base, *rest) for key, base, *rest in writes]
            news = store.exchange([Exchange("t", mark.generation, start + cursor, 20, 0, origin, own)])[0]
            found.append(
                (
                    news.cursor - start,
                    [(made, plain(entry, start)) for made, entry in news.answers],
                    [plain(entry, start) for entry in news.changed],
                )
            )
        assert found[0] == found[1]
    for store in both:
        store.close()


def there(store: TableStore, mark: News, key: str) -> int:
    """The version of an entry."""
    changed = store.exchange([Exchange("t", mark.generation, 0, 20, 0, "", [])])[0].changed
    return next((entry.version for entry in changed if entry.key == key), 0)


def test_a_store_that_begins_takes_nothing_new_for_a_grace(server: Server, tmp_path: Path) -> None:
    client = redis.Redis(port=server.port)
    for store in (RedisTables(client, "grace"), SqliteTables(tmp_path / "state.db")):
        asked = Exchange("t", "", 0, 20, 150, "a", [])
        generation = store.exchange([asked])[0].generation
        new = asked._replace(generation=generation, writes=[Write('["", "k"]', 0, 1, "", "1")])
        news = store.exchange([new])[0]
        assert (news.listening, news.answers) == (True, [])
        given = asked._replace(generation=generation, writes=[Write('["", "old"]', 7, 0, "b:3", "2")])
        assert store.exchange([given])[0].answers == [(True, Entry('["", "old"]', 7, "b:3", "2"))]
        time.sleep(0.2)
        assert store.exchange([new])[0].answers[0][0]
        store.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.forks
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_goes_on_from_the_copy_and_writes_under_its_own_name(stores: Callable[..., SharedStore]) -> None:
    store = stores(heartbeat=0.25)
    store.table("other", 10).put(KEY, 1)
    store.flush()
    table = store.table("counts", 10)
    table.update(KEY, more)  # not yet written: the parent will, and the child counts without it
    child = os.fork()
    if child == 0:
        try:
            known = table.get(KEY)
            table.update(KEY, more)
            table.update(KEY, more)
            end = time.monotonic() + 30
            while True:
                try:
                    store.tables.flush()
                    break
                except LostStore:
                    if time.monotonic() > end:
                        os._exit(3)
            os._exit(0 if known is None and store.tables._thread is not None and store.tables._thread.is_alive() else 1)
        except BaseException:  # noqa: BLE001  (a child of a test ends here, whatever happens)
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    store.flush()
    assert table.get(KEY) == 3


def test_what_was_changed_last_is_written_when_the_process_ends(stores: Callable[..., SharedStore], tmp_path: Path) -> None:
    store = stores()
    where = store.place if store.place.endswith(".db") else None
    if where is None:
        pytest.skip("the file is enough")
    script = f"""
from switchwise.state.shared import SharedStore
SharedStore({where!r}, boxes=None, heartbeat=0.3).table("counts", 10).put(("acme", "s1"), 7)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    assert store.table("counts", 10).get(KEY) == 7


def test_a_lost_store_leaves_each_process_its_copy_and_never_hangs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server = Server("redis-server", tmp_path)
    if not server.installed:
        pytest.skip("no redis-server")
    server.start()
    one, other = (SharedStore(server.url, boxes=None, heartbeat=0.02) for _ in range(2))
    mine, theirs = one.table("counts", 10), other.table("counts", 10)
    mine.update(KEY, more)
    eventually(lambda: theirs.get(KEY) == 1)
    server.kill()
    eventually(lambda: one.lost and other.lost)
    began = time.thread_time()
    for _ in range(100):
        mine.update(KEY, more)
        theirs.update(KEY, more)
    assert (mine.get(KEY), theirs.get(KEY)) == (101, 101)
    assert time.thread_time() - began < 0.1, "no call to a store that does not answer"
    assert SharedStore(server.url, boxes=None, heartbeat=0.02).table("counts", 10).get(KEY) is None, "a new one starts empty"
    server.start()
    eventually(lambda: mine.get(KEY) == theirs.get(KEY) == 201)
    eventually(lambda: not one.lost)
    assert caplog.text.count("the shared tables are lost") == 3, "each says it once"
    one.close()
    other.close()
    server.kill()


def test_an_interrupted_transaction_leaves_the_file_to_others_and_a_removed_file_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    file = SqliteFile("Test", path, 2.0, ("CREATE TABLE IF NOT EXISTS numbers (n INTEGER)",))

    def interrupted() -> None:
        with file.writing() as connection:
            connection.execute("INSERT INTO numbers VALUES (1)")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    other = sqlite3.connect(path, timeout=0.0, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert other.execute("SELECT count(*) FROM numbers").fetchone() == (0,)
    other.close()
    path.unlink()
    with file.writing() as connection:
        connection.execute("INSERT INTO numbers VALUES (2)")
    file.close()
    assert sqlite3.connect(path).execute("SELECT n FROM numbers").fetchall() == [(2,)]


def test_a_new_process_reads_more_entries_than_one_answer_holds_and_one_too_large_is_kept_by_its_own(
    stores: Callable[..., SharedStore],
) -> None:
    one = stores(most_bytes=60_000)
    table = one.table("many", 1_000)
    for number in range(PAGE + 1):
        table.put(("", str(number)), 1)
    one.flush()
    assert len(stores().table("many", 1_000).items()) == PAGE + 1
    own = one.table("large", 10)
    own.put(KEY, "x" * 70_000)
    one.flush()
    assert (len(own.get(KEY)), stores().table("large", 10).items()) == (70_000, [])


def test_a_store_that_loses_its_data_while_it_is_given_them_back_has_them_in_the_end(tmp_path: Path) -> None:
    class Forgets(TableStore):
        """A file that is removed before the answers of those numbers."""

        def __init__(self) -> None:
            self.store, self.name, self.asked = SqliteTables(tmp_path / "state.db"), "forgets", 0

        def exchange(self, asked: Sequence[Exchange]) -> list[News]:
            self.asked += 1
            if self.asked in (10, 11):
                (tmp_path / "state.db").unlink()
                time.sleep(0.002)  # a generation is named by its millisecond
            return list(self.store.exchange(asked))

        def forked(self) -> None: ...

        def close(self) -> None:
            self.store.close()

    store = Forgets()
    tables = SyncedTables(store, heartbeat=3_600.0, grace=0.0)
    table = tables.table("held", 10)
    table.put(KEY, 1)
    tables.flush()
    store.asked = 9
    tables.flush()
    assert store.asked > 11
    assert SyncedTables(SqliteTables(tmp_path / "state.db"), heartbeat=3_600.0).table("held", 10).get(KEY) == 1
    tables.close()


def test_a_store_that_takes_nothing_for_long_is_lost_and_what_was_changed_last_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seconds = iter(range(10_000))
    tables = SyncedTables(SqliteTables(tmp_path / "state.db"), heartbeat=3_600.0, grace=60.0, timer=lambda: next(seconds))
    tables.table("held", 10).put(KEY, 1)
    with pytest.raises(LostStore, match="has begun again, and takes nothing yet"):
        tables.flush()
    tables.close()
    assert "what was changed last is not in the shared tables" in caplog.text


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    for address in ("http://localhost", ""):
        with pytest.raises(ConfigurationError, match="redis://host:6379/0 or the path of a file"):
            SharedStore(address)
    with pytest.raises(ConfigurationError, match="a file that can be written"):
        SharedStore(tmp_path / "missing" / "state.db")
    with pytest.raises(ConfigurationError, match="heartbeat"):
        SharedStore(tmp_path / "state.db", heartbeat=0.0)
    with pytest.raises(ConfigurationError, match="size=0"):
        SharedStore(tmp_path / "state.db").table("none", 0)
