"""The remaining targets in rank order, and a note for every opinion that counted.

Rules:
1. `require` drops targets; `prefer` and `order` rank the rest. An earlier preference outranks a later one, which only
   breaks its ties: so what follows the winner is already the fallback order.
2. A shortlist is immutable: each verb returns a new one. A policy need not sign its notes: the engine hands it the list in its name.
3. The finished shortlist is the decision: its notes say which targets were ruled out, which lead, by which policy, at which level.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import compress
from math import inf
from operator import add
from typing import Any, NamedTuple

from switchwise.nouns.errors import NoTarget
from switchwise.nouns.exchange.gather import Together
from switchwise.nouns.fast_dataclass import dataclass
from switchwise.nouns.scope import Level
from switchwise.nouns.target import Pool, Target

Rank = tuple[float, ...]
Reason = str | Callable[[Target], str]
_STEP = Level.STEP  # a class attribute look-up takes ten times as long, and every policy's turn needs it


@dataclass(frozen=True, slots=True)
class Note:
    """One opinion that counted.

    Parameters:
        policy: name of the policy.
        level: how long it is remembered; STEP for one that is renewed at each call.
        because: the reason, as a sentence without a full stop.
        out: names of the targets that it rules out.
        lead: targets tied for first after it; empty if the order did not change.
        raises: the error if it leaves no target.
        wants: targets that it puts first, regardless of earlier opinions; empty if it ranks none. If they are not
            those that lead, it is overruled.
    """

    policy: str
    level: Level
    because: str
    out: tuple[str, ...] = ()
    lead: tuple[str, ...] = ()
    raises: type[NoTarget] = NoTarget
    wants: tuple[str, ...] = ()


class _Opinion(NamedTuple):  # a decision makes several, and most are never read as notes
    """Internal form of a note, converted when it is read.

    Parameters:
        author, level, because, out, raises: as in the note; the reason may be a function.
        targets, ranks: after the opinion; both empty for a remark.
    """

    author: str
    level: Level
    because: str | Callable[..., str]
    targets: tuple[Target, ...] = ()
    ranks: tuple[Rank, ...] = ()
    out: tuple[str, ...] = ()
    raises: type[NoTarget] = NoTarget


_made = partial(tuple.__new__, _Opinion)  # half the time of its constructor


class Shortlist:
    """The candidates of one decision in rank order.

    Parameters:
        pool: all targets, strongest first; the shortlist starts with all of them.
        last_resort: second pass of the chain, because only avoided targets are left.
        more: a target outside the pool, or one that only answers questions, to check against the requirements; None if there is none.

    >>> from switchwise import Pool, Shortlist, Target
    >>> start = Shortlist(Pool([Target("opus"), Target("sonnet"), Target("haiku")]))
    >>> best = start.require(lambda t: t.name != "opus", "opus is down").prefer(lambda t: t.name == "haiku", "easy")
    >>> best.names
    ('haiku', 'sonnet')
    >>> best.decider.because
    'easy'
    """

    __slots__ = (
        "_opinions",
        "_ranks",
        "_reason",
        "at_once",
        "author",
        "avoided",
        "hands_over",
        "last_resort",
        "level",
        "memo",
        "pool",
        "targets",
    )
    _reason: tuple[str, Level, str] | None  # computed on first use

    def __init__(self, pool: Pool, last_resort: bool = False, more: Target | None = None) -> None:
        self.pool = pool
        self.last_resort = last_resort
        self.avoided = False  # an excluded target may return as the last resort
        self.targets = pool.targets if more is None else (*pool.targets, more)
        self.memo: tuple[tuple[object, Any], ...] = ()
        self.at_once: Together | None = None  # the plan, if several targets answer this request
        self.hands_over: tuple[str, Collection[str]] | None = None  # a note, and the targets that get it
        self.author, self.level = "", _STEP  # who signs the notes to come; the engine sets it before it asks a policy
        self._ranks: tuple[Rank, ...] = ((),) * len(self.targets)
        self._opinions: tuple[_Opinion, ...] = ()
        self._reason = None

    def require(
        self, test: Callable[[Target], bool], because: str | Callable[[], str], raises: type[NoTarget] = NoTarget
    ) -> Shortlist:
        """Keep the targets that pass. If all pass, nothing is noted.

        Parameters:
            test: whether a target may be called.
            because: why the others may not be called; or a function that returns it, called when the notes are read.
            raises: the error that the caller gets if no target is left.
        """
        passed = [test(target) for target in self.targets]
        if all(passed):
            return self
        out = tuple([target.name for target, kept in zip(self.targets, passed, strict=True) if not kept])
        targets, ranks = tuple(compress(self.targets, passed)), tuple(compress(self._ranks, passed))
        return self._with(targets, ranks, because, out, raises)

    def avoid(self, wait: Callable[[Target], float], because: str) -> Shortlist:
        """Rule targets out unless nothing else is left at the end of the chain; then the least avoided leads.

        Parameters:
            wait: 0 for a target that may be called; otherwise how strongly to avoid it, such as the seconds until it recovers.
            because: the reason.
        """
        if self.last_resort:
            return self.order(wait, because)
        new = self.require(lambda target: wait(target) <= 0.0, because)
        if new is not self:
            new.avoided = True
        return new

    def prefer(self, test: Callable[[Target], bool] | Collection[str], because: str) -> Shortlist:
        """Move the targets that pass (or are named) ahead of the others, within their ranks.

        If all pass or none does, nothing is noted.
        """
        if callable(test):
            values = [0.0 if test(target) else 1.0 for target in self.targets]
        else:
            values = [0.0 if target.name in test else 1.0 for target in self.targets]
        if 0.0 not in values or 1.0 not in values:
            return self
        return self._with(self.targets, self._ranks, because, values=values)

    def order(
        self,
        key: Callable[[Target], float] | Mapping[str, float],
        because: Reason,
        remember: tuple[object, Any] | None = None,
    ) -> Shortlist:
        """Rank the targets by `key`, lowest first, within their ranks.

        Parameters:
            key: the sort key of a target; or name -> key, where targets without one come last.
            because: the reason; or a function of the new leader, called when the notes are read.
            remember: an owner and a value to attach as well, as by `remember`.
        """
        if callable(key):
            values = [key(target) for target in self.targets]
        else:
            values = [key.get(target.name, inf) for target in self.targets]
        new = self._with(self.targets, self._ranks, because, values=values)
        if remember is not None:
            new.memo = (*self.memo, remember)
        return new

    def balance(self, among: Collection[str], key: Callable[[Target], float], because: Reason) -> Shortlist:
        """Reorder the named targets among their own places within each rank, lowest `key` first; all others keep their places.

        Parameters:
            among: names; targets that earlier preferences separate are not exchanged.
            key: the sort key.
            because: as in `order`.
        """
        values = [float(i) for i in range(len(self.targets))]
        places: dict[Rank, list[int]] = {}
        for i, (target, rank) in enumerate(zip(self.targets, self._ranks, strict=True)):
            if target.name in among:
                places.setdefault(rank, []).append(i)
        for taken in places.values():
            best_first = sorted(taken, key=lambda i: key(self.targets[i]))
            for place, i in zip(taken, best_first, strict=True):
                values[i] = float(place)
        return self._with(self.targets, self._ranks, because, values=values) if places else self

    def remember(self, owner: object, value: Any) -> Shortlist:
        """Attach a value that `owner` receives in `learn` once the decision has been carried out."""
        new = self._with(self.targets, self._ranks)
        new.memo = (*self.memo, (owner, value))
        return new

    def hand_over(self, note: str, to: Collection[str]) -> Shortlist:
        """Append `note` to the caller's messages, as a last user turn, if one of the targets in `to` is called."""
        new = self._with(self.targets, self._ranks)
        new.hands_over = note, to
        return new

    def note_for(self, target: Target) -> str:
        """Return the note to append for a target; empty if there is none."""
        note, to = self.hands_over or ("", ())
        return note if target.name in to else ""

    def remark(self, because: str) -> Shortlist:
        """Note something without effect on the order, such as why there is no opinion."""
        new = self._with(self.targets, self._ranks)
        new._opinions = (*self._opinions, _Opinion(self.author, self.level, because))
        return new

    def together(self, plan: Together) -> Shortlist:
        """Let several targets answer, the first ones of the finished list. The plan of the first policy counts."""
        if self.at_once is not None:
            return self
        new = self._with(self.targets, self._ranks)
        new.at_once = plan
        return new

    def signed_by(self, author: str, level: Level = Level.STEP) -> Shortlist:
        """Return the same list; notes added to it get this author and level."""
        new = self._with(self.targets, self._ranks)
        new.author, new.level = author, level
        return new

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the targets, best first."""
        return tuple([target.name for target in self.targets])

    @property
    def tied(self) -> int:
        """How many targets are tied for first."""
        return self._ranks.count(self._ranks[0]) if self._ranks else 0

    @property
    def leaders(self) -> tuple[str, ...]:
        """Names of the targets tied for first."""
        return _leaders(self.targets, self._ranks)

    @property
    def notes(self) -> tuple[Note, ...]:
        """The opinions that counted, in order."""
        return tuple([_note(opinion) for opinion in self._opinions])

    def favourites(self, since: Shortlist) -> frozenset[str]:
        """Names of the targets that the preferences added after `since` put first, regardless of earlier ones.

        Empty if none was added.
        """
        known = len(since._ranks[0]) if since._ranks else 0
        added = [rank[known:] for rank in self._ranks]
        if not added or not added[0]:
            return frozenset()
        best = min(added)
        return frozenset([target.name for target, rank in zip(self.targets, added, strict=True) if rank == best])

    def ahead(self, leader: str, other: str) -> Note | None:
        """Return the opinion that put one target ahead of another; None if the order of the pool did.

        Parameters:
            leader, other: names of two remaining targets.

        >>> from switchwise import Pool, Shortlist, Target
        >>> start = Shortlist(Pool([Target("opus"), Target("haiku")])).signed_by("ByStep").prefer(["haiku"], "easy")
        >>> start.ahead("haiku", "opus").policy
        'ByStep'
        """
        for opinion in self._opinions:
            ranks = dict(zip([target.name for target in opinion.targets], opinion.ranks, strict=True))
            if not opinion.out and leader in ranks and other in ranks and ranks[leader][-1] < ranks[other][-1]:
                return _note(opinion)
        return None

    @property
    def decider(self) -> Note:
        """The note that settled the leaders: the first after which they stayed the same.

        Several targets lead if no preference separates them; the order of the pool then decides.
        """
        found = self._settled_by()
        return Note(*self.reason, lead=self.leaders) if found is None else _note(found)

    @property
    def reason(self) -> tuple[str, Level, str]:
        """Policy, level and reason of the decider, without the rest of its note."""
        if self._reason is None:
            found = self._settled_by()
            if found is None:
                self._reason = "pool", _STEP, "the order of the pool" if self.targets else "nothing is left"
            else:
                because = found.because
                self._reason = found.author, found.level, because if isinstance(because, str) else _because(found)
        return self._reason

    def _settled_by(self) -> _Opinion | None:
        winner, share = (self.targets[0], self._ranks.count(self._ranks[0])) if self.targets else (None, 0)
        found = None
        for opinion in reversed(self._opinions if self.targets else ()):
            targets, ranks = opinion.targets, opinion.ranks
            if not targets and not opinion.out:  # a remark
                continue
            if not targets or targets[0] is not winner or ranks.count(ranks[0]) != share:
                break
            found = opinion
        return found

    def _with(
        self,
        targets: tuple[Target, ...],
        ranks: tuple[Rank, ...],
        because: str | Callable[..., str] | None = None,
        out: tuple[str, ...] = (),
        raises: type[NoTarget] = NoTarget,
        values: Sequence[float] = (),
    ) -> Shortlist:
        """Return this list with these targets, and with a note if there is a reason.

        Parameters:
            values: one more rank for each target, by which those of equal ranks are ordered, lowest first; empty: none.
        """
        if values:
            ranks = tuple(map(add, ranks, zip(values, strict=True)))
            if values != sorted(values) and (best := sorted(places := range(len(ranks)), key=ranks.__getitem__)) != [*places]:
                targets, ranks = tuple([targets[i] for i in best]), tuple([ranks[i] for i in best])
        new = object.__new__(Shortlist)
        new.pool, new.targets, new.memo, new.at_once = self.pool, targets, self.memo, self.at_once
        new.author, new.level, new._ranks, new._reason = self.author, self.level, ranks, None
        new.last_resort, new.avoided, new.hands_over = self.last_resort, self.avoided, self.hands_over
        new._opinions = self._opinions
        if because is not None:
            new._opinions += (_made((self.author, self.level, because, targets, ranks, out, raises)),)
        return new

    def __repr__(self) -> str:
        return f"Shortlist({', '.join(self.names)})"

    def _repr_html_(self) -> str:
        from switchwise.display.opinions import matrix

        names = [target.name for target in self.pool]
        return matrix(names, self.names, self.notes, self.decider if self.targets else None)


def _leaders(targets: tuple[Target, ...], ranks: tuple[Rank, ...]) -> tuple[str, ...]:
    return tuple([target.name for target in targets[: ranks.count(ranks[0])]]) if targets else ()  # best first


def _because(opinion: _Opinion) -> str:
    because = opinion.because
    if isinstance(because, str):
        return because
    return because() if opinion.out else because(opinion.targets[0])


def _note(opinion: _Opinion) -> Note:
    targets, ranks = opinion.targets, opinion.ranks
    wants: tuple[str, ...] = ()
    if targets and not opinion.out:
        best = min([rank[-1] for rank in ranks])
        wants = tuple([target.name for target, rank in zip(targets, ranks, strict=True) if rank[-1] == best])
    return Note(opinion.author, opinion.level, _because(opinion), opinion.out, _leaders(targets, ranks), opinion.raises, wants)
