"""Compares plans: the expected cost of staying and of switching, until the prompt caches are lost.

Models with a cached prefix are the states of a metrical task system: entering one costs a cold write, leaving one does not evict it.
Comparing the next call alone is wrong both ways: it forgets that a cold write is repaid by later easy calls, and that tokens the
home model skips now must be written to it before its next hard call. So four plans are compared in closed form, two first
moves (home or elsewhere) times two ways to go on (home for all, or elsewhere when easy), over the calls expected before the
caches are lost:

    what is behind   D = P - pi L          tokens of the prompt P that a model must still write; pi L of them it knows
    this call        c = pi L r + D w + O o
    go on at home    S = N (P' r_s + g (w_s - r_s) + O o_s)
    go on mixed      C = phi N_e (P' r_c + O o_c) + N_h (P' r_s + O o_s) + N g (q_s (w_s - r_s) + q_c (w_c - r_c)) + bloat

    home, home       c_s + S                                home, mixed        c_s + q_c D_c (w_c - r_c) + C
    elsewhere, home  c_c + beta D_s (w_s - r_s) + S         elsewhere, mixed   c_c + q_s D_s (w_s - r_s) + C

with rates r (read), w (write), o (output), answers of O tokens, growth g, mean context P' = P + g N, N = N_e + N_h easy and hard
calls to come, beta the probability that any comes, q_s and q_c that a hard or an easy one does, phi the calls that the other
model needs for one of the home model; its extra calls lengthen every later prompt (`bloat`). A model whose lifetime is about to
end also counts the write that one more call away from it will probably cost. Of several candidates the least counts.

Source: the closed form is our own, measured against the exact optimum in `switchwise.evaluation`; the setting is that of Borodin,
Linial and Saks, "An optimal on-line algorithm for metrical task systems" (1992).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from switchwise.prompt_cache.ledger import Expectation
from switchwise.prompt_cache.rates import CacheRates

Standing = tuple[CacheRates, Expectation]
"""Rates of one model, and the beginning of the prompt that it has cached."""


class Outlook(NamedTuple):
    """Expected calls after an easy one, before the caches are lost.

    Parameters:
        growth: tokens that a call adds to the prompt.
        output: tokens of an answer.
        easy, hard: number of easy and of hard calls.
        any, again_easy, again_hard: probability that a call, an easy call, a hard call follows.
        life: calls until the context is dropped: an extra call's tokens are carried that long.
        rewrites: how often the context is written again meanwhile, because a lifetime ended.
    """

    growth: float
    output: float
    easy: float
    hard: float
    any: float
    again_easy: float
    again_hard: float
    life: float
    rewrites: float


class Choice(NamedTuple):
    """Numbers of one comparison, in USD.

    Parameters:
        home, other: cost of the best plan that begins at home, and of the best that begins at the other model.
        home_call, other_call: cost of this call alone at each.
        cold: extra cost of writing this prompt at the other model, now or at its next call.
        saving: saving of a later easy call, once the other model has cached the prompt.
        easy: expected easy calls that can repay it, this one included.
    """

    home: float
    other: float
    home_call: float
    other_call: float
    cold: float
    saving: float
    easy: float


_choice = partial(tuple.__new__, Choice)  # half the time of its constructor


def compared(
    home: Standing,
    others: Mapping[str, Standing],
    prompt: float,
    outlook: Callable[[float], Outlook],
    lapse: Callable[[Standing], float] = lambda _: 0.0,
    needed: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, Choice]:
    """Compare the cost of an easy call of `prompt` tokens and of the following ones, begun at home and begun at each other model.

    Parameters:
        home: the target of hard calls.
        others: name -> other model.
        outlook: gives the calls to be expected before caches of a lifetime in seconds are lost.
        lapse: gives the probability that a model's cache is lost by the next call, if this call goes to another model.
        needed: name -> calls that a model needs per call of the home model (phi); of others, one.
    """
    home_rates, found = home
    longest, now_s = home_rates.longest, home_rates.at(prompt)
    read, surcharge = now_s.read, now_s.write - now_s.read
    known = found.chance * min(found.tokens, prompt)
    lost_s = (prompt - known) * surcharge
    prompt_s, behind_s = prompt * read + lost_s, lost_s + lapse(home) * known * surcharge
    lifetime = -1.0
    choices: dict[str, Choice] = {}
    for name, other in others.items():
        rates, found = other
        there = rates.longest
        ttl = there if not longest or 0.0 < there < longest else longest
        if ttl != lifetime:  # as a rule they are all alike
            lifetime = ttl
            growth, output, easy, hard, follows, again_easy, again_hard, life, rewrites = outlook(ttl)
            calls = easy + hard
            grown = growth * calls
            mean, call_s = prompt + grown, prompt_s + output * now_s.output
            then_s = now_s if prompt >= home_rates.flat else home_rates.at(mean)
            read_s = then_s.read
            surcharge_s, later_s = then_s.write - read_s, mean * read_s + output * then_s.output
            rest_s = calls * later_s + grown * surcharge_s
            hard_s = hard * later_s + grown * again_hard * surcharge_s
            home_home, back_home, back_mixed = call_s + rest_s, follows * behind_s + rest_s, again_hard * behind_s + hard_s
        now = rates.top if prompt >= rates.flat else rates.at(prompt)
        read, surcharge, warm = now.read, now.write - now.read, found.tokens
        known = found.chance * (warm if warm < prompt else prompt)
        behind = (prompt - known) * surcharge
        call = prompt * read + behind + output * now.output
        again = behind + lapse(other) * known * surcharge if known else behind
        phi = needed.get(name, 1.0)
        then = now if prompt >= rates.flat else rates.at(mean)
        read, surcharge = then.read, then.write - then.read
        later = phi * (mean * read + output * then.output)
        mixed = easy * later + grown * again_easy * surcharge
        home_mixed = call_s + again_easy * again + hard_s + mixed
        other_home, other_mixed = call + back_home, call + back_mixed + mixed
        if phi > 1.0:
            extra = (phi - 1.0) * growth
            share = easy / calls if calls else 0.0
            first = (phi - 1.0) * (prompt * read + output * then.output + growth * then.write)
            carried = surcharge_s * (1.0 + rewrites) + life * read_s
            other_home += first + extra * carried
            carried += surcharge + life * share * (read - read_s)
            other_mixed += first + extra * carried * (1.0 + easy)
            home_mixed += extra * carried * easy

        stay = home_home if home_home < home_mixed else home_mixed
        go = other_home if other_home < other_mixed else other_mixed
        choices[name] = _choice((stay, go, call_s, call, behind, later_s - later, 1.0 + easy))
    return choices
