"""What holds for all threads of one account and model: how it counts tokens, how often a promised hit comes true, what threads share.

Memory: 0.2 kB for each model, and for each prefix that threads share; at most 256 of these for each account and model.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.prompt_prefix import PromptPrefix
from switchwise.prompt_cache.prefixes import Prefix
from switchwise.state.codec import mapping, rows

_SHARED = 256  # fronts of one account and model
_HITS = 20.0  # promised hits that the prior of the hit rate counts like
_LATELY = 500.0  # promised hits over which an old one fades
_STATE = "state of the ledger"


class Account(NamedTuple):
    """What has a cache of its own.

    Parameters:
        name: the key and the address behind which it is kept.
        provider: who keeps it.
        model: of which model; what is learnt of how it counts tokens holds for other accounts too. Empty: not known.
    """

    name: str
    provider: str = ""
    model: str = ""


@dataclass(slots=True)
class Count:
    """How one model counts."""

    ratio: float = 1.0
    known: bool = False


@dataclass(slots=True)
class AccountState:
    """One account and model: what holds for all its threads."""

    count: Count
    promised: float = _HITS
    kept: float = _HITS
    fronts: OrderedDict[int, Prefix] = field(default_factory=OrderedDict)

    def hit(self, share: float) -> None:
        """Take in what was read of a prefix that should have been there."""
        if self.promised >= _LATELY:
            self.kept -= self.kept / self.promised
            self.promised -= 1
        self.promised += 1
        self.kept += min(1.0, share)


def front_of(state: AccountState, chain: PromptPrefix, now: float, pending: bool) -> Prefix | None:
    """What stands before the messages, where nobody wrote it before."""
    blocks = chain.front()
    digest = chain.digest(blocks)
    known = state.fronts.get(digest)
    if known is not None:
        known.at = now
        state.fronts.move_to_end(digest)
    if known is not None or not digest:
        return None
    front = Prefix(blocks, digest, chain.end(blocks) * state.count.ratio, now, pending, chain.generation)
    state.fronts[digest] = front
    if len(state.fronts) > _SHARED:
        state.fronts.popitem(last=False)
    return front


def model_of(account: Hashable) -> Hashable:
    """What counts tokens alike: the model of an account, where it is known."""
    return account.model if isinstance(account, Account) and account.model else account


def dump_accounts(accounts: Mapping[Hashable, AccountState], counts: Mapping[Hashable, Count]) -> dict[str, Any]:
    """What was learnt of them, as JSON types."""
    return {
        "ratios": {model: count.ratio for model, count in counts.items() if isinstance(model, str) and count.known},
        "hits": [[list(name), found.promised, found.kept] for name, found in accounts.items() if isinstance(name, Account)],
    }


def read_accounts(state: Mapping[str, Any]) -> tuple[dict[str, float], dict[Account, tuple[float, float]]]:
    """What `dump_accounts` gave: ratios by model; promised and kept hits by account.

    Raises:
        ConfigurationError: it is something else.
    """
    ratios = dict(mapping(state.get("ratios", {}), _STATE))
    for model, ratio in ratios.items():
        if not isinstance(ratio, int | float) or not 0.0 < ratio < float("inf"):
            raise ConfigurationError(f"{_STATE}: the ratio of {model!r} is {ratio!r}, and not a number above 0")
    hits: dict[Account, tuple[float, float]] = {}
    for row in rows(state, "hits", _STATE):
        match row:
            case [[str() as name, str() as provider, str() as model], int() | float() as promised, int() | float() as kept] if (
                0.0 <= kept <= promised and promised > 0.0
            ):
                hits[Account(name, provider, model)] = promised, kept
            case _:
                raise ConfigurationError(f"{_STATE}: {row!r:.80} is no rate of hits")
    return ratios, hits
