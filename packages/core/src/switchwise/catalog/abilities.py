"""What models can do, from a table bundled with the package (`abilities.json`; tools/make_abilities.py makes it anew).

Source: the model profiles that LangChain's integrations ship, derived from models.dev (both MIT). Absent is unknown, not false.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from switchwise.catalog.prices import PROVIDERS
from switchwise.nouns.target import Capabilities

_DATED = re.compile(r"[-@](\d{8}|\d{4}-\d{2}-\d{2}|latest)$")


def abilities(provider: str, model: str, also: str = "") -> Capabilities:
    """What the table says of a model: under its own name, without its date, or under the name `also`.

    >>> sorted(abilities("anthropic", "claude-opus-4-5-20251101").modalities)
    ['document', 'image']
    """
    models = _table().get(PROVIDERS.get(provider, provider), {})
    name = model.removeprefix("models/").lower()
    row = {**models.get(_DATED.sub("", name), {}), **models.get(name, {})} or models.get(also, {})
    modalities = row.get("modalities")
    return Capabilities(
        window=row.get("window"),
        max_output=row.get("max_output"),
        tools=row.get("tools"),
        structured_output=row.get("structured_output"),
        modalities=None if modalities is None else frozenset(modalities),
        reasoning=row.get("reasoning"),
        sampling=row.get("sampling"),
    )


@cache
def _table() -> dict[str, dict[str, dict[str, Any]]]:
    table: dict[str, dict[str, dict[str, Any]]] = json.loads(files(__package__).joinpath("abilities.json").read_text())[
        "models"
    ]
    return table
