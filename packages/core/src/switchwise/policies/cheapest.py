"""Order the targets by what this call, and those that follow from it, will probably cost.

Use it last in a chain, after what must be strong has been given to the strong: where an earlier opinion has already settled
on one target, it only learns. Where the view carries the chain of its thread (those of all adapters do) and one of the targets
keeps a prompt cache, it compares plans: what is cached where, what a cold write costs, how many easy calls will repay it. Else the
cheapest by list price leads.

Source: `switchwise.switching` and docs/prompt-caching.md; else list prices, with a running mean of the answers seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.scope import Key
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Target
from switchwise.nouns.validation import number
from switchwise.nouns.view import View
from switchwise.state.codec import is_amount, mapping, rows
from switchwise.state.in_process import Memory
from switchwise.switching.advisor import Advisor

_Seen = tuple[float, int]  # mean of the answers, in tokens; how many there were
PRIOR_WEIGHT = 5  # answers that the stated prior is worth
MEMORY = 100  # answers over which an old one fades, so that the mean follows a change of habits
_WHAT = "state of Cheapest"


class Cheapest:
    """Rank by expected USD. Targets without a price come last; where none has one, there is no opinion.

    Parameters:
        output: expected length of an answer in tokens, before any was seen; later the running mean of the answers of
            the same agent in the same phase.
        when: on which requests it speaks; None: on all.
        size: how many pairs of agent and phase are remembered; the least recently used one is forgotten first.
        advisor: knows what is cached where, and plans; give one to set its rules, or to share it between routers.
        plans: False: leave caches out and go by list prices.

    Raises:
        ConfigurationError: one of them is something else.

    >>> from switchwise import Pool, Price, Router, Target, View
    >>> opus, haiku = Target("opus", price=Price(4, 20)), Target("haiku", price=Price(0.1, 0.5))
    >>> decision = Router(Pool([opus, haiku]), Cheapest()).decide(View(tokens=10_000))
    >>> decision.names, decision.decider.because
    (('haiku', 'opus'), 'cheapest: about $0.0013 for 10,000 tokens in and 500 out')
    """

    name = "Cheapest"

    def __init__(
        self,
        output: int = 500,
        when: Callable[[View], bool] | None = None,
        size: int = 10_000,
        *,
        advisor: Advisor | None = None,
        plans: bool = True,
    ) -> None:
        number("Cheapest", "output", output, above=True)
        if not (when is None or callable(when)):
            raise ConfigurationError(f"Cheapest(when={when!r}): give a function of the view that says whether to speak")
        if not (advisor is None or isinstance(advisor, Advisor)):
            raise ConfigurationError(f"Cheapest(advisor={advisor!r}): give a switchwise.switching.Advisor")
        self.output = output
        self.advisor = (advisor or Advisor()) if plans else None
        self.when = when
        self._answers: Memory[Key, _Seen] = Memory(size)

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        if len(shortlist.targets) < 2 or (self.when is not None and not self.when(view)):
            return shortlist
        if self.advisor is not None and self.advisor.knows(view, shortlist.targets):
            return self._planned(view, shortlist, self.advisor)
        output = self.expected_output(view)
        costs = {target.name: expected_cost(target, view, output) for target in shortlist.targets}
        if min(costs.values()) == inf:
            return shortlist

        def because(target: Target) -> str:
            unknown = ", ".join(name for name, cost in costs.items() if cost == inf)
            last = f"; without a price, and so last: {unknown}" if unknown else ""
            dollars = f"about ${costs[target.name]:.4f} for {view.tokens:,} tokens in and {output:,.0f} out"
            best = "cheapest" if costs[target.name] == min(costs.values()) else "cheapest of those that lead"
            return f"{best}: {dollars}{last}"

        return shortlist.order(lambda target: costs[target.name], because)

    def _planned(self, view: View, shortlist: Shortlist, advisor: Advisor) -> Shortlist:
        leaders = shortlist.leaders
        if len(leaders) < 2:
            return shortlist
        free = shortlist.targets[: len(leaders)]
        advice = advisor.advise(view, free, shortlist.pool.targets)
        values, best = advice.values, advice.best

        def value(target: Target) -> float:
            name = target.name
            return -inf if name == best else values.get(name, inf)

        return shortlist.order(value, advice.because).remember(self, advice)

    def expected_output(self, view: View) -> float:
        """Expected length of the answer, in tokens."""
        seen = self._answers.get(_key(view))
        return float(self.output) if seen is None else seen[0]

    def learn(self, attempt: Attempt) -> None:
        """Take in what was called, what was cached, and how long the answer was."""
        reply = attempt.reply
        call, advisor = attempt.call, self.advisor
        # Of targets that cache nothing, too, it must be known what they were given and how many calls they needed.
        counts = call.ask is None and attempt.target.price is not None
        if counts and advisor is not None and advisor.knows(call.view, call.shortlist.pool.targets):
            self._learn(attempt, advisor)
        if reply is None or reply.usage is None or attempt.call.ask is not None:
            return
        length = reply.usage.output_tokens

        def change(seen: _Seen | None) -> _Seen:
            mean, count = seen or (float(self.output), PRIOR_WEIGHT)
            count = min(count + 1, MEMORY)
            return mean + (length - mean) / count, count

        self._answers.update(_key(attempt.call.view), change)

    def _learn(self, attempt: Attempt, advisor: Advisor) -> None:
        shortlist = attempt.call.shortlist
        advice = next((value for owner, value in shortlist.memo if owner is self), None)
        if advice is None:
            advisor.learn(attempt, easy=False)
        else:
            advisor.learn(attempt, easy=True, mode=advice.mode, home=shortlist.pool[advice.home])

    def dump(self) -> Mapping[str, Any]:
        """The mean lengths of the answers, and what is known of caches: see `Advisor.dump`."""
        known = {"advisor": self.advisor.dump()} if self.advisor is not None else {}
        return {"answers": [[list(key), list(seen)] for key, seen in self._answers.items()], **known}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `dump` gave.

        Raises:
            ConfigurationError: it is something else.
        """
        answers: list[tuple[Key, _Seen]] = []
        if "answers" not in mapping(state, _WHAT):
            raise ConfigurationError(f"{_WHAT}: 'answers' is missing; start without that state")
        for row in rows(state, "answers", _WHAT):
            match row:
                case [[*key], [mean, int() as count]] if (
                    all(isinstance(part, str) for part in key) and is_amount(mean) and count > 0
                ):
                    answers.append((tuple(key), (mean, count)))
                case _:
                    raise ConfigurationError(f"{_WHAT}: {row!r:.80} is no mean length of answers")
        if self.advisor is not None and "advisor" in state:
            self.advisor.load(state["advisor"])
        self._answers.restore(answers)


def expected_cost(target: Target, view: View, output: float) -> float:
    """USD that a call to `target` will cost with nothing cached; infinite where its price is not known."""
    price = target.price
    if price is None:
        return inf
    price = price.at(view.now).tier(view.tokens)
    return (view.tokens * price.input + output * price.output) * 1e-6


def _key(view: View) -> Key:
    phase = view.signals.phase
    return (view.scope.tenant, view.scope.agent, phase.value if phase is not None else "")
