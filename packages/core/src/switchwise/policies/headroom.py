"""Avoid rate-limit errors, by the remaining limits in the headers of answers.

Use it wherever a target has an alternative: each answer of OpenAI and Anthropic states what is left of a window, so that even
the first 429 can be avoided. Its place in the chain does not matter: it never rules out the last target. With `spread`,
equivalent targets share the load in proportion to what each has left; put it last then. Not for your own limits: see
`RateLimits`.

Source: the headers `x-ratelimit-*` and `anthropic-ratelimit-*`, see `switchwise.dialects.rate_limits`; a limit is modelled as a
bucket that refills evenly until its reset.
"""

from __future__ import annotations

from collections.abc import Sequence

from switchwise.dialects.rate_limits import allowances
from switchwise.nouns.call import Attempt
from switchwise.nouns.exchange.allowance import Allowance
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.validation import number
from switchwise.nouns.view import View
from switchwise.state.load import Entry, TracksLoad, counted, left, limits
from switchwise.state.store import Store

_NEVER = 1e6  # seconds; for a call larger than the whole limit
_STEPS = 20  # least difference of shares that matters


class Headroom(TracksLoad):
    """Rule out targets whose remaining rate limit is too small for the call; if nothing else is left, the one that is ready
    first leads.

    Calls in flight are subtracted from the last reported value. How much a prompt counts is learnt from the usage: most
    providers do not count tokens read from their prompt cache.

    Parameters:
        keep: share of each limit kept in reserve, from 0 to 1, since estimates of tokens are not exact.
        spread: target or role whose targets share the load in proportion to what each has left; empty: it only rules out.
        store: where the load is kept; None: the router's store, else this process.

    Raises:
        ConfigurationError: `keep` is out of range; or, when the router is built, `spread` is neither a target nor a role.

    >>> from switchwise import Pool, Reply, Router, Target, View, drive
    >>> said = {"x-ratelimit-limit-tokens": "30000", "x-ratelimit-remaining-tokens": "4000", "x-ratelimit-reset-tokens": "52s"}
    >>> router = Router(Pool([Target("opus"), Target("haiku")]), Headroom(), clock=lambda: 0.0)
    >>> _ = list(drive(router.start(View(tokens=9_000)), lambda call: iter([Reply("yes", headers=said)])))
    >>> print(router.decide(View(tokens=9_000)).decider.because)
    opus has 4000 of 30000 tokens left, 6500 short of this call
    """

    name = "Headroom"
    requires = True
    gives_way = True

    def __init__(self, keep: float = 0.05, spread: str = "", store: Store | None = None) -> None:
        number("Headroom", "keep", keep, most=0.99)
        super().__init__(store=store)
        self.keep = keep
        self.spread = spread

    def check(self, pool: Pool) -> None:
        """Check that each name is a target or role of the pool."""
        if self.spread:
            pool.select(self.spread)

    def allowances(self, attempt: Attempt) -> Sequence[Allowance]:
        """The remaining limits in the headers of the answer."""
        headers = attempt.reply.headers if attempt.reply is not None else None
        return allowances(headers) if headers is not None else ()

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        entries = {target.name: self.load(target.name) for target in shortlist.targets}
        short = {name: found for name, entry in entries.items() if (found := self._short(entry, view)) is not None}
        if short:
            because = ", ".join(f"{name} {reason}" for name, (_, reason) in short.items())
            shortlist = shortlist.avoid(lambda target: short[target.name][0] if target.name in short else 0.0, because)
        if not self.spread:
            return shortlist
        among = shortlist.pool.select(self.spread)
        if sum(target.name in among for target in shortlist.targets) < 2:
            return shortlist

        def used(target: Target) -> float:
            return -round(self._share(entries[target.name], view.now) * _STEPS)

        def most(target: Target) -> str:
            return f"{target.name} has {self._share(entries[target.name], view.now):.0%} of its rate limit left"

        return shortlist.balance(among, used, most)

    def _short(self, entry: Entry, view: View) -> tuple[float, str] | None:
        """Seconds until the call fits, and the shortfall in words; None if it fits or the limit is unknown."""
        worst: tuple[float, str] | None = None
        for of in limits(entry):
            rest, limit, gain = left(entry, of, view.now)
            need = 1.0 if of in ("requests", "output_tokens") else view.tokens * counted(entry)
            lacks = need + self.keep * limit - rest
            if lacks <= 0:
                continue
            wait = _NEVER if need > limit else lacks / gain
            if worst is None or wait > worst[0]:
                what = of.replace("_", " ")
                worst = wait, f"has {max(0.0, rest):.0f} of {limit:.0f} {what} left, {lacks:.0f} short of this call"
        return worst

    def _share(self, entry: Entry, now: float) -> float:
        """Remaining share of the tightest limit, from 0 to 1."""
        known = [left(entry, of, now) for of in limits(entry)]
        return min((max(0.0, rest) / limit for rest, limit, _ in known), default=1.0)

    @staticmethod
    def _examples() -> list[Headroom]:
        return [Headroom(), Headroom(keep=0.2, spread="strong")]
