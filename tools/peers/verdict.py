"""Two runs of one suite, bare and through switchwise, compared test by test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from explained import Explained
from suites import Suite

FAILS = frozenset(["failed", "error"])


class Test(TypedDict):
    """Outcome of a test."""

    outcome: str
    why: str
    routed: int


Outcomes = Mapping[str, Test]


@dataclass
class Verdict:
    """Result of the comparison.

    Parameters:
        suite: the suite.
        bare, through: tests that passed in each run.
        total: tests in the bare run.
        routed: tests in which switchwise made a call.
        calls: calls that it made.
        explained: tests that differ for a known reason.
        problems: unexplained differences; one line each.
        notes: remarks that are not problems.
    """

    suite: Suite
    bare: int = 0
    through: int = 0
    total: int = 0
    routed: int = 0
    calls: int = 0
    explained: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def compare(suite: Suite, bare: Outcomes, through: Outcomes, known: Sequence[Explained]) -> Verdict:
    """Compare the two runs.

    A test that fails bare does not count, whatever it does through switchwise. Any other must end the same way, or be
    in the list with the words of its failure: another failure of the same test is a new one.
    """
    calls = [test["routed"] for test in through.values() if test["routed"]]
    found = Verdict(suite, _passed(bare), _passed(through), len(bare), len(calls), sum(calls))
    used: set[Explained] = set()
    for name in sorted(bare.keys() | through.keys()):
        if name not in bare or name not in through:
            found.problems.append(f"{name}: ran only {'bare' if name in bare else 'through switchwise'}")
            continue
        before, after = bare[name], through[name]
        if before["outcome"] in FAILS:
            if after["outcome"] == "passed":
                found.notes.append(f"{name}: fails bare, passes through switchwise")
            continue
        if before["outcome"] == after["outcome"]:
            continue
        reason = next((each for each in known if name.startswith(each.test) and each.says in after["why"]), None)
        if reason is None:
            found.problems.append(
                f"{name}: {before['outcome']} bare, {after['outcome']} through switchwise: {after['why'][:240]}"
            )
            continue
        used.add(reason)
        found.explained += 1
    found.notes += [
        f"{each.test}: no longer differs; take it off the list ({each.because})" for each in known if each not in used
    ]
    if found.through < suite.least:
        found.problems.append(f"{found.through} tests pass through switchwise; at least {suite.least} must")
    if found.routed < suite.routed:
        found.problems.append(f"switchwise made calls in {found.routed} tests; at least {suite.routed} are known to need it")
    return found


def _passed(run: Outcomes) -> int:
    return sum(test["outcome"] == "passed" for test in run.values())


def table(verdicts: Sequence[Verdict]) -> str:
    """One line for each suite, then the notes and the problems."""
    heads = ("suite", "tests", "bare", "through switchwise", "explained", "routed")
    rows = [
        (
            f"{each.suite.package}  {each.suite.name}",
            str(each.total),
            str(each.bare),
            str(each.through),
            str(each.explained),
            f"{each.calls} calls in {each.routed} tests",
        )
        for each in verdicts
    ]
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    aligned = [
        "  ".join(cell.ljust(w) if i in (0, 5) else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True)))
        for row in (heads, *rows)
    ]
    notes = [f"note: {note}" for each in verdicts for note in each.notes]
    wrong = [f"UNEXPLAINED: {each.suite.name}: {problem}" for each in verdicts for problem in each.problems]
    return "\n".join(line.rstrip() for line in [*aligned, *notes, *wrong])
