"""The end of a request: errors when no target is left, the reasons why each was not called, and the log of fallbacks."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import replace

from switchwise.engine.policy import NotMade, Reserves, Steps, name_of
from switchwise.nouns.call import Attempt, Call, Outcome
from switchwise.nouns.errors import AllTargetsFailed, Broken, BudgetExceeded, FailureKind, NoTarget, TargetError, failed_as
from switchwise.nouns.exchange.on_broken import Continue, OnBroken
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.view import View
from switchwise.observe.observer import Finished, Observers, tell
from switchwise.reading.token_estimate import MESSAGE, estimate

_CALLERS = (FailureKind.BAD_REQUEST, FailureKind.NOT_ACCEPTED)


def without(shortlist: Shortlist, refused: Mapping[str, Reserves]) -> Shortlist:
    """The shortlist without the targets that a policy refused to reserve for."""
    for name, refuser in refused.items():
        gives_way = getattr(refuser, "gives_way", False)
        usual = "another call was let through in its place" if gives_way else "its budget was just used up"
        shortlist = shortlist.signed_by(name_of(refuser)).require(
            lambda target, name=name: target.name != name,  # type: ignore[misc]
            getattr(refuser, "refusal", "") or usual,
            getattr(refuser, "raises", NoTarget if gives_way else BudgetExceeded),
        )
    return shortlist


def best_rejected(shortlist: Shortlist, attempts: tuple[Attempt, ...]) -> Outcome:
    """Return the best rejected reply when no target is left, or raise the error."""
    replied = [attempt for attempt in attempts if attempt.reply is not None]
    if replied:
        best = max(replied, key=lambda attempt: attempt.verdict.score if attempt.verdict else 0.0)
        return Outcome(best, attempts, accepted=False)
    attempts = tuple([attempt for attempt in attempts if attempt.error is not None])  # the others were cancelled
    if not attempts:
        raises = shortlist.notes[-1].raises
        raise raises(f"no target may be called.\n{ruled_out(shortlist)}")
    errors = [_signed(attempt) for attempt in attempts]
    kinds = [attempt.kind for attempt in attempts]
    overflows = [error for error, kind in zip(errors, kinds, strict=True) if kind is FailureKind.CONTEXT_OVERFLOW]
    blamed = next((error for error, kind in zip(errors, kinds, strict=True) if kind in _CALLERS), None)
    if blamed is not None and not overflows:  # an error of the caller, whatever else failed
        for other in errors:
            if other is not blamed:
                blamed.add_note(f"{other.__notes__[-1]} ({other})")
        raise blamed
    tried = {attempt.target.name for attempt in attempts}
    failures = {attempt.target.name: attempt.error for attempt in attempts}
    message = f"all targets failed: {'; '.join(map(_failure_text, failures.items()))}"
    failed = failed_as(AllTargetsFailed, overflows or errors, message, errors)  # one overflow, and an agent can compact
    if untried := ruled_out(shortlist, but=tried):
        failed.add_note(f"not tried:\n{untried}")
    raise failed


def _signed(attempt: Attempt) -> Exception:
    assert attempt.error is not None, "an attempt without a reply has an error"
    own = attempt.error.own
    own.add_note(f"target {attempt.target.name!r} failed: {attempt.error.kind.value}")
    return own


def _failure_text(failure: tuple[str, TargetError | None]) -> str:
    name, error = failure
    assert error is not None, "as above"
    return f"{name} ({error.kind.value})" if str(error) == error.kind.value else f"{name} ({error.kind.value}: {error})"


def ruled_out(shortlist: Shortlist, but: Container[str] = ()) -> str:
    """A line per target that a note ruled out, except those in `but`."""
    lines = [f"  {name}: {note.because} ({note.policy})" for note in shortlist.notes for name in note.out if name not in but]
    return "\n".join(lines)


def note_after(broken: Broken, note: str, on_broken: OnBroken) -> str:
    """The note of a call after a reply broke off, with the prompt that asks for the rest of a text that was shown."""
    if not broken.text or not isinstance(on_broken, Continue):
        return note
    return f"{note}\n\n{on_broken.prompt}" if note else on_broken.prompt


def longer(view: View, before: Broken | None, broken: Broken, on_broken: OnBroken) -> View:
    """The view with the tokens of the text to continue and of its prompt, in place of those added `before`."""
    if not broken.text or not isinstance(on_broken, Continue):
        return view
    added = estimate(broken.text) + estimate(on_broken.prompt) + 2 * MESSAGE
    if before is not None and before.text:
        added -= estimate(before.text) + estimate(on_broken.prompt) + 2 * MESSAGE
    return replace(view, tokens=view.tokens + added)


def observed(flow: Steps[Outcome], view: View, timer: Callable[[], float], observers: Observers) -> Steps[Outcome]:
    """The flow, for observers that want to know how it ends: they are called however it does."""
    begun, outcome, failure = timer(), None, None
    try:
        outcome = yield from flow
        return outcome
    except (GeneratorExit, NotMade):
        raise
    except BaseException as error:  # reported, and raised again
        failure = error
        raise
    finally:
        tell(observers.finished, Finished(view, timer() - begun, outcome, failure))


def say_fallback(call: Call, last: Attempt) -> None:
    """Log a further attempt; a warning if the last one failed."""
    import logging  # imported only where there is something to report

    log, target = logging.getLogger("switchwise.engine"), call.target.name
    if last.error is not None:
        log.warning("%s failed (%s): %s is called next", last.target.name, last.error.kind.value, target)
    else:
        log.info("the reply of %s was rejected: %s is called next", last.target.name, target)
    if call.delay >= 1.0:
        log.info("waiting %.1f s for %s: all that is left has failed, and it asked for a pause", call.delay, target)
