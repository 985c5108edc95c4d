"""A file that a router was made from, looked at again; and what a router keeps when it takes over another one."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from switchwise.catalog import Catalog
from switchwise.config.configuration import Configuration, Recipe, load
from switchwise.engine.policy import Remembers, name_of
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.validation import number
from switchwise.observe.observer import Observes
from switchwise.state.forking import lock

_log = logging.getLogger("switchwise.config")


class Source:
    """The file that a router was made from.

    Parameters:
        configuration, recipe: what was read, and which of its routers.
        every: seconds between looks at the file; None: none by itself.
        catalog: what the reading goes by.
        observers: besides those of the file.
        timer: seconds.
        reachable: name -> provider and model of the targets that an adapter has models for; None: no adapter.
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
        self.path, self._files = configuration.document.path, configuration.document.files
        self._every, self._catalog, self._timer = every, catalog, timer
        self._stamp = _stamp(self._files)
        self._next = timer() + (every or 0)
        self._lock = lock()

    def due(self) -> bool:
        """Whether it is time to look; only one thread is told so."""
        return self._every is not None and self._timer() >= self._next and self._lock.acquire(blocking=False)

    def looked(self) -> None:
        """The look is over."""
        self._next = self._timer() + (self._every or 0)
        self._lock.release()

    def changed(self) -> tuple[Configuration, Recipe] | None:
        """What the file says now; None: it is the same file as before.

        Raises:
            ConfigurationError: it cannot be used; it is not looked at again until it changes once more.
        """
        if (stamp := _stamp(self._files)) == self._stamp:
            return None
        self._stamp = stamp
        configuration = load(self.path, self._catalog, self.recipe)
        recipe = configuration.pick(self.recipe.name)
        known = self.reachable
        strange = [t.name for t in recipe.pool if known is not None and known.get(t.name) != (t.provider, t.model)]
        if strange:
            told = f"{self.path}: {', '.join(strange)} has no model in this process: start it again to change targets"
            raise ConfigurationError(told)
        return configuration, recipe

    def now(self, configuration: Configuration, recipe: Recipe) -> Source:
        """The same, after the file was taken over."""
        return Source(configuration, recipe, self._every, self._catalog, self.observers, self._timer, self.reachable)


def _stamp(files: Iterable[Path]) -> tuple[tuple[int, int], ...]:
    """Changes when a file changes; one that is missing has a stamp, too."""
    found = []
    for path in files:
        try:
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_size))
        except OSError:
            found.append((0, 0))
    return tuple(found)


def carry_over(before: Sequence[Remembers], after: Sequence[Remembers]) -> None:
    """Give what was learnt to the policies that take the place of others: the n-th of a name to the n-th of that name."""
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
    """Whether both keep what they remember in one table of the router's store: there is nothing to carry over."""
    table = getattr(old, "table", None)
    return table is not None and table is getattr(new, "table", None)
