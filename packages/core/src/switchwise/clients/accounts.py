"""Find the address and key of an SDK client before the client is built."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from switchwise.adapting.accounts import whereabouts


@dataclass(frozen=True, slots=True)
class Environment:
    """Environment variables that an SDK reads by default.

    Parameters:
        address: default base URL; the environment variable `address_in` overrides it.
        keys_in: environment variables of the key; the first one set counts.
    """

    address: str
    address_in: str
    keys_in: Sequence[str]


def whereabouts_of(sdk: Any, options: Mapping[str, Any], environment: Environment) -> tuple[str, Any]:
    """Address and key of the SDK's client, or of the client that `options` and the environment will give."""
    if sdk is not None:
        return whereabouts({}, sdk)
    address, key = whereabouts(options)
    address = address or os.environ.get(environment.address_in) or environment.address
    return address, key or next((value for name in environment.keys_in if (value := os.environ.get(name))), None)
