"""State kept per thread: its home target, its counts, and the prefixes that each account has cached.

It is stored as JSON types under the key of its session and agent, so that any store can hold it and another process can
continue it. About 0.5 kB, and 0.5 kB for each called account.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.prompt_cache.ledger import PROCESS, Row

_WHAT = "state of a thread"


@dataclass(slots=True)
class ThreadState:
    """One thread of an agent.

    Parameters:
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

    calls: int = 0
    at: float = 0.0
    prompt: float = 0.0
    estimate: int = 0
    run: int = 0
    by: str = ""
    home: str = ""
    shared: bool = False
    control: bool = False
    prefixes: dict[str, list[Row]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return a copy as JSON types."""
        return {"process": PROCESS, **{name: getattr(self, name) for name in self.__slots__}, "prefixes": dict(self.prefixes)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> ThreadState:
        """Restore a result of `as_json`, of this process or another one (whose digests are not valid here)."""
        fields = {**value}
        if fields.pop("process") != PROCESS:
            fields["prefixes"] = {name: [[row[0], 0, *row[2:]] for row in rows] for name, rows in value["prefixes"].items()}
        return cls(**fields)


def checked(value: Any) -> dict[str, Any]:
    """Return `value` if it is a result of `ThreadState.as_json`.

    Raises:
        ConfigurationError: `value` has another form; the message names the field.
    """
    usual = ThreadState().as_json()
    if not isinstance(value, dict) or value.keys() != usual.keys():
        raise ConfigurationError(f"{_WHAT}: {value!r:.80} does not have the fields of this version; start without that state")
    for name, each in value.items():
        kinds = (int, float) if isinstance(usual[name], float) else (type(usual[name]),)
        if type(each) not in kinds or (isinstance(each, float) and not isfinite(each)):
            raise ConfigurationError(f"{_WHAT}: {name!r} is {each!r:.60}; it should be like {usual[name]!r}")
    for account, rows in value["prefixes"].items():
        if not isinstance(rows, list) or not all(map(_is_row, rows)):
            raise ConfigurationError(
                f"{_WHAT}: the prefixes of {account!r} are {rows!r:.60}; they should be rows of six numbers"
            )
    return value


def _is_row(row: Any) -> bool:
    match row:
        case [int() as blocks, int(), int() as end, int() | float() as tokens, int() | float() as at, int()]:
            return blocks > 0 and end >= 0 and isfinite(tokens) and isfinite(at)
    return False
