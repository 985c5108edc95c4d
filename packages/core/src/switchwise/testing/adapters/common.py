"""Shared by the cells: requests, targets and checks."""

from __future__ import annotations

import asyncio
import traceback
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
    if asynchronous:
        asking = face.aask(adapter, request)
        assert asyncio.iscoroutine(asking), f"asynchronously it gave {asking!r:.80}: give a coroutine, async def aask(...)"
        given = _LOOP.run(asking)
    else:
        given = face.ask(adapter, request)
    assert isinstance(given, Said), f"it gave {given!r:.80} for an answer: give a Said"
    return given


def failure(cell: Cell, error: Exception) -> str:
    """What a cell requires, and what went wrong: the message of its assertion, else the line; or the exception of the adapter."""
    wrong: str | None = str(error)
    if not isinstance(error, AssertionError):
        wrong = f"it raised {error!r}"
    elif not wrong:
        wrong = traceback.extract_tb(error.__traceback__)[-1].line
    return f"{(cell.__doc__ or '').removesuffix('.')}: {wrong}"


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
        given = act()
    except Exception as error:  # noqa: BLE001  (whatever an SDK or a framework raises)
        return error
    raise AssertionError(f"nothing was raised, it answered {given!r:.200}")


def kinds_of(journal: list[Attempt]) -> list[str]:
    """What became of each attempt."""
    return [str(attempt.kind.value) if attempt.kind else "ok" if attempt.reply else "abandoned" for attempt in journal]
