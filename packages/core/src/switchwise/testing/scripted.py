"""Scripted targets: a `perform` for tests, without a network or a mock of an SDK."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from switchwise.nouns.call import Call
from switchwise.nouns.errors import FailureKind, TargetError
from switchwise.nouns.exchange.reply import Reply
from switchwise.nouns.usage import Usage
from switchwise.testing.clock import Clock


@dataclass(frozen=True, slots=True)
class Says:
    """A scripted answer.

    Parameters:
        text: the whole text.
        chunks: how it streams; None: word by word.
        usage: tokens; None: not reported.
        tool_calls: (name, arguments) of the called tools.
        seconds: duration on the script's clock.
    """

    text: str = ""
    chunks: Sequence[Any] | None = None
    usage: Usage | None = None
    tool_calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Fails:
    """A scripted failure.

    Parameters:
        error: the kind of failure, or any exception, which is raised unchanged.
        retry_after: seconds that the provider asks to wait.
        after: chunks before the failure.
        seconds: duration on the script's clock.
    """

    error: FailureKind | Exception
    retry_after: float | None = None
    after: Sequence[Any] = ()
    seconds: float = 0.0


Line = str | Says | Fails | Reply
Part = Line | Sequence[Line] | Callable[[Call], Line]


class Script:
    """Answers of each target, call after call; pass `perform` or `aperform` to `drive` or `adrive`.

    A part is one line, or several of which the last repeats, or a function of the call. A line is a text, `Says`, `Fails` or a `Reply`.
    Every call is recorded in `calls`, in order. Thread-safe.

    Parameters:
        parts: target name -> its part.
        clock: advanced by the durations of the lines.
        otherwise: part of targets without their own.
        more: further parts as keywords, for names that are identifiers.

    Raises:
        KeyError: a target without a part is called.

    >>> from switchwise import FailureKind, Pool, Router, Target, View, drive
    >>> script = Script(opus=Fails(FailureKind.OVERLOADED), haiku=["hello there", "hello again"])
    >>> run = Router(Pool([Target("opus"), Target("haiku")])).start(View())
    >>> "".join(drive(run, script.perform)), run.outcome.target.name, script.called
    ('hello there', 'haiku', ['opus', 'haiku'])
    """

    def __init__(
        self,
        parts: Mapping[str, Part] | None = None,
        /,
        *,
        clock: Clock | None = None,
        otherwise: Part | None = None,
        **more: Part,
    ) -> None:
        self.parts: dict[str, Part] = {**(parts or {}), **more}
        self.otherwise = otherwise
        self.clock = clock
        self.calls: list[Call] = []
        self._turns: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def called(self) -> list[str]:
        """Names of the called targets, in order."""
        return [call.target.name for call in self.calls]

    def perform(self, call: Call) -> Iterator[Any]:
        """Yield the chunks of the next line, then its reply; or raise its failure."""
        yield from self._played(self._next(call))

    async def aperform(self, call: Call) -> AsyncIterator[Any]:
        """As `perform`, yielding to other tasks before each item."""
        for item in self._played(self._next(call)):
            await asyncio.sleep(0)
            yield item

    def _next(self, call: Call) -> Line:
        name = call.target.name
        with self._lock:
            self.calls.append(call)
            turn = self._turns.get(name, 0)
            self._turns[name] = turn + 1
        part = self.parts.get(name, self.otherwise)
        if part is None:
            raise KeyError(f"the script has no part for target {name!r}")
        if isinstance(part, str | Says | Fails | Reply):
            return part
        if isinstance(part, Sequence):
            return part[min(turn, len(part) - 1)]
        return part(call)

    def _played(self, line: Line) -> Iterator[Any]:
        line = Says(line) if isinstance(line, str) else line
        if self.clock is not None and not isinstance(line, Reply):
            self.clock.advance(line.seconds)
        if isinstance(line, Reply):
            yield line
        elif isinstance(line, Says):
            yield from _words(line.text) if line.chunks is None else line.chunks
            yield Reply(line.text, line.tool_calls, line.usage)
        else:
            yield from line.after
            error = line.error
            raise TargetError(error, "scripted", line.retry_after) if isinstance(error, FailureKind) else error


def _words(text: str) -> list[str]:
    words = text.split(" ")
    return [*(f"{word} " for word in words[:-1]), words[-1]] if text else []
