"""A decision as a suggestion: target, alternative, reason, cost and losses, for display or confirmation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from switchwise.engine.endings import best_rejected
from switchwise.engine.policy import name_of
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Target
from switchwise.nouns.usage import Usage
from switchwise.nouns.view import View
from switchwise.observe.explain import Explanation
from switchwise.observe.verdicts import Counted
from switchwise.quality.choosing import ANSWER
from switchwise.quality.estimate import Estimate, Estimator, estimate
from switchwise.quality.priors import Priors
from switchwise.switching.advisor import Advisor


@dataclass(frozen=True, slots=True)
class Alternative:
    """One target of the pool with its estimates.

    Parameters:
        target: name of the target.
        chance: probability that it solves the call, from 0 to 1; None: unknown.
        source: origin of `chance`.
        dollars: cost of this call in USD, with an answer of 500 tokens and the expected cache reads; None: no price.
        task: cost of a whole task of this kind in USD; None: unknown.
        cold: uncached tokens of the prompt.
        out: why it is ruled out; empty: it may be called.
    """

    target: str
    chance: float | None
    source: str
    dollars: float | None
    task: float | None
    cold: int
    out: str = ""

    def __str__(self) -> str:
        if self.out:
            return f"{self.target}: {self.out}"
        lines = [f"{self.chance:.0%} likely to solve it" if self.chance is not None else "unknown chance of success"]
        if self.dollars is not None:
            lines.append(f"${self.dollars:.3g} for this call")
        if self.task is not None:
            lines.append(f"${self.task:.3g} for a task")
        return f"{self.target}: {', '.join(lines)} ({self.source})"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a router would do: print it, or ask the user to confirm it.

    Parameters:
        target: suggested target.
        then: fallback order after it.
        instead_of: target of the comparison.
        policy, level, because: the preference that decided.
        options: all targets of the pool.
        saves: USD saved on this call against `instead_of`; negative: it costs more; None: a price is unknown.
        loses: loss of success probability; negative: a gain; None: unknown.
        cold: tokens of the prompt that `instead_of` has cached and `target` has not.
    """

    target: str
    then: tuple[str, ...]
    instead_of: str
    policy: str
    level: str
    because: str
    options: tuple[Alternative, ...]
    saves: float | None
    loses: float | None
    cold: int

    @property
    def changes(self) -> bool:
        """Whether the suggested target differs from `instead_of`."""
        return self.target != self.instead_of

    def as_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {**asdict(self), "then": list(self.then), "options": [asdict(each) for each in self.options]}

    def __str__(self) -> str:
        head = f"{self.target} instead of {self.instead_of}" if self.changes else f"stay with {self.target}"
        lines = [f"{head}: {self.because} ({self.policy}, {self.level})"]
        if self.changes:
            parts = []
            if self.saves is not None:
                parts.append(
                    f"{'saves' if self.saves >= 0 else 'costs'} ${abs(self.saves):.3g}{'' if self.saves >= 0 else ' more'}"
                )
            if self.loses is not None and round(self.loses, 2):
                parts.append(f"{'gives up' if self.loses > 0 else 'wins'} {abs(self.loses) * 100:.0f} points of success")
            if self.cold:
                parts.append(f"{self.cold:,} tokens are read once more")
            lines += [f"   {', '.join(parts)}"] if parts else []
        return "\n".join([*lines, *[f"   {option}" for option in self.options]])


def suggestion(view: View, decided: Shortlist, policies: Iterable[object], than: str | None = None) -> Suggestion:
    """Return the finished decision as a suggestion.

    Parameters:
        view: the request.
        decided: the router's decision.
        policies: the router's policies, with their estimators and ledgers. than: target or role to compare with; None: the
            first of the pool.

    Raises:
        NoTarget, BudgetExceeded: no target may be called.
        ConfigurationError: `than` is neither a target nor a role of the pool.
    """
    if not decided.targets:
        best_rejected(decided, ())
    words = decided.pool.select(than) if than is not None else ()
    options = {option.target: option for option in options_of(view, decided, policies)}
    present = next((each for name, each in options.items() if name in words), next(iter(options.values())))
    chosen, note = options[decided.names[0]], decided.decider
    return Suggestion(
        chosen.target,
        decided.names[1:],
        present.target,
        note.policy,
        note.level.name.lower(),
        note.because,
        tuple(options.values()),
        None if chosen.dollars is None or present.dollars is None else present.dollars - chosen.dollars,
        None if chosen.chance is None or present.chance is None else present.chance - chosen.chance,
        max(0, chosen.cold - present.cold),
    )


def explained(view: View, decided: Shortlist, policies: Iterable[object], verify: object = None) -> Explanation:
    """Explain the finished decision, with the estimates of the router's estimators and the record of its verifier."""
    return Explanation(decided, (*options_of(view, decided, policies, shipped=False), *_records(verify)))


def _records(verify: object) -> Iterator[str]:
    """A line for each verifier that counts its verdicts, those inside of it included."""
    if isinstance(verify, Counted):
        yield f"checked by {name_of(verify)}: {verify.counts}"
    for part in getattr(verify, "verifiers", ()):
        yield from _records(part)


def options_of(view: View, decided: Shortlist, policies: Iterable[object], *, shipped: bool = True) -> list[Alternative]:
    """Estimates for each target of the pool, for one request.

    Parameters:
        view: the request.
        decided: the finished decision.
        policies: of the router; their estimators and ledgers are asked.
        shipped: use the shipped table if no estimator has evidence; False: no estimates then.
    """
    pool, parts = decided.pool.targets, [*_unwrapped(policies)]
    estimates = _estimates(view, pool, parts) or ([*estimate(Priors(), view, pool)] if shipped else [])
    advisor = next((found for part in parts if isinstance(found := getattr(part, "advisor", None), Advisor)), None)
    out = {name: f"{note.because} ({note.policy})" for note in decided.notes for name in note.out}
    found = []
    for target, known in zip(pool, estimates, strict=False):
        cached = min(advisor.expect(view, target).likely, view.tokens) if advisor is not None else 0
        usage = Usage(view.tokens, ANSWER, cache_read_tokens=cached)
        dollars = None if target.price is None else target.price.at(view.now).cost(usage)
        chance = known.p if known.n else None
        cold = view.tokens - cached
        found.append(Alternative(target.name, chance, known.source, dollars, known.dollars, cold, out.get(target.name, "")))
    return found


def _unwrapped(policies: Iterable[object]) -> Iterator[object]:
    """The policies, and those inside them (`hold`, `Canary`)."""
    for policy in policies:
        yield policy
        if (inner := getattr(policy, "policy", None)) is not None:
            yield from _unwrapped([inner])


def _estimates(view: View, pool: tuple[Target, ...], parts: Iterable[object]) -> list[Estimate]:
    """Estimates of the first estimator of the chain with evidence; empty if none has any."""
    for part in parts:
        quality: Estimator | None = getattr(part, "quality", None)
        found = [*estimate(quality, view, pool)] if quality is not None else []
        if any(each.n for each in found):
            return found
    return []
