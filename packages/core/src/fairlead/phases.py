"""What a conversation is about to do, told from its marks without asking a model.

Each mark moves a small state on, `Progress`, at the same cost however long the conversation is. A phase is sticky: it
changes on strong evidence (a user asks, the first edit after planning, a crash) or on two steps that lean the same way,
never on one odd step.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from fairlead.marks import Act, Mark
from fairlead.signals import Phase, Signals, StepKind

_FLIPS: Final = 2
"""The weight of evidence that changes the phase: one strong sign or two weak ones in a row."""


class Progress(NamedTuple):
    """What the marks so far come to. A named tuple, because one is made per message on the path of a decision.

    Parameters:
        phase: the kind of work; None: nothing tells yet.
        because: the evidence that made it so.
        rival: the phase that the latest steps lean to.
        weight: how much evidence there is for it.
        act: what the last call of a tool did.
        changed: something was changed since the user last asked for something.
        broken: something that was run failed, and has not passed since.
        failures: failed tool results in a row.
        failed: a result of the last batch of tools failed; `fault` says why.
        answered: the assistant has said or done something.
        last: the role of the last message that is not the system's.
        fault: the evidence of the last failure.
    """

    phase: Phase | None = None
    because: str = ""
    rival: Phase | None = None
    weight: int = 0
    act: Act | None = None
    changed: bool = False
    broken: bool = False
    failures: int = 0
    failed: bool = False
    answered: bool = False
    last: str = ""
    fault: str = ""


START: Final = Progress()


def advance(before: Progress, mark: Mark) -> Progress:
    """The progress after one more message."""
    if mark.role == "user":
        return _user(before, mark)
    if mark.role == "assistant":
        return _assistant(before, mark)
    if mark.role == "tool":
        return _tool(before, mark)
    return before


def signals(progress: Progress) -> Signals:
    """What the progress says about the next call."""
    step, why = _step(progress)
    because = f"{why}; {progress.because}" if why and progress.because else why or progress.because
    return Signals(progress.phase, step, not progress.answered, progress.failures, because)


def detect(marks: Iterable[Mark]) -> Signals:
    """What these marks say about the next call.

    >>> from fairlead.marks import mark
    >>> from fairlead.signals import Turn
    >>> turns = [Turn("user", "Please fix the crash"), Turn("assistant", calls=("Read",)), Turn("tool", "def f(): ...")]
    >>> found = detect(map(mark, turns))
    >>> found.phase.value, found.step.value, found.because
    ('debugging', 'tool_result', 'after read; the user asks: fix')
    """
    progress = START
    for each in marks:
        progress = advance(progress, each)
    return signals(progress)


def _user(before: Progress, mark: Mark) -> Progress:
    now = before._replace(last="user", failures=0, failed=False)
    if mark.asks is Phase.IMPLEMENTING:  # what the user agrees to was planned before
        return _leant(now, Phase.IMPLEMENTING, 2, f"the user agrees: {mark.because}") if before.answered else _new_request(now)
    now = now._replace(changed=False)
    if mark.asks is None:
        return _new_request(now)
    return _leant(now._replace(broken=mark.asks is Phase.DEBUGGING), mark.asks, 2, f"the user asks: {mark.because}")


def _new_request(now: Progress) -> Progress:
    return now if now.phase else _leant(now, Phase.PLANNING, 2, "a new request")


def _assistant(before: Progress, mark: Mark) -> Progress:
    now = before._replace(last="assistant", answered=True, failed=False, act=mark.act)
    mending = now.broken and now.phase is Phase.DEBUGGING
    match mark.act:
        case Act.READ | Act.THINK if not now.changed and now.phase in (None, Phase.IMPLEMENTING, Phase.SUMMARISING):
            return _leant(now, Phase.PLANNING, 1, f"{mark.because} before any change")
        case Act.WRITE | Act.TRANSACT:
            now = now._replace(changed=True)
            if mending:
                return now
            return _leant(now, Phase.IMPLEMENTING, 2 if now.phase is Phase.PLANNING else 1, f"changes by {mark.because}")
        case Act.DOCUMENT:
            return _leant(now._replace(changed=True), Phase.DOCUMENTING, 1, f"writes up by {mark.because}")
        case Act.TEST if not mending:
            return _leant(now, Phase.TESTING, 1, f"checks by {mark.because}")
        case Act.RUN if now.changed and not mending:
            return _leant(now, Phase.TESTING, 1, f"{mark.because} after a change")
    return now


def _tool(before: Progress, mark: Mark) -> Progress:
    ran = before.act in (Act.RUN, Act.TEST) or mark.act in (Act.RUN, Act.TEST)
    if mark.fault:
        now = before._replace(
            last="tool", failures=before.failures + 1, failed=True, fault=mark.because, broken=before.broken or ran
        )
        return _leant(now, Phase.DEBUGGING, int(mark.fault), f"failure: {mark.because}")
    now = before._replace(last="tool", failures=0, broken=before.broken and not ran)
    if before.act is Act.PROPOSE:
        return _leant(now, Phase.IMPLEMENTING, 2, "the plan was accepted")
    if before.broken and before.act is Act.TEST and now.phase is Phase.DEBUGGING:
        return _leant(now, Phase.TESTING, 2, "it passes again")
    return now


def _leant(now: Progress, phase: Phase, weight: int, because: str) -> Progress:
    """Weigh one sign."""
    if now.phase is phase:
        return now._replace(rival=None, weight=0)
    total = weight + now.weight if now.rival is phase else weight
    if total >= _FLIPS or now.phase is None:
        return now._replace(phase=phase, because=because, rival=None, weight=0)
    return now._replace(rival=phase, weight=total)


def _step(progress: Progress) -> tuple[StepKind | None, str]:
    if progress.last == "user":
        return StepKind.USER_TURN, "a user turn"
    if progress.last != "tool":
        return None, ""
    if progress.failed:
        return StepKind.FAILURE, f"failed: {progress.fault}"
    act = progress.act.value if progress.act else "a tool"
    if progress.act in (Act.FINISH, Act.TRANSACT, Act.COMPUTE):
        return StepKind.FINAL_ANSWER, f"done after {act}"
    return StepKind.TOOL_RESULT, f"after {act}"
