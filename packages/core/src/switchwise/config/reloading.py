"""Reload the file of a router, and carry the state over to the new policies."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

from switchwise.catalog import Catalog
from switchwise.config.configuration import Configuration, Recipe, load
from switchwise.config.document import field_of
from switchwise.config.lines import Place
from switchwise.engine.policy import Remembers, name_of
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.secrets import HIDDEN, LONGEST, masked
from switchwise.nouns.validation import number
from switchwise.observe.observer import Observes
from switchwise.state.forking import lock

_log = logging.getLogger("switchwise.config")
_audit = logging.getLogger("switchwise.audit")
"""Log with a line of JSON per change of a router's configuration."""
_SECRET = re.compile(r"key|secret|token|passw|passphrase|credential|auth|cookie|header", re.IGNORECASE)
_COUNTED = re.compile(r"tokens", re.IGNORECASE)  # a number of tokens is a length


class Source:
    """The file of a router.

    Parameters:
        configuration, recipe: the loaded configuration, and the router's recipe in it.
        every: seconds between checks of the file; None: no automatic checks.
        catalog: catalogue for loading.
        observers: in addition to those of the file.
        timer: seconds.
        reachable: name -> provider and model of the targets with an adapter's models; None: no adapter.
    """

    def __init__(
        self,
        configuration: Configuration,
        recipe: Recipe,
        every: float | None,
        catalog: Catalog | None,
        observers: tuple[Observes, ...],
        timer: Callable[[], float],
        reachable: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        if every is not None:
            number("from_file", "reload", every, above=True)
        self.recipe, self.observers, self.reachable = recipe, observers, reachable
        self._data = configuration.document.data
        self.path = configuration.document.path.absolute()  # found again when the process changes its folder
        self._files = [file.absolute() for file in configuration.document.files]
        self._every, self._catalog, self._timer = every, catalog, timer
        self._stamp = _stamp(self._files)
        self._next = timer() + (every or 0)
        self._lock = lock()

    def look(self, reload: Callable[[], object]) -> None:
        """Call `reload` if it is due; an invalid file is logged once, and the router is unchanged."""
        if self._every is None or self._timer() < self._next or not self._lock.acquire(blocking=False):
            return
        try:
            reload()
        except ConfigurationError as error:
            _log.error("the new %s cannot be used, the router goes on as it was:\n%s", self.path, error)
        finally:
            self._next = self._timer() + self._every
            self._lock.release()

    def changed(self) -> tuple[Configuration, Recipe] | None:
        """Return the changed configuration; None if the file has not changed.

        Raises:
            ConfigurationError: the file is invalid; it is not read again until it changes.
        """
        if (stamp := _stamp(self._files)) == self._stamp:
            return None
        self._stamp = stamp
        configuration = load(self.path, self._catalog, self.recipe)
        recipe = configuration.pick(self.recipe.name)
        if recipe.store != self.recipe.store:
            raise ConfigurationError(
                f"{self.path}: store = ... has changed: start the process again to keep its state elsewhere"
            )
        known = self.reachable
        strange = [t.name for t in recipe.pool if known is not None and known.get(t.name) != (t.provider, t.model)]
        if strange:
            message = f"{self.path}: {', '.join(strange)} has no model in this process: start it again to change targets"
            raise ConfigurationError(message)
        return configuration, recipe

    def now(self, configuration: Configuration, recipe: Recipe) -> Source:
        """Return the source after a reload; log the changes to the audit log."""
        old, new = self._data, configuration.document.data
        line = {
            "event": "configuration",
            "file": str(self.path),
            "router": recipe.name,
            "before": _digest(old),
            "after": _digest(new),
        }
        _log.info("%s was taken over: router %s", configuration.document.path, recipe.name)
        _audit.info("%s", json.dumps({**line, "changes": changes(old, new)}, default=str))
        return Source(configuration, recipe, self._every, self._catalog, self.observers, self._timer, self.reachable)


def changes(old: object, new: object, path: Place = ()) -> list[dict[str, object]]:
    """Return the differing fields with both values; possible secrets are masked.

    >>> changes({"a": 1, "b": [1, 2]}, {"a": 2, "b": [1, 2], "key": "x"})
    [{'field': 'a', 'old': 1, 'new': 2}, {'field': 'key', 'old': None, 'new': '***'}]
    """
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        names = sorted({*old, *new}, key=str)
        return [change for name in names for change in changes(old.get(name), new.get(name), (*path, name))]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [change for i, pair in enumerate(zip(old, new, strict=True)) for change in changes(*pair, (*path, i))]
    name = " ".join(map(str, path))
    return [{"field": field_of(path), "old": _shown(old, name), "new": _shown(new, name)}]


def _shown(value: object, name: str) -> object:
    """The value of a field for the audit log; hidden where its name, or a word in it, is that of a secret."""
    if value is None:
        return None
    if isinstance(value, int | float):
        return HIDDEN if _SECRET.search(_COUNTED.sub("", name)) else value
    if _SECRET.search(f"{name} {value}"):
        return HIDDEN
    return _masked(value) if len(str(value)) < LONGEST else "..."


def _masked(value: object) -> object:
    if isinstance(value, dict):
        return {masked(str(name)): _masked(part) for name, part in value.items()}
    if isinstance(value, list):
        return list(map(_masked, value))
    return value if value is None or isinstance(value, int | float) else masked(str(value))


def _digest(data: object) -> str:
    return blake2b(json.dumps(data, sort_keys=True, default=str).encode(), digest_size=8).hexdigest()


def _stamp(files: Iterable[Path]) -> tuple[tuple[int, int], ...]:
    """A stamp that changes with the files; missing files have a stamp too."""
    found = []
    for path in files:
        try:
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_size))
        except OSError:
            found.append((0, 0))
    return tuple(found)


def carry_over(before: Sequence[Remembers], after: Sequence[Remembers]) -> None:
    """Pass learned state to replaced policies: from the n-th of a name to the n-th of that name."""
    seen: Counter[str] = Counter()
    old = {}
    for part in before:
        old[name_of(part), seen[name_of(part)]] = part
        seen[name_of(part)] += 1
    seen.clear()
    for part in after:
        known = old.get((name_of(part), seen[name_of(part)]))
        seen[name_of(part)] += 1
        if known is None or known is part or any(part is each for each in before) or _one_memory(known, part):
            continue
        try:
            part.load(known.dump())
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            _log.warning("%s starts without what it has learnt: %s", name_of(part), error)


def _one_memory(old: object, new: object) -> bool:
    """Return whether both use the same table of the router's store, so that nothing needs to be carried over."""
    table = getattr(old, "table", None)
    return table is not None and table is getattr(new, "table", None)
