"""Shared by the cells: requests, targets and checks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from switchwise.engine.recovery import Recovery
from switchwise.nouns.call import Attempt
from switchwise.nouns.target import Capabilities, Pool, Target
from switchwise.router import Router
from switchwise.testing.adapters.face import Face, ModelEndpoint, NeutralRequest, NotHere, Said

if TYPE_CHECKING:
    from switchwise_loopback import LoopbackProvider

Cell = Callable[[Face], None]
_LOOP = asyncio.Runner()


def asked(face: Face, adapter: Any, request: NeutralRequest, asynchronous: bool = False) -> Said:
    """Ask in one of the two ways. All asynchronous calls are made on one event loop."""
    return _LOOP.run(face.aask(adapter, request)) if asynchronous else face.ask(adapter, request)


@contextmanager
def loopback(**options: Any) -> Iterator[LoopbackProvider]:
    """The loopback provider.

    Raises:
        NotHere: it is not installed.
    """
    try:
        from switchwise_loopback import LoopbackProvider
    except ImportError as error:
        raise NotHere("needs switchwise[loopback]") from error
    with LoopbackProvider(**options) as provider:
        yield provider


def two(
    face: Face, url: str, journal: list[Attempt] | None = None, *policies: Any, can: Capabilities | None = None, **options: Any
) -> Any:
    """An adapter over two targets of two providers, named `one` and `two`."""
    endpoints = {name: ModelEndpoint(url, model=model) for name, model in (("one", "gpt-4.1-mini"), ("two", "gpt-4o-mini"))}
    hints = options.pop("hints", None)
    endpoints = {name: ModelEndpoint(each.url, model=each.model, options=options) for name, each in endpoints.items()}
    pool = Pool([Target(name, name, endpoints[name].model, can=can or Capabilities()) for name in endpoints])
    observers = [] if journal is None else [journal.append]
    return face.build(endpoints, Router(pool, *policies, observers=observers, recovery=Recovery(patience=0)), hints)


def raised(act: Callable[[], object]) -> Exception:
    """What is raised."""
    try:
        act()
    except Exception as error:  # noqa: BLE001  (whatever an SDK or a framework raises)
        return error
    raise AssertionError("nothing was raised")


def kinds_of(journal: list[Attempt]) -> list[str]:
    """What became of each attempt."""
    return [str(attempt.kind.value) if attempt.kind else "ok" if attempt.reply else "abandoned" for attempt in journal]
