"""Leases in Redis or Valkey: one script per report, all reports of a heartbeat in one pipeline.

The script reads the server's own clock and run id: after a restart, a failover or a flush nothing is granted until the
holders have reported. Keys have a hash tag, so that a cluster keeps an account and its mark in one slot. The
server must not evict (`maxmemory-policy noeviction`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from switchwise.state.shared.account import Grant, Holding, Report, SharingRule
from switchwise.state.shared.server import RedisServer, text

if TYPE_CHECKING:
    import redis

_MARK = "mark"
_MARKED = Report(_MARK, SharingRule(1, ttl=1_000), _MARK, Holding(closed=True))
"""Reported once in each bucket of a new server, so that all grace periods begin together, not each with its first account."""


class RedisLeases:
    """A lease store in Redis or Valkey.

    Parameters:
        server: an address such as `redis://localhost:6379/0`, or a client of redis-py. The client for an address
            does not retry and gives up after `timeout`; your own client should do the same.
        prefix: prefix of all keys.
        timeout: seconds until a request counts as lost.

    Raises:
        ConfigurationError: redis-py is not installed, or the address is invalid.
    """

    def __init__(self, server: str | redis.Redis, prefix: str = "switchwise", timeout: float = 0.5) -> None:
        self._server = RedisServer("RedisLeases", server, prefix, timeout, "switchwise.state.shared", "lease.lua")
        self.name = self._server.name
        self._runs: set[str] = set()  # run ids of known servers

    def report(self, reports: Sequence[Report]) -> list[Grant]:
        """Process reports in one round trip; return grants in the same order. Raises `LostStore`."""
        answers = self._server.run([(self._keys(heard.key), _arguments(heard)) for heard in reports])
        replies = [_reply(answer, self._server.part(heard.key)) for heard, answer in zip(reports, answers, strict=True)]
        if not self._runs.issuperset(runs := {reply.memory.partition(".")[2] for reply in replies}):
            self._runs |= runs
            self._server.run([(self._keys(_MARK, bucket), _arguments(_MARKED)) for bucket in self._server.buckets()])
        return replies

    def override(self, key: str, limit: int, milliseconds: int) -> None:
        """Replace the limit for that time. Raises `LostStore`."""
        client = self._server.client
        with self._server.reached():
            seconds, micros = client.time()
            client.hset(self._keys(key)[0], "over", f"{limit} {seconds * 1_000 + micros // 1_000 + milliseconds}")

    def holders(self, key: str) -> dict[str, Holding]:
        """The holders of an account. Raises `LostStore`."""
        with self._server.reached():
            fields = self._server.client.hgetall(self._keys(key)[0])
        found = {text(name): text(totals) for name, totals in fields.items()}
        return {name[2:]: Holding.parse(totals) for name, totals in found.items() if name.startswith("h:")}

    def forked(self) -> None:
        """Called in a forked child: it opens its own connections."""
        self._server.forked()

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    def _keys(self, key: str, bucket: str = "") -> list[str]:
        bucket = bucket or self._server.bucket(key)
        return [f"{bucket}:lease:{key}", f"{bucket}:boot"]


def _arguments(heard: Report) -> list[Any]:
    rule = heard.rule
    own = [
        heard.holder,
        heard.totals.text(),
        heard.want,
        heard.need,
        rule.limit,
        rule.window,
        rule.term,
        rule.divisor,
        rule.grace,
    ]
    words = [*own, rule.ttl, int(heard.ask), int(heard.lost)]
    return [*words, *(word for name, known in heard.known.items() for word in (name, known.text()))]


def _reply(answer: Sequence[Any], part: str) -> Grant:
    granted, free, holders, short, recovering, closed, now, limit, spent, alert = (int(number) for number in answer[:10])
    run, *rest = (text(word) for word in answer[10:])
    known = {name: Holding.parse(text) for name, text in zip(rest[::2], rest[1::2], strict=True)}
    return Grant(
        granted, free, holders, bool(short), recovering, bool(closed), now, limit, spent, alert, known, f"{part}.{run}"
    )
