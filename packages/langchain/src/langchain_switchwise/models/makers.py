"""Whose messages count as ours: LangChain's summarising middleware believes the tokens that a message reports only where the message's maker is the
model's own provider (FIELD D1).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from langchain_switchwise.models.native import Native

PROVIDER = "switchwise"
"""What we are called in traces."""
_SUMMARIES = "langchain.agents.middleware.summarization"


def claim_messages(natives: Iterable[Native]) -> None:
    """Let LangChain know that these models' messages are those of the model in front of them.

    It has a table of providers whose messages call their maker something else. Where that is gone, or nobody has loaded it, nothing is done:
    summaries then go by LangChain's estimate alone.

    Parameters:
        natives: the models behind it.
    """
    aliases = getattr(sys.modules.get(_SUMMARIES), "_LS_PROVIDER_ALIASES", None)
    if not isinstance(aliases, dict):
        return
    known = aliases.get(PROVIDER, frozenset())
    makers = frozenset().union(*(native.makers for native in natives))
    if not makers <= known:
        aliases[PROVIDER] = known | makers
