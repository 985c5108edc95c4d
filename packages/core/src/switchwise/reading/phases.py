"""Detects the phase and step of a conversation from the signals of its messages, without a model call.

Each message moves a small state on, `PhaseState`, at the same cost however long the conversation is. A phase is sticky: it
changes on strong evidence (a user asks, the first edit after planning, a crash) or on two steps that lean the same way,
never on one odd step.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final, NamedTuple

from switchwise.nouns.fast_dataclass import maker
from switchwise.nouns.signals import Phase, Signals, StepKind
from switchwise.reading.message_signals import Fault, MessageSignals
from switchwise.reading.tool_kinds import ToolKind

_WEAK: Final = 1
_STRONG: Final = 2
"""The weight of evidence that changes the phase: one strong sign, or two weak ones in a row."""

# By name, because Python 3.11 takes ten times as long to look a member up in its class, and this runs for every message.
_PLANNING: Final = Phase.PLANNING
_IMPLEMENTING: Final = Phase.IMPLEMENTING
_DEBUGGING: Final = Phase.DEBUGGING
_TESTING: Final = Phase.TESTING
_DOCUMENTING: Final = Phase.DOCUMENTING
_USER_TURN: Final = StepKind.USER_TURN
_TOOL_RESULT: Final = StepKind.TOOL_RESULT
_FAILURE: Final = StepKind.FAILURE
_FINAL_ANSWER: Final = StepKind.FINAL_ANSWER
_SEVERE: Final = Fault.SEVERE
_READ: Final = ToolKind.READ
_PROPOSE: Final = ToolKind.PROPOSE
_DOCUMENT: Final = ToolKind.DOCUMENT
_TRANSACT: Final = ToolKind.TRANSACT
_TEST: Final = ToolKind.TEST
_CHANGES: Final = frozenset((ToolKind.WRITE, ToolKind.TRANSACT))
_PREPARES: Final = frozenset((ToolKind.READ, ToolKind.LOOKUP, ToolKind.THINK))
_CHECKS: Final = frozenset((ToolKind.TEST, ToolKind.RUN))
_LOOKS_INTO: Final = frozenset((ToolKind.READ, ToolKind.LOOKUP, ToolKind.RUN, ToolKind.TEST))
_CLOSES: Final = frozenset((ToolKind.FINISH, ToolKind.TRANSACT, ToolKind.COMPUTE))
_ANSWERS: Final = frozenset((ToolKind.LOOKUP, ToolKind.OTHER, ToolKind.WRITE))


# Named tuples, because one of each is made per message on the path of a decision.
class Stance(NamedTuple):
    """The phase, and the evidence for a rival one.

    Parameters:
        phase: the kind of work; None if unknown.
        because: the evidence that made it so.
        rival: the phase that the latest evidence supports.
        weight: the weight of that evidence.
    """

    phase: Phase | None = None
    because: str = ""
    rival: Phase | None = None
    weight: int = 0

    def lean(self, phase: Phase, weight: int, because: str) -> Stance:
        """Return the stance after one piece of evidence for `phase`."""
        if self.phase is phase:
            return Stance(phase, self.because) if self.rival else self
        total = weight + self.weight if self.rival is phase else weight
        if total >= _STRONG or self.phase is None:
            return Stance(phase, because)
        return Stance(self.phase, self.because, phase, total)


class PhaseState(NamedTuple):
    """State of a conversation after the messages so far.

    Parameters:
        stance: the phase.
        last: the role of the last message that is not the system's.
        kind: kind of the assistant's last tool calls; None if it called none.
        runs: it ran something.
        users, steps: how many turns the user had, and how many turns of the assistant called tools.
        answered: the assistant has answered or called a tool.
        changed: what was changed since the user last asked for something; None: nothing yet.
        broken: something that was run failed, and has not passed since.
        failures: failed tool results in a row.
        fault: why a result of the last batch of tools failed; empty: none did.
    """

    stance: Stance = Stance()
    last: str = ""
    kind: ToolKind | None = None
    runs: bool = False
    users: int = 0
    steps: int = 0
    answered: bool = False
    changed: ToolKind | None = None
    broken: bool = False
    failures: int = 0
    fault: str = ""


_signals = maker(Signals)
_state = partial(tuple.__new__, PhaseState)  # half the time of its constructor
START: Final = PhaseState()


def advance(before: PhaseState, message: MessageSignals) -> PhaseState:
    """The progress after one more message."""
    if message.role == "tool":
        return _tool(before, message)
    if message.role == "assistant":
        return _assistant(before, message)
    if message.role == "user":
        return _user(before, message)
    return before


def signals(progress: PhaseState, tools: bool | None = None) -> Signals:
    """Derive the signals for the next call from the progress.

    Parameters:
        tools: whether the call may use tools; None: not known. Where results are in and no tool is offered, the call can
            only answer.
    """
    step: StepKind | None = None
    why = ""
    if progress.last == "user":
        step, why = _USER_TURN, "a user turn"
    elif progress.last == "tool":
        step, why = _after_tool(progress)
    if tools is False and step is _TOOL_RESULT:
        step, why = _FINAL_ANSWER, "no tool is offered"
    phase, because, _, _ = progress.stance
    if why and because:
        because = f"{why}; {because}"
    return _signals(phase, step, not progress.answered, progress.failures, because or why)


def detect(messages: Iterable[MessageSignals], tools: bool | None = None) -> Signals:
    """Return the signals of these messages for the next call; see `signals`.

    >>> from switchwise.reading.message_signals import read_message
    >>> from switchwise.nouns.signals import Turn
    >>> turns = [Turn("user", "Please fix the crash"), Turn("assistant", calls=("Read",)), Turn("tool", "def f(): ...")]
    >>> found = detect(map(read_message, turns))
    >>> found.phase.value, found.step.value, found.because
    ('debugging', 'tool_result', 'after read; the user asks: fix')
    """
    progress = START
    for each in messages:
        progress = advance(progress, each)
    return signals(progress, tools)


def _user(before: PhaseState, message: MessageSignals) -> PhaseState:
    stance, changed, broken = before.stance, None, False
    if message.asks is _IMPLEMENTING and before.answered:  # what the user agrees to was planned before
        stance, changed = stance.lean(_IMPLEMENTING, _STRONG, f"the user agrees: {message.because}"), before.changed
    elif message.asks is not None and message.asks is not _IMPLEMENTING:
        stance, broken = (
            stance.lean(message.asks, _STRONG, f"the user asks: {message.because}"),
            message.asks is _DEBUGGING,
        )
    else:
        stance = stance.lean(_PLANNING, _STRONG if before.changed is _TRANSACT else _WEAK, "a new request")
    return PhaseState(stance, "user", None, False, before.users + 1, before.steps, before.answered, changed, broken)


def _assistant(before: PhaseState, message: MessageSignals) -> PhaseState:
    stance, changed, kind = before.stance, before.changed, message.kind
    mending = before.broken and changed and stance.phase is _DEBUGGING
    if kind in _CHANGES:
        if not mending:
            weight = _STRONG if stance.phase is _PLANNING or not changed else _WEAK
            stance = stance.lean(_IMPLEMENTING, weight, f"changes by {message.because}")
        changed = kind
    elif before.fault and changed and kind in _LOOKS_INTO:
        stance = stance.lean(_DEBUGGING, _WEAK, f"{message.because} after a failure")
    elif kind in _PREPARES:
        if not changed and (stance.phase is None or _PLANNING in (stance.phase, stance.rival)):
            stance = stance.lean(_PLANNING, _WEAK, f"{message.because} before any change")
    elif kind in _CHECKS and changed and not mending:
        weight = _STRONG if kind is _TEST else _WEAK
        stance = stance.lean(_TESTING, weight, f"checks by {message.because}")
    elif kind is _DOCUMENT:
        changed = kind
        stance = stance.lean(_DOCUMENTING, _WEAK, f"writes up by {message.because}")
    steps = before.steps + (kind is not None)
    return _state(
        (stance, "assistant", kind, message.runs, before.users, steps, True, changed, before.broken, before.failures, "")
    )


def _tool(before: PhaseState, message: MessageSignals) -> PhaseState:
    stance, broken, kind, changed, fault = before.stance, before.broken, before.kind, before.changed, before.fault
    ran = before.runs and (message.kind is None or message.kind in _CHECKS)
    if message.fault and not (message.fault is _SEVERE and kind is _READ):  # what is read may well tell of crashes
        fault, failures = message.because, before.failures + 1
        if message.fault is _SEVERE or (ran and changed):
            stance = stance.lean(_DEBUGGING, _STRONG, f"failed: {fault}")
        elif changed:
            stance = stance.lean(_DEBUGGING, _WEAK, f"failed: {fault}")
        broken = broken or ran
    else:
        failures = 0
        if kind is _PROPOSE:
            stance = stance.lean(_IMPLEMENTING, _STRONG, "the plan was accepted")
        elif broken and ran and changed and stance.phase is _DEBUGGING:
            stance = stance.lean(_TESTING, _STRONG if kind is _TEST else _WEAK, "it passes again")
        broken = broken and not ran
    return _state((stance, "tool", kind, before.runs, before.users, before.steps, True, changed, broken, failures, fault))


def _after_tool(progress: PhaseState) -> tuple[StepKind, str]:
    if progress.fault:
        return _FAILURE, f"failed: {progress.fault}"
    kind = progress.kind
    if kind in _CLOSES or (kind in _ANSWERS and progress.users <= 1 == progress.steps):
        return _FINAL_ANSWER, f"done after {kind}"
    return _TOOL_RESULT, f"after {kind or 'a tool'}"
