"""Waiting calls, in the queue of a policy that refused them (`Queues`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from switchwise.engine.policy import Queues, Reserves, Steps, name_of
from switchwise.nouns.call import Call
from switchwise.nouns.view import View

T = TypeVar("T")


def waited(refuser: Reserves, call: Call, queues: list[Queues]) -> Steps[bool]:
    """Let `call` wait if the policy that refused it has a queue; False if it does not wait.

    Parameters:
        queues: queues with a place of the request; this one is added.
    """
    pause = refuser.wait_for(call) if isinstance(refuser, Queues) else None
    if pause is None:
        return False
    assert isinstance(refuser, Queues), "only such a policy names a pause"
    if all(queue is not refuser for queue in queues):
        queues.append(refuser)
        import logging  # imported only where there is something to report

        logging.getLogger("switchwise.engine").info("waiting for %s: %s has no room now", call.target.name, name_of(refuser))
    return (yield from placed(_waits(replace(call, delay=pause, queued=True)), queues, call.view))


def _waits(call: Call) -> Steps[bool]:
    yield call
    return True


def placed(steps: Steps[T], queues: list[Queues], view: View) -> Steps[T]:
    """Yield the same steps; if they fail or are closed, the request leaves its queues."""
    try:
        return (yield from steps)
    except BaseException:  # raised again; the request no longer waits
        leave_all(queues, view)
        raise


def leave_all(queues: list[Queues], view: View) -> None:
    """Remove this request from every queue."""
    while queues:
        queues.pop().leave(view)
