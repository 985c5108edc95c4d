"""A Redis or Valkey server for the shared stores: scripts in one pipeline, no automatic retries; without an answer the store is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from switchwise.nouns.errors import ConfigurationError
from switchwise.state.shared.protocol import LostStore

if TYPE_CHECKING:
    import redis

BUCKETS: Final = 64
"""Hash tags by which a cluster spreads the keys."""


class RedisServer:
    """A connection pool with one script.

    Parameters:
        who: class name for error messages.
        server: an address such as `redis://localhost:6379/0` (or `valkey://...`), or a client of redis-py.
        prefix: prefix of all keys.
        timeout: seconds until a request counts as lost.
        package, script: package and file name of the script.

    Raises:
        ConfigurationError: redis-py is not installed, or the address is invalid.
    """

    def __init__(self, who: str, server: str | redis.Redis, prefix: str, timeout: float, package: str, script: str) -> None:
        try:
            import redis
        except ImportError:
            raise ConfigurationError(f"{who} needs redis-py: pip install 'switchwise[redis]'") from None
        self._error: type[Exception] = redis.RedisError
        if isinstance(server, str):
            address = server.replace("valkey", "redis", 1) if server.startswith("valkey") else server
            try:
                client = redis.Redis.from_url(address, socket_timeout=timeout, socket_connect_timeout=timeout, retry=None)
            except ValueError as error:
                raise ConfigurationError(
                    f"{who}({server!r}): {error}; give an address such as 'redis://localhost:6379/0'"
                ) from None
        else:
            client = server
        self.client: Any = client
        where = self.client.get_connection_kwargs() if hasattr(self.client, "get_connection_kwargs") else {}
        self.name = f"{prefix}@{where.get('host', where.get('path', 'redis'))}:{where.get('port', '')}/{where.get('db', 0)}"
        self._buckets = [f"{prefix}:{{b:{number}}}" for number in range(BUCKETS)]
        self._cluster = isinstance(client, redis.RedisCluster)
        self._script: Any = self.client.register_script(resources.files(package).joinpath(script).read_text(encoding="utf-8"))
        self._loaded = False

    def run(self, calls: Sequence[tuple[list[str], list[Any]]]) -> list[Any]:
        """Run the script for each (keys, arguments), in one round trip. Raises `LostStore`."""
        try:
            with self.reached():
                if not self._loaded:
                    self.client.script_load(self._script.script)
                    self._loaded = True
                with self.client.pipeline(transaction=False) as pipe:
                    for keys, arguments in calls:
                        self._script(keys=keys, args=arguments, client=pipe)
                    answers = list(pipe.execute(raise_on_error=False))
                for (keys, _), answer in zip(calls, answers, strict=True):
                    if isinstance(answer, Exception):
                        raise LostStore(f"{keys[0]}: {type(answer).__name__}: {answer}")
                return answers
        except LostStore:
            self._loaded = False
            raise

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Raise errors of the server as `LostStore`."""
        try:
            yield
        except (self._error, OSError) as error:
            raise LostStore(f"{type(error).__name__}: {error}") from error

    def bucket(self, key: str) -> str:
        """Return the prefix of the names that belong to `key`: the names of one bucket are in one slot of a cluster."""
        return self.buckets()[crc32(key.encode()) % BUCKETS]

    def buckets(self) -> list[str]:
        """All results of `bucket`."""
        return self._buckets

    def part(self, key: str) -> str:
        """Return the part of the store that loses its data as a whole: the server, or a bucket of a cluster, whose nodes fail one by one."""
        return str(crc32(key.encode()) % BUCKETS) if self._cluster else "0"

    def forked(self) -> None:
        """Called in a forked child: load the script again; redis-py opens new connections itself."""
        self._loaded = False

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


def text(word: bytes | str) -> str:
    """Decode a word of redis-py, with or without `decode_responses`."""
    return word.decode() if isinstance(word, bytes) else word
