"""What the advisor keeps of one thread: where it stands, who is compared in it, and advice worked out ahead.

Memory: about 1 kB for each thread, beside what the ledger keeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.prompt_prefix import PromptPrefix
from switchwise.nouns.scope import Key, Level
from switchwise.nouns.target import Target
from switchwise.prompt_cache.accounts import Account
from switchwise.prompt_cache.ledger import Ledger
from switchwise.prompt_cache.rules import CacheRule
from switchwise.state.codec import dump_slots, load_slots, mapping, rows, words
from switchwise.switching.advice import Advice
from switchwise.switching.planner import Course
from switchwise.switching.target_rules import Known

FRESH = 0.25
"""Of a lifetime: so long, a cache is not about to lapse."""
_MOMENT = 0.05  # of a lifetime: so long, that it is about to lapse changes nothing
_WHAT = "state of the advisor, threads"
_PASSING = ("kind", "mode", "by", "taken", "stake", "added")  # of a stretch that another process does not see the end of


class Field(NamedTuple):
    """Who is compared for an easy call.

    Parameters:
        targets: those that could take it.
        pool: all that may be called.
        version: of what is known of the targets.
        home: the target that hard calls go to.
        names, known: of the targets with a price, home first.
        asked: what the ledger is asked of them.
        hours: one of them has a price that depends on the hour.
        ttl: the shortest of their lifetimes, in seconds.
        blind: names of those of whose caching nothing is known.
    """

    targets: Sequence[Target]
    pool: Sequence[Target]
    version: int
    home: Target
    names: tuple[str, ...]
    known: tuple[Known, ...]
    asked: tuple[tuple[Account, CacheRule], ...]
    hours: bool
    ttl: float
    blind: tuple[str, ...]


class Ready(NamedTuple):
    """Advice worked out ahead: what to say of the next call, if nothing but growth comes between.

    Parameters:
        advice: what to say.
        targets: among whom.
        generation: of the chain.
        tokens: longest prompt that it holds for, in estimated tokens.
        until: seconds; later, caches may be about to lapse.
        calls: number of the thread's call from which on it is worked out again.
        warm: names of the targets that had something of the prompt in their cache. Who had not will have, once it was called.
        allowed: switching was within its cap.
    """

    advice: Advice
    targets: Sequence[Target]
    generation: int
    tokens: float
    until: float
    calls: int
    warm: frozenset[str]
    allowed: bool


class Talk:
    """One thread."""

    __slots__ = ("chain", "course", "field", "generation", "hard", "home", "key", "ready", "turned")

    def __init__(self, course: Course, chain: PromptPrefix, key: Key) -> None:
        self.course = course
        self.chain = chain
        self.key = key  # tenant, session and agent, by which another process finds it again
        self.generation = 0
        self.home = ""
        self.field: Field | None = None  # of the last easy call
        self.ready: Ready | None = None
        self.hard = False  # the last call was
        self.turned = [1, 1]  # hard calls that were followed by an easy one, by any


def dump_talk(talk: Talk, ledger: Ledger) -> dict[str, Any]:
    """Where a thread stands, as JSON types."""
    return {
        "key": list(talk.key),
        "home": talk.home,
        "course": dump_slots(talk.course, _PASSING),
        "rhythm": dump_slots(talk.course.rhythm),
        "prefixes": ledger.prefixes(talk.chain, talk.chain),
    }


def resume(talk: Talk, carried: Any, ledger: Ledger) -> None:
    """Go on with a thread where another process left it.

    Raises:
        ConfigurationError: the record is of something else.
    """
    key, home = words(mapping(carried, _WHAT), "key", _WHAT), carried.get("home", "")
    if len(key) != Level.AGENT + 1 or not isinstance(home, str):
        raise ConfigurationError(f"{_WHAT}: a thread is named by tenant, session and agent, and its home by a target")
    load_slots(talk.course, carried.get("course", {}), _WHAT)
    load_slots(talk.course.rhythm, carried.get("rhythm", {}), _WHAT)
    # Whoever made those calls: what follows is not a stretch of the home model alone.
    talk.course.taken = talk.course.rhythm.stretch > 0
    ledger.resume(talk.chain, talk.chain, rows(carried, "prefixes", _WHAT))
    talk.home = home


def constant_for(age: float, longest: float, ttl: float) -> float:
    """Seconds for which the chance that an entry of that age is there, and that it lasts until the next call, hardly changes."""
    young = FRESH * longest
    if age < young:
        return young - age
    end = 0.8 * ttl if age < 0.8 * ttl else ttl
    return min(end - age, _MOMENT * ttl)


def home_of(name: str, pool: Sequence[Target], targets: Sequence[Target]) -> Target:
    """The target of that name; else the strongest that has a price."""
    known = next((target for target in pool if target.name == name), None)
    if known is not None:
        return known
    return next((target for target in pool if target.price is not None), targets[0])
