"""State kept per thread: its home target, its counts, and the prefixes that each account has cached.

It is JSON data as it stands, kept under the key of its session and agent: any store can hold it without a conversion, and another
process can continue it. About 0.5 kB, and 0.5 kB for each called account.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, TypedDict

from switchwise.nouns.errors import ConfigurationError
from switchwise.prompt_cache.ledger import PROCESS, Row

_WHAT = "state of a thread"


class ThreadState(TypedDict):
    """One thread of an agent. A stored one is replaced, never changed in place.

    Parameters:
        process: the process whose digests the prefixes have.
        calls: number of calls.
        at: start of the last call, in seconds.
        prompt: tokens of its prompt as counted by the provider.
        estimate: the same as estimated.
        run: number of consecutive easy calls.
        by: target of the last call; empty: the home target.
        home: name of the target of hard calls.
        shared: another target took part in this run.
        control: this run stays at the home target, to measure its calls.
        prefixes: account -> rows of the ledger, the newest last.
    """

    process: int
    calls: int
    at: float
    prompt: float
    estimate: int
    run: int
    by: str
    home: str
    shared: bool
    control: bool
    prefixes: dict[str, list[Row]]


NEW = ThreadState(
    process=PROCESS, calls=0, at=0.0, prompt=0.0, estimate=0, run=0, by="", home="", shared=False, control=False, prefixes={}
)
"""The state before the first call."""


def without_digests(thread: ThreadState) -> ThreadState:
    """Return the state of another process, whose digests are not valid here, as a state of this one."""
    prefixes = {name: [[row[0], 0, *row[2:]] for row in rows] for name, rows in thread["prefixes"].items()}
    return {**thread, "process": PROCESS, "prefixes": prefixes}


def checked(value: Any) -> ThreadState:
    """Return `value` if it is a thread's state.

    Raises:
        ConfigurationError: `value` has another form; the message names the field.
    """
    if not isinstance(value, dict) or value.keys() != NEW.keys():
        raise ConfigurationError(f"{_WHAT}: {value!r:.80} does not have the fields of this version; start without that state")
    for name, usual in NEW.items():
        kinds, each = (int, float) if isinstance(usual, float) else (type(usual),), value[name]
        if type(each) not in kinds or (isinstance(each, float) and not isfinite(each)):
            raise ConfigurationError(f"{_WHAT}: {name!r} is {each!r:.60}; it should be like {usual!r}")
    for account, rows in value["prefixes"].items():
        if not isinstance(rows, list) or not all(map(_is_row, rows)):
            raise ConfigurationError(f"{_WHAT}: the prefixes of {account!r} are {rows!r:.60}; give rows of six numbers")
    return value  # type: ignore[return-value]  # as just checked


def _is_row(row: Any) -> bool:
    match row:
        case [int() as blocks, int(), int() as end, int() | float() as tokens, int() | float() as at, int()]:
            return blocks > 0 and end >= 0 and isfinite(tokens) and isfinite(at)
    return False
