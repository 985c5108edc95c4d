"""Finds the address and key of an SDK client before the client is built."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from switchwise.adapting.accounts import whereabouts


@dataclass(frozen=True, slots=True)
class Environment:
    """Where an SDK looks for what it is not given.

    Parameters:
        address: its base URL; `address_in` is the environment variable that comes before it.
        keys_in: environment variables of the key, the first that is set counts.
    """

    address: str
    address_in: str
    keys_in: Sequence[str]


def whereabouts_of(sdk: Any, options: Mapping[str, Any], environment: Environment) -> tuple[str, Any]:
    """Address and key of the SDK's client; where there is none yet, of the one that `options` and the environment will make."""
    if sdk is not None:
        return whereabouts({}, sdk)
    address, key = whereabouts(options)
    address = address or os.environ.get(environment.address_in) or environment.address
    return address, key or next((value for name in environment.keys_in if (value := os.environ.get(name))), None)
