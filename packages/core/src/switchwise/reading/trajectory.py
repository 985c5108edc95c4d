"""Tracks how a run is going: evidence of failure, and the effort so far.

A step is one turn of the assistant that calls tools, with the results of these calls. The evidence is summed as a CUSUM: each step adds its
evidence less a drift, never below zero, so that scattered failures fade and repeated ones add up. Only digests of texts are kept.

Source: E. S. Page, "Continuous inspection schemes" (1954); the weights are given, not learnt. docs/evaluation.md shows how well they predict failure on recorded runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from switchwise.nouns.signals import Phase, Turn
from switchwise.reading.message_signals import Fault, MessageSignals, read_message
from switchwise.reading.tool_kinds import ToolKind

DRIFT: Final = 0.15
"""Evidence that each step takes away."""
IDLE: Final = 8
"""Steps without a change after which each further one is evidence."""
REMEMBERED: Final = 48  # calls and failing outputs whose repetition is noticed
_ENDS: Final = 4_000
_CHANGES: Final = frozenset((ToolKind.WRITE, ToolKind.DOCUMENT, ToolKind.TRANSACT))
_CHECKED: Final = frozenset((ToolKind.TEST, ToolKind.RUN))
_TIMEOUT: Final = re.compile(r"\btim(?:ed|e)[ -]?out\b", re.IGNORECASE)
_MALFORMED: Final = re.compile(
    r"\binvalid (?:tool call|arguments?|parameters?|json|input)\b|\bvalidation errors?\b|\bunknown tool\b|\bnot a valid tool\b"
    r"|\bmissing required\b|\bunexpected keyword\b|\bno such tool\b|\bfailed to parse\b|\bexactly one action\b",
    re.IGNORECASE,
)


class StepObservation(NamedTuple):
    """Observations of one step.

    Parameters:
        failed: results that are failures.
        repeats: how often its calls were made before, word for word.
        again: how often its failing output was seen before, word for word.
        malformed: a call was refused because of its form.
        timeout: a call timed out.
        changed: it changed something: files, records.
        passed: checks passed.
        written: what the assistant wrote, in characters or tokens, as long as it is always the same.
    """

    failed: int = 0
    repeats: int = 0
    again: int = 0
    malformed: bool = False
    timeout: bool = False
    changed: bool = False
    passed: bool = False
    written: int = 0


class Trajectory(NamedTuple):
    """A run up to now, as a fold over its steps.

    Parameters:
        suspicion: the CUSUM of the evidence that it goes wrong.
        steps, edits, longest, written: steps, steps that changed something, most and all that the assistant wrote at a step.
        idle: steps since the last change.
    """

    suspicion: float = 0.0
    steps: int = 0
    edits: int = 0
    longest: int = 0
    written: int = 0
    idle: int = 0

    def after(self, step: StepObservation, drift: float = DRIFT) -> Trajectory:
        """This run after one more step.

        >>> run = Trajectory().after(StepObservation(failed=1))
        >>> run = run.after(StepObservation(failed=1, repeats=1, again=1))
        >>> round(run.suspicion, 2), run.after(StepObservation(passed=True, changed=True)).suspicion < run.suspicion
        (3.7, True)
        """
        edits, idle = self.edits + step.changed, 0 if step.changed else self.idle + 1
        evidence = (
            float(step.failed > 0)
            + 0.5 * min(step.repeats, 3)
            + 1.5 * min(step.again, 3)
            + 0.5 * step.malformed
            + step.timeout
            + 0.3 * (idle > IDLE)
            - (step.passed and edits > 0)
        )
        return Trajectory(
            max(0.0, self.suspicion + evidence - drift),
            self.steps + 1,
            edits,
            max(self.longest, step.written),
            self.written + step.written,
            idle,
        )

    @property
    def effort(self) -> tuple[int, int, int, int]:
        """The effort so far: steps, changes, the longest answer, and all that was written."""
        return self.steps, self.edits, self.longest, self.written


class TrajectoryState(NamedTuple):
    """State of the trajectory reader between two calls.

    Parameters:
        run: the trajectory.
        seen: digests of calls and failing outputs -> how often; the oldest are forgotten.
        broken: digest of the last call that failed, and has not passed since; empty: none.
        checking: that call ran something.
        last: digest of the last step, calls and results.
        row: how many steps just before it were the same, word for word.
        step: what the last step shows.
    """

    run: Trajectory = Trajectory()
    seen: Mapping[str, int] = {}
    broken: str = ""
    checking: bool = False
    last: str = ""
    row: int = 0
    step: StepObservation = StepObservation()

    def dump(self) -> dict[str, Any]:
        """As JSON types."""
        return {**self._asdict(), "run": list(self.run), "seen": dict(self.seen), "step": list(self.step)}

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> TrajectoryState:
        """What `dump` gave."""
        return cls(
            **{**state, "run": Trajectory(*state["run"]), "seen": dict(state["seen"]), "step": StepObservation(*state["step"])}
        )


def read_on(
    course: TrajectoryState, turns: Iterable[Turn], drift: float = DRIFT
) -> Iterator[tuple[TrajectoryState, MessageSignals | None, Turn]]:
    """The course after each step or turn of the user among these turns, which begin where the last reading ended.

    Yields the course, what the user's turn says (None: it was a step), and the turn of the user or the assistant.

    >>> turns = [Turn("assistant", calls=("bash",), arguments="pytest"), Turn("tool", "1 failed", tool="bash")] * 2
    >>> [(round(after.run.suspicion, 2), after.row) for after, _, _ in read_on(TrajectoryState(), turns)]
    [(0.85, 0), (3.7, 1)]
    """
    opened: tuple[Turn, MessageSignals] | None = None
    results: list[tuple[Turn, MessageSignals]] = []
    for turn in turns:
        message = read_message(turn)
        if message.role == "tool":
            results.append((turn, message))
            continue
        if opened is not None:
            course = _closed(course, *opened, results, drift)
            yield course, None, opened[0]
        opened, results = None, []
        if message.role == "assistant" and message.kind is not None:
            opened = turn, message
        elif message.role == "user":
            yield course, message, turn
    if opened is not None:
        course = _closed(course, *opened, results, drift)
        yield course, None, opened[0]


def digest(*texts: str) -> str:
    """Return 16 hexadecimal digits that identify a text; of a long one, its ends and its length count."""
    made = blake2b(digest_size=8)
    for text in texts:
        ends = text if len(text) <= 2 * _ENDS else f"{text[:_ENDS]}{text[-_ENDS:]}"
        made.update(f"{len(text)}:{ends}".encode("utf-8", "surrogatepass"))
    return made.hexdigest()


def still_broken(message: MessageSignals) -> bool:
    """Return whether a user turn reports that something does not work."""
    return message.asks is Phase.DEBUGGING


def _closed(
    course: TrajectoryState, turn: Turn, message: MessageSignals, results: list[tuple[Turn, MessageSignals]], drift: float
) -> TrajectoryState:
    call = digest(*turn.calls, turn.arguments or turn.text[-_ENDS:])
    failing = [each for each, found in results if _failed(message, found)]
    seen = dict(course.seen)
    repeats = _counted(seen, call) if message.kind is not ToolKind.TRACK else 0  # to wait is no loop
    again = max([_counted(seen, "!" + digest(each.text)) for each in failing], default=0)
    head = [each.text[:600] for each in failing]
    step = StepObservation(
        len(failing),
        repeats,
        again,
        any(_MALFORMED.search(text) for text in head),
        any(_TIMEOUT.search(text) for text in head),
        message.kind in _CHANGES and not failing,
        message.kind is ToolKind.TEST and bool(results) and not failing,
        len(turn.text) + len(turn.arguments),
    )
    broken, checking = course.broken, course.checking
    if failing:
        broken, checking = call, message.kind in _CHECKED
    elif call == broken or (step.passed and checking):
        broken, checking = "", False
    last = digest(call, *[each.text for each, _ in results])
    row = course.row + 1 if last == course.last and message.kind is not ToolKind.TRACK else 0
    return TrajectoryState(course.run.after(step, drift), seen, broken, checking, last, row, step)


def _failed(asked: MessageSignals, result: MessageSignals) -> bool:
    """What is read may well speak of crashes: see `phases`."""
    return bool(result.fault) and not (result.fault is Fault.SEVERE and asked.kind is ToolKind.READ)


def _counted(seen: dict[str, int], what: str) -> int:
    """How often it was seen before; it is seen once more now."""
    before = seen.pop(what, 0)
    seen[what] = before + 1
    while len(seen) > REMEMBERED:
        del seen[next(iter(seen))]
    return before
