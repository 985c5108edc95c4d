"""A decision, told to a person."""

from __future__ import annotations

from dataclasses import dataclass

from switchwise.nouns.shortlist import Note, Shortlist


@dataclass(frozen=True, slots=True)
class Explanation:
    """Who was ruled out, who leads, and why: `print` it, or show it in a notebook.

    Parameters:
        shortlist: the finished decision.
    """

    shortlist: Shortlist

    def __str__(self) -> str:
        names = self.shortlist.names
        head = f"-> {names[0]}" if names else "-> nothing is left to call"
        if names[1:]:
            head += f"   then {', '.join(names[1:])}"
        decider = self.shortlist.decider
        why = f"   decided by {decider.policy} ({decider.level.name.lower()}): {decider.because}" if names else ""
        lines = [_line(note) for note in self.shortlist.notes]
        return "\n".join([head, *([why] if why else []), *lines])

    def _repr_html_(self) -> str:
        from html import escape  # it builds its tables when it is imported

        return f"<pre>{escape(str(self))}</pre>"


def _line(note: Note) -> str:
    what = f"not {', '.join(note.out)}: " if note.out else f"{', '.join(note.lead)} first: " if note.lead else ""
    return f"   {note.policy:<12} {note.level.name.lower():<8} {what}{note.because}"
