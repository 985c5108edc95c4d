"""An observer for Python's own `logging`."""

from __future__ import annotations

import logging

from switchwise.nouns.call import Attempt
from switchwise.observe.journal.record import Record
from switchwise.observe.observer import Observer


class Logging(Observer):
    """Log one line per attempt; failed and rejected ones as warnings. `extra` has the record as `switchwise`.

    Parameters:
        logger: the logger; `switchwise` by default.
        level: level of accepted attempts.
    """

    def __init__(self, logger: logging.Logger | None = None, level: int = logging.INFO) -> None:
        self._logger = logger or logging.getLogger("switchwise")
        self._level = level

    def settled(self, attempt: Attempt) -> None:
        level = self._level if attempt.accepted else max(self._level, logging.WARNING)
        if self._logger.isEnabledFor(level):
            record = Record.of(attempt)
            self._logger.log(level, "%s", line(record), extra={"switchwise": record.as_dict()})


def line(record: Record) -> str:
    """Format a record as one line."""
    where = "/".join(part for part in (record.session[:12], record.agent, record.task, str(record.step)) if part)
    what = record.failure or record.result
    tokens = "? tokens" if record.input_tokens is None else f"{record.input_tokens}+{record.output_tokens} tokens"
    cost = "$?" if record.cost is None else f"${record.cost:.6f}"
    why = f"{record.level}, {record.policy}: {record.because}"
    return f"{where} -> {record.target} {what} | {why} | {tokens} {cost} {record.latency:.3f}s"
