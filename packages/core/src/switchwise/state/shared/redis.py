"""Leases in Redis or Valkey: one script per report, all reports of a heartbeat in one pipeline.

The script reads the server's own clock and its run id: after a restart, a failover or a flush nothing is granted until the
holders have said what they hold. Keys carry a hash tag, so that a cluster keeps an account and its mark in one slot. The
server must not evict (`maxmemory-policy noeviction`).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any
from zlib import crc32

from switchwise.nouns.errors import ConfigurationError
from switchwise.state.shared.account import Holding, Reply, Report
from switchwise.state.shared.protocol import LostStore

if TYPE_CHECKING:
    import redis

_BUCKETS = 64


class RedisLeases:
    """A lease store in Redis or Valkey.

    Parameters:
        server: an address such as `redis://localhost:6379/0`, or a client of redis-py. An address gets a client that
            does not retry by itself and gives up after `timeout`; a client of your own should do the same.
        prefix: of all keys.
        timeout: seconds until a request counts as lost.

    Raises:
        ConfigurationError: redis-py is not installed, or the address is none.
    """

    def __init__(self, server: str | redis.Redis, prefix: str = "switchwise", timeout: float = 0.5) -> None:
        try:
            import redis
        except ImportError:
            raise ConfigurationError("RedisLeases needs redis-py: pip install 'switchwise[redis]'") from None
        self._error: type[Exception] = redis.RedisError
        if isinstance(server, str):
            try:
                server = redis.Redis.from_url(server, socket_timeout=timeout, socket_connect_timeout=timeout, retry=None)
            except ValueError as error:
                raise ConfigurationError(
                    f"RedisLeases({server!r}): {error}; give an address such as 'redis://localhost:6379/0'"
                ) from None
        self._client: Any = server
        where = server.get_connection_kwargs() if hasattr(server, "get_connection_kwargs") else {}
        self.name = f"{prefix}@{where.get('host', where.get('path', 'redis'))}:{where.get('port', '')}/{where.get('db', 0)}"
        self._prefix = prefix
        self._script: Any = self._client.register_script(
            resources.files("switchwise.state.shared").joinpath("lease.lua").read_text(encoding="utf-8")
        )
        self._loaded = False

    def report(self, reports: Sequence[Report]) -> list[Reply]:
        """Take in reports, in one round trip; the replies in the same order. Raises `LostStore`."""
        try:
            if not self._loaded:
                self._client.script_load(self._script.script)
                self._loaded = True
            with self._client.pipeline(transaction=False) as pipe:
                for heard in reports:
                    self._script(keys=self._keys(heard.key), args=_arguments(heard), client=pipe)
                answers = pipe.execute()
        except (self._error, OSError) as error:
            self._loaded = False
            raise LostStore(f"{type(error).__name__}: {error}") from error
        return [_reply(answer) for answer in answers]

    def override(self, key: str, limit: int, milliseconds: int) -> None:
        """Let `limit` count for that long in place of the rule's. Raises `LostStore`."""
        try:
            seconds, micros = self._client.time()
            until = seconds * 1_000 + micros // 1_000 + milliseconds
            self._client.hset(self._keys(key)[0], "over", f"{limit} {until}")
        except (self._error, OSError) as error:
            raise LostStore(f"{type(error).__name__}: {error}") from error

    def holders(self, key: str) -> dict[str, Holding]:
        """Who holds what of an account. Raises `LostStore`."""
        try:
            fields = self._client.hgetall(self._keys(key)[0])
        except (self._error, OSError) as error:
            raise LostStore(f"{type(error).__name__}: {error}") from error
        return {_text(name)[2:]: Holding.parse(_text(text)) for name, text in fields.items() if _text(name).startswith("h:")}

    def forked(self) -> None:
        """The child opens connections of its own; redis-py notices a fork by itself."""
        self._loaded = False

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _keys(self, key: str) -> list[str]:
        bucket = f"{self._prefix}:{{b:{crc32(key.encode()) % _BUCKETS}}}"
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
    return [*own, rule.ttl, int(heard.ask), *(word for name, known in heard.known.items() for word in (name, known.text()))]


def _reply(answer: Sequence[Any]) -> Reply:
    granted, free, holders, short, recovering, closed, now, limit, spent, alert = (int(number) for number in answer[:10])
    rest = [_text(word) for word in answer[10:]]
    known = {name: Holding.parse(text) for name, text in zip(rest[::2], rest[1::2], strict=True)}
    return Reply(granted, free, holders, bool(short), bool(recovering), bool(closed), now, limit, spent, alert, known)


def _text(word: bytes | str) -> str:
    return word.decode() if isinstance(word, bytes) else word
