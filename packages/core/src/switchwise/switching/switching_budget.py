"""A cap on what switching may cost in all: the guarantee for when estimates are wrong.

Beside the real bill runs the one that would have been, had nothing ever been switched: the same work at the home model, with its cache as it
would then be. The same work is not the same calls. A model that does only a part of a call's work makes calls that the home model would not
have made, and their tokens lengthen every later prompt, of whichever model, until the history is dropped. How much it does is not
known, only how likely each possibility is (`effort`). So one such bill is kept for each of `WORK`:

    never(w) = sum of  x (P' r + O o) + (P' - L')(w_h - r)        x = w for calls of that model, 1 for those at home
    P' = P - (1 - w) A,  L' = L - (1 - w) A_before                A = tokens of the prompt that calls of that model added

and what is at risk is the expected excess: sum of P(w) max(0, spent - never(w)). It may be the allowed share of the bill, and a quarter of what was
saved meanwhile in the same expectation. Beyond that nothing is invested: a call goes elsewhere only where it is cheaper at once, even if the
model does as little as it well may.

Two things are counted in disfavour of switching. Where it is not known whether the home model's cache would have survived a pause, it would
have. And the bill that would have been is no more than what was spent where nothing was switched.

Source: the routing budget of Plano (katanemo) caps switch spend; this one counts what switching saved, and what it made longer, too. That
exploration is paid from a share of the bill is the idea of conservative bandits (Wu et al., 2016).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from switchwise.prompt_cache.rates import Tariff
from switchwise.switching.calls_needed import WORK, Effort

_TRIALS = 0.25  # of what is allowed may be lost by trying what should not pay
_GAINS = 0.25  # of what was saved may be put at risk
_SURE: tuple[float, ...] = (1.0, *[0.0] * (len(WORK) - 1))  # of a model of which nothing is known: it needs no more calls


class Made(NamedTuple):
    """One call, and what the same call would have met at home.

    Parameters:
        spent: USD that it cost.
        model: who made it; empty: the home model.
        home: tariff of the home model.
        prompt, output: tokens.
        warm: leading tokens that the home model would have had in its cache.
        kept: leading tokens of the prompt before it that are still there.
        added: model -> tokens of the prompt before it that calls of that model had added.
        by, grown: who made the call before, and how many tokens that added.
    """

    spent: float
    model: str
    home: Tariff
    prompt: float
    output: float
    warm: float
    kept: float
    added: Mapping[str, float]
    by: str
    grown: float


class SpendCap:
    """Whether there is still something to invest.

    Parameters:
        share: by how much the bill may exceed that of never switching: 0.02 is 2 %.
        start: calls that the bill is taken to have at least, at their mean cost, so that the first switch is possible: 2 % of 600 are 12 calls.
    """

    __slots__ = ("_allowed", "_alone", "_calls", "_efforts", "_never", "_open", "_risk", "share", "spent", "start", "tried")

    def __init__(self, share: float = 0.02, start: int = 600) -> None:
        self.share = share
        self.start = start
        self.spent = 0.0
        self.tried = 0.0  # USD that trials were expected to lose
        self._calls = 0
        self._alone = 0.0  # USD of never switching before any other model was called
        self._never: dict[str, list[float]] = {}  # model -> USD of never switching, by `WORK` of its calls
        self._efforts: dict[str, Effort] = {}
        self._open: bool | None = True  # as it was found last; None: something was taken in since
        self._risk = 0.0
        self._allowed = 0.0  # USD

    def add(self, made: Made) -> None:
        """Take in one call."""
        self._open = None
        self._calls += 1
        self.spent += made.spent
        model = made.model
        if model and model not in self._never:
            self._never[model] = [self._alone if not self._never else self.never] * len(WORK)
        if not self._never:
            self._alone += _at_home(made, 0.0, 0.0, 1.0)
        for name, sums in self._never.items():
            for i, cost in enumerate(self._would_have_cost(made, name)):
                sums[i] += cost

    def works(self, model: str, effort: Effort) -> None:
        """What is known of the work that a call of `model` does."""
        self._open = None
        self._efforts[model] = effort

    @property
    def never(self) -> float:
        """USD that the work done so far would have cost without ever switching, as far as is known."""
        return min([_expected(self._chances(model), sums) for model, sums in self._never.items()], default=self._alone)

    @property
    def allows(self) -> bool:
        """Something may be invested."""
        self.settle()
        return bool(self._open)

    @property
    def risk(self) -> float:
        """What would have been lost if the models did as little as they well may, as a share of what is allowed; at most 1."""
        self.settle()
        return self._risk

    @property
    def tries(self) -> bool:
        """What should not pay may be tried."""
        self.settle()
        return self.tried <= _TRIALS * self._allowed

    @property
    def sound(self) -> bool:
        """Its numbers are what they should be; those of a loaded state may not be."""
        return all(
            isinstance(sums, list) and len(sums) == len(WORK) and all(isinstance(each, int | float) for each in sums)
            for sums in self._never.values()
        )

    def settle(self) -> None:
        """Work out what the others tell, so that the next decision need not."""
        if self._open is not None:
            return
        spent, never, lost = self.spent, self._alone, 0.0
        weighed: list[tuple[float, float]] = []  # by model: USD at risk, and saved
        for model, sums in list(self._never.items()):  # a copy: a decision may come here while another thread takes a call in
            at_risk = saved = 0.0
            for chance, without in zip(self._chances(model), sums, strict=True):
                if spent > without:
                    at_risk += chance * (spent - without)
                else:
                    saved += chance * (without - spent)
            without = spent - at_risk + saved
            never = min(never, without) if weighed else without
            weighed.append((at_risk, saved))
            if model in self._efforts:
                lost = max(lost, spent - _at(self._efforts[model].least, sums))
        self._allowed = allowed = self.share * never * max(1.0, self.start / max(1, self._calls))
        self._open = all(at_risk <= allowed + _GAINS * saved for at_risk, saved in weighed)
        self._risk = min(1.0, lost / allowed) if allowed > 0.0 else 1.0

    def _chances(self, model: str) -> tuple[float, ...] | list[float]:
        return self._efforts[model].chances if model in self._efforts else _SURE

    def _would_have_cost(self, made: Made, model: str) -> list[float]:
        """USD at home, by the work that a call of `model` does; those of others do what is expected of them."""
        before = 0.0  # tokens that would not have been there, whatever `model` does
        for name, tokens in made.added.items():
            if name != model:
                before += (1.0 - self._work(name)) * tokens
        others = made.grown if made.by and made.by != model else 0.0
        after = before + (1.0 - self._work(made.by)) * others
        own = made.added.get(model, 0.0)
        all_ = own + made.grown if made.by == model else own
        work = self._work(made.model) if made.model else 1.0
        if not all_ and made.model != model:
            return [_at_home(made, before, after, work)] * len(WORK)
        rates, costs = made.home.at(made.prompt - after), []
        same = made.home.at(made.prompt - after - all_) is rates
        prompt, output, warm, kept = made.prompt - after, made.output, made.warm - before, made.kept
        for does in WORK:
            left = 1.0 - does
            length = max(0.0, prompt - left * all_)
            read, write, _, answer = rates if same else made.home.at(length)
            behind = length - min(length, kept, max(0.0, warm - left * own))
            share = does if made.model == model else work
            costs.append(share * (length * read + output * answer) + behind * (write - read))
        return costs

    def _work(self, model: str) -> float:
        return self._efforts[model].work if model in self._efforts else 1.0


def _at_home(made: Made, before: float, after: float, work: float) -> float:
    """USD if so many tokens of the prompt before, and of this one, were not there, and the call did that much of a call's work."""
    if not made.model and not made.by and not after:
        return made.spent
    prompt = max(0.0, made.prompt - after)
    warm = min(prompt, made.kept, max(0.0, made.warm - before))
    read, write, _, output = made.home.at(prompt)
    return work * (prompt * read + made.output * output) + (prompt - warm) * (write - read)


def _expected(chances: tuple[float, ...] | list[float], values: list[float]) -> float:
    return sum([chance * value for chance, value in zip(chances, values, strict=True)])


def _at(work: float, values: list[float]) -> float:
    """The value at that work, between those at `WORK`."""
    for i in range(1, len(WORK)):
        if work >= WORK[i]:
            return values[i] + (values[i - 1] - values[i]) * (work - WORK[i]) / (WORK[i - 1] - WORK[i])
    return values[-1]
