"""Register the models' providers as makers of our messages: LangChain's summarising middleware uses a message's reported tokens
only if its maker is the model's own provider.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from langchain_switchwise.models.native import Native

PROVIDER = "switchwise"
"""Our name in traces."""
_SUMMARIES = "langchain.agents.middleware.summarization"


def claim_messages(natives: Iterable[Native]) -> None:
    """Register with LangChain that messages of these models belong to the `ChatSwitchwise`.

    It uses LangChain's table of providers whose messages name another maker. If the table is missing or not loaded, nothing
    happens: summaries then use LangChain's estimate alone.

    Parameters:
        natives: the models of the `ChatSwitchwise`.
    """
    aliases = getattr(sys.modules.get(_SUMMARIES), "_LS_PROVIDER_ALIASES", None)
    if not isinstance(aliases, dict):
        return
    known = aliases.get(PROVIDER, frozenset())
    makers = frozenset().union(*(native.makers for native in natives))
    if not makers <= known:
        aliases[PROVIDER] = known | makers
