"""How often the detector gives the phase and step of the labels: `python tools/phase_accuracy.py [tuned_on | held_out]`.

One table per part of the sample in `tests/data/phases` (its README says how the labels were made): overall, by class and by
kind of conversation. The standard error is over conversations, because calls of one conversation are alike.
"""

from __future__ import annotations

import json
import pathlib
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from switchwise.nouns.signals import Signals, Turn
from switchwise.reading.message_signals import read_message
from switchwise.reading.phases import detect

SAMPLE = pathlib.Path(__file__).parents[1] / "tests/data/phases"
PARTS = ("tuned_on", "held_out")


@dataclass(frozen=True)
class Call:
    """One labelled call: (conversation, kind of conversation), and phase and step as labelled and as detected."""

    conversation: str
    kind: str
    phase: str
    step: str
    detected: Signals

    @property
    def phases(self) -> tuple[str, str]:
        """Phase as labelled, as detected."""
        return self.phase, str(self.detected.phase)

    @property
    def steps(self) -> tuple[str, str]:
        """Step as labelled, as detected."""
        return self.step, str(self.detected.step)


def calls(part: str) -> list[Call]:
    """All labelled calls of a part of the sample, with what the detector says before each."""
    found = []
    for line in (SAMPLE / f"{part}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        turns = [
            Turn(
                turn["role"],
                turn.get("text", ""),
                tuple(turn.get("calls", ())),
                turn.get("arguments", ""),
                turn.get("tool", ""),
                turn.get("failed"),
                tuple(turn.get("media", ())),
            )
            for turn in row["turns"]
        ]
        read = [read_message(turn) for turn in turns]
        found += [Call(row["id"], row["kind"], phase, step, detect(read[:at])) for at, phase, step in row["labels"]]
    return found


def accuracy(found: Sequence[Call], pair: Callable[[Call], tuple[str, str]]) -> tuple[float, float]:
    """Share detected as labelled, and its standard error, clustered by conversation."""
    right = [(call.conversation, len({*pair(call)}) == 1) for call in found]
    share = sum(ok for _, ok in right) / len(right)
    by_conversation: Counter[str] = Counter()
    for conversation, ok in right:
        by_conversation[conversation] += ok - share  # type: ignore[assignment]
    return share, sum(off**2 for off in by_conversation.values()) ** 0.5 / len(right)


def table(found: Sequence[Call], pair: Callable[[Call], tuple[str, str]]) -> Iterable[str]:
    """Lines: overall, by kind of conversation, by class."""
    share, error = accuracy(found, pair)
    yield f"  overall               {share:6.1%} +- {error:.1%}   {len(found)} calls"
    for kind in dict.fromkeys(call.kind for call in found):
        some = [call for call in found if call.kind == kind]
        yield f"  {kind:20s}  {accuracy(some, pair)[0]:6.1%}           {len(some)} calls"
    pairs = Counter(map(pair, found))
    labelled, detected = Counter(p for p, _ in map(pair, found)), Counter(t for _, t in map(pair, found))
    for name in sorted({*labelled, *detected}):
        recall = f"{pairs[name, name] / labelled[name]:6.1%}" if labelled[name] else "     -"
        precision = f"{pairs[name, name] / detected[name]:6.1%}" if detected[name] else "     -"
        taken = ", ".join(f"{other} {n}" for (was, other), n in pairs.most_common() if was == name != other)
        yield f"  {name:20s}  recall {recall}  precision {precision}  {labelled[name]:4d} calls; taken for: {taken or '-'}"


def main(parts: Sequence[str]) -> None:
    """Print the tables."""
    for part in parts:
        found = calls(part)
        for name, pair in (("phase", lambda call: call.phases), ("step", lambda call: call.steps)):
            print(f"{part}, {name}")
            print("\n".join(table(found, pair)))


if __name__ == "__main__":
    main(sys.argv[1:] or PARTS)
