"""Conversations of a coding agent, of any length, for the benchmarks."""

from __future__ import annotations

from dataclasses import dataclass, field

SIZES = (10, 100, 1_000, 10_000)
RESULT = "def area(width, height):\n    return width * height\n" * 4


@dataclass(frozen=True, slots=True)
class Turn:
    """A copy of switchwise's `Turn`, which the peers' environments lack."""

    role: str
    text: str = ""
    calls: tuple[str, ...] = ()
    tool: str = ""
    failed: bool | None = None
    media: frozenset[str] = field(default=frozenset())
    arguments: str = ""
    document_tokens: int = 0


def conversation(size: int) -> list[Turn]:
    """`size` messages: a user's request, then an agent that reads, edits and tests in turn."""
    tools = ("read_file", "edit_file", "run_tests")
    turns = [Turn("user", "The area of a triangle comes out wrong. Find out why and mend it.")]
    while len(turns) < size:
        tool = tools[len(turns) // 2 % 3]
        turns += [Turn("assistant", "", (tool,)), Turn("tool", RESULT, (), tool)]
    return turns[:size]
