"""Shared tables in Redis or Valkey: a hash of values and a sorted set of versions for each table, one script for each exchange."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from switchwise.state.shared.server import RedisServer, text
from switchwise.state.shared.tables.protocol import PAGE, WRITERS, Entry, Exchange, News

if TYPE_CHECKING:
    import redis


class RedisTables:
    """Tables in a server.

    Parameters:
        server: as for `RedisLeases`.
        prefix: prefix of all keys.
        timeout: seconds until a request counts as lost.
        keep: seconds after its last write until an entry expires; 0: it is kept until the table is full.
        most_bytes: greatest size of a table; beyond it the entries with the oldest writes are evicted.

    Raises:
        ConfigurationError: redis-py is not installed, or the address is invalid.
    """

    def __init__(
        self,
        server: str | redis.Redis,
        prefix: str = "switchwise",
        timeout: float = 0.5,
        keep: float = 30 * 86_400.0,
        most_bytes: int = 64_000_000,
    ) -> None:
        self._server = RedisServer("RedisTables", server, prefix, timeout, "switchwise.state.shared.tables", "sync.lua")
        self.name = self._server.name
        self._keep, self._most = int(keep * 1_000), most_bytes

    def exchange(self, asked: Sequence[Exchange]) -> list[News]:
        """Make the writes and return the changes, in one round trip. Raises `LostStore`."""
        answers = self._server.run([(self._keys(each.table), self._arguments(each)) for each in asked])
        return [_news(answer, each) for answer, each in zip(answers, asked, strict=True)]

    def forked(self) -> None:
        """Called in a forked child: it opens its own connections."""
        self._server.forked()

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    def _keys(self, table: str) -> list[str]:
        start = f"{self._server.bucket(table)}:table:{table}"
        return [f"{start}:values", f"{start}:changes", f"{start}:mark"]

    def _arguments(self, asked: Exchange) -> list[Any]:
        found: list[Any] = [asked.generation, asked.cursor, asked.size, asked.grace]
        found += [self._keep, self._most, PAGE, WRITERS, asked.origin]
        for each in asked.writes:
            found += each
        return found


def _news(answer: Sequence[Any], asked: Exchange) -> News:
    generation, cursor, more, listening, count, *rest = map(text, answer)
    fours = [rest[at : at + 4] for at in range(0, len(rest), 4)]
    answered = int(count)
    answers = []
    for each, (made, version, writers, value) in zip(asked.writes, fours[:answered], strict=answered > 0):
        answers.append((made == "1", Entry(each.key, int(version), writers, each.value if made == "1" else value)))
    changed = [Entry(key, int(version), writers, value) for key, version, writers, value in fours[answered:]]
    return News(generation, int(cursor), more == "1", listening == "1", answers, changed)
