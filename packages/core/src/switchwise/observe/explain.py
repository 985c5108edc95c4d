"""Explanations of decisions for people."""

from __future__ import annotations

from dataclasses import dataclass

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.shortlist import Note, Shortlist


@dataclass(frozen=True, slots=True, repr=False)
class Explanation:
    """Ruled out targets, order and reasons of a decision: `print` it, or show it in a notebook.

    Parameters:
        shortlist: the finished decision.
        options: estimates per target, shown as text.
    """

    shortlist: Shortlist
    options: tuple[object, ...] = ()

    def why_not(self, name: str) -> str:
        """Return why a target is not the called one.

        Parameters:
            name: name of a target of the pool.

        Raises:
            ConfigurationError: the pool has no target of that name.

        >>> from switchwise import Pool, Router, Target, View
        >>> from switchwise.policies import Rules
        >>> router = Router(Pool([Target("opus"), Target("luna")]), Rules().prefer("opus", because="a gold customer"))
        >>> router.explain(View()).why_not("luna")
        'luna comes after opus: Rules (step) puts opus first: a gold customer'
        """
        shortlist, pool = self.shortlist, [target.name for target in self.shortlist.pool]
        if name not in pool:
            raise ConfigurationError(f"{name!r} is not a target of this pool; it has: {', '.join(pool)}")
        for note in shortlist.notes:
            if name in note.out:
                return f"{name} is ruled out by {_by(note)}: {note.because}"
        first = shortlist.names[0]
        if name == first:
            return f"{name} is called: {_by(shortlist.decider)}: {shortlist.decider.because}"
        ahead = shortlist.ahead(first, name)
        if ahead is None:
            return f"{name} comes after {first}: no policy prefers either, and the pool lists {first} first"
        wished = [each for each in shortlist.notes if name in each.wants and first not in each.wants and name not in each.lead]
        text = f"{name} comes after {first}: {_by(ahead)} puts {first} first: {ahead.because}"
        if wished:
            text += "; overruled: " + ", ".join(f"{_by(each)} wants {name}: {each.because}" for each in wished)
        return text

    def __str__(self) -> str:
        names = self.shortlist.names
        head = f"-> {names[0]}" if names else "-> nothing is left to call"
        if names[1:]:
            head += f"   then {', '.join(names[1:])}"
        decider = self.shortlist.decider
        why = f"   decided by {decider.policy} ({decider.level.name.lower()}): {decider.because}" if names else ""
        lines = [_line(note) for note in self.shortlist.notes]
        return "\n".join([head, *([why] if why else []), *lines, *[f"   {option}" for option in self.options]])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.shortlist._repr_html_()


def _by(note: Note) -> str:
    return f"{note.policy} ({note.level.name.lower()})"


def _line(note: Note) -> str:
    overruled = bool(note.wants) and not set(note.wants) & set(note.lead)
    first = (
        f"{', '.join(note.wants)} wanted, but overruled: "
        if overruled
        else f"{', '.join(note.lead)} first: "
        if note.lead
        else ""
    )
    what = f"not {', '.join(note.out)}: " if note.out else first
    return f"   {note.policy:<12} {note.level.name.lower():<8} {what}{note.because}"
