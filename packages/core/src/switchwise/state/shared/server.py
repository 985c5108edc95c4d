"""A Redis or Valkey server, as the shared stores use it: scripts in one pipeline, nothing tried again by itself, no answer is a lost store."""

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
        who: name of the user of the server, for error messages.
        server: an address such as `redis://localhost:6379/0` (or `valkey://...`), or a client of redis-py.
        prefix: of all keys.
        timeout: seconds until a request counts as lost.
        package, script: where the script is.

    Raises:
        ConfigurationError: redis-py is not installed, or the address is none.
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
                    return list(pipe.execute())
        except LostStore:
            self._loaded = False
            raise

    @contextmanager
    def reached(self) -> Iterator[None]:
        """What fails in it is a lost store."""
        try:
            yield
        except (self._error, OSError) as error:
            raise LostStore(f"{type(error).__name__}: {error}") from error

    def bucket(self, key: str) -> str:
        """The beginning of the names that belong to `key`: those of one bucket lie in one slot of a cluster."""
        return self.buckets()[crc32(key.encode()) % BUCKETS]

    def buckets(self) -> list[str]:
        """What `bucket` may give."""
        return self._buckets

    def part(self, key: str) -> str:
        """Names what loses its memory at once: the server, or in a cluster a bucket, since each node has a memory of its own."""
        return str(crc32(key.encode()) % BUCKETS) if self._cluster else "0"

    def forked(self) -> None:
        """The child opens connections of its own; redis-py notices a fork by itself."""
        self._loaded = False

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


def text(word: bytes | str) -> str:
    """As redis-py gives it, with `decode_responses` or without."""
    return word.decode() if isinstance(word, bytes) else word
