"""What a router asks of its arguments and of its policies, and the pin that stands before them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from switchwise.engine.policy import Checks, UsesStore, name_of
from switchwise.engine.recovery import Recovery
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool
from switchwise.nouns.view import View
from switchwise.state.store import Store


def refuse_options(pool: object, journal: object, recovery: object, clock: object, timer: object, rng: object) -> None:
    """Refuse what a router cannot work with.

    Raises:
        ConfigurationError: the message names the argument and the remedy.
    """
    refuse_what_is_no_pool(pool)
    if isinstance(journal, str) or not isinstance(journal, Iterable) or not all(map(callable, journal)):
        raise ConfigurationError(f"journal={journal!r:.80}: give a list of sinks, such as [JsonLines('journal.jsonl')]")
    for name, value in (("clock", clock), ("timer", timer)):
        if not callable(value):
            raise ConfigurationError(f"{name}={value!r}: give a function that tells seconds, such as time.time")
    if recovery is not None and not isinstance(recovery, Recovery):
        raise ConfigurationError(f"recovery={recovery!r}: give Recovery(patience=..., pause=...)")
    if rng is not None and not hasattr(rng, "getrandbits"):
        raise ConfigurationError(f"rng={rng!r}: give a generator, such as random.Random(7)")


def refuse_what_is_no_pool(pool: object) -> None:
    """Raise `ConfigurationError` for anything but a pool."""
    if not isinstance(pool, Pool):
        raise ConfigurationError(f"{pool!r:.80} is no Pool: write Router(Pool([...]), ...)")


def taken(name: str, take: Callable[[Mapping[str, Any]], None], memory: Any) -> None:
    """Let a policy load its memory; what is wrong with it is told by its name, as a `ConfigurationError`."""
    try:
        take(memory)
    except ConfigurationError as error:
        raise ConfigurationError(f"state of {name}: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # a file that somebody edited, or an older one
        raise ConfigurationError(f"state of {name}: not what its dump gives ({error!r})") from error


def use_store(parts: Sequence[object], store: Store | None) -> None:
    """Give the policies the router's store; refuse two that write to one table, since each would count what the other does."""
    seen: dict[object, object] = {}
    for part in parts:
        if not isinstance(part, UsesStore):
            continue
        if store is not None:
            part.use_store(store)
        table = getattr(part, "table", None)
        place = table if isinstance(table, tuple) else id(table)  # a tuple names accounts that processes share
        if table is not None and seen.setdefault(place, part) is not part:
            raise ConfigurationError(
                f"two policies named {name_of(part)} would keep their memory in one table of one store: "
                "give one of them a part of it, store=Namespace(store, 'other')"
            )


def checked(part: Checks, pool: Pool) -> None:
    """Let a policy look at the pool; its `ConfigurationError` begins with its name."""
    try:
        part.check(pool)
    except ConfigurationError as error:
        name, told = name_of(part), str(error)
        if told.startswith(name):
            raise
        raise ConfigurationError(f"{name}: {told}") from None


def pinned(view: View, shortlist: Shortlist) -> Shortlist:
    """Where the caller named a target for this call, nothing else may answer it.

    A pin that the call inherited from the run around it may be meant for another pool: where it names nothing here, it is left out with a remark.

    Raises:
        ConfigurationError: nothing in the pool goes by the name that the call itself gives.
    """
    if not view.pin:
        return shortlist
    if view.pin_inherited and not shortlist.pool.knows(view.pin):
        return shortlist.remark(f"the run around this call is pinned to {view.pin!r}, which is not in this pool")
    chosen = shortlist.pool.select(view.pin)
    return shortlist.require(lambda target: target.name in chosen, f"this call is pinned to {view.pin!r}")
