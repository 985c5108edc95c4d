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

from typing import NamedTuple

from switchwise.prompt_cache.rates import CacheRates


class Standing(NamedTuple):
    """Cached part of a prompt at one model.

    Parameters:
        rates: rates of its calls.
        warm: leading tokens that it has cached.
        chance: probability that they are still cached.
        lapse: probability that they are lost by the next call, if this call goes to another model.
        calls: calls that it needs per call of the home model.
    """

    rates: CacheRates
    warm: float = 0.0
    chance: float = 1.0
    lapse: float = 0.0
    calls: float = 1.0


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


def compare(home: Standing, other: Standing, prompt: float, outlook: Outlook) -> Choice:
    """Compare the cost of this easy call of `prompt` tokens and of the following ones, begun at `home` (the target of hard
    calls) and begun at `other`.
    """
    growth, output, easy, hard, follows, again_easy, again_hard, life, rewrites = outlook
    calls = easy + hard
    read_s, write_s, _, out_s = home.rates.at(prompt)
    read_c, write_c, _, out_c = other.rates.at(prompt)
    surcharge_s, surcharge_c = write_s - read_s, write_c - read_c
    known_s, known_c = home.chance * min(home.warm, prompt), other.chance * min(other.warm, prompt)
    behind_s, behind_c = (prompt - known_s) * surcharge_s, (prompt - known_c) * surcharge_c
    call_s = prompt * read_s + behind_s + output * out_s
    call_c = prompt * read_c + behind_c + output * out_c
    lapse_s, lapse_c = home.lapse * known_s * surcharge_s, other.lapse * known_c * surcharge_c

    mean = prompt + growth * calls
    read_s, write_s, _, out_s = home.rates.at(mean)
    read_c, write_c, _, out_c = other.rates.at(mean)
    surcharge_s, surcharge_c = write_s - read_s, write_c - read_c
    later_s = mean * read_s + output * out_s
    later_c = other.calls * (mean * read_c + output * out_c)
    at_home = calls * (later_s + growth * surcharge_s)
    mixed = easy * later_c + hard * later_s + calls * growth * (again_hard * surcharge_s + again_easy * surcharge_c)
    first, bloat_mixed, bloat_home = call_c, 0.0, 0.0
    if other.calls > 1.0:
        extra = (other.calls - 1.0) * growth
        share = easy / calls if calls else 0.0
        first += (other.calls - 1.0) * (prompt * read_c + output * out_c + growth * write_c)
        carried = surcharge_s * (1.0 + rewrites) + life * read_s
        bloat_home = extra * carried
        carried += surcharge_c + life * share * (read_c - read_s)
        bloat_mixed = extra * carried
        mixed += easy * extra * carried

    home_mixed = call_s + again_easy * (behind_c + lapse_c) + mixed
    other_mixed = first + again_hard * (behind_s + lapse_s) + bloat_mixed + mixed
    other_home = first + follows * (behind_s + lapse_s) + bloat_home + at_home
    stay, go = min(call_s + at_home, home_mixed), min(other_mixed, other_home)
    return Choice(stay, go, call_s, call_c, behind_c, later_s - later_c, 1.0 + easy)
