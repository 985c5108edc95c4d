"""`switchwise loopback`: a local provider, to try everything without a key."""

from __future__ import annotations

from collections.abc import Sequence

from switchwise.nouns.errors import ConfigurationError


def main(arguments: Sequence[str]) -> int:
    """Run the command of `switchwise_loopback` and return its exit status.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        from switchwise_loopback.command import main
    except ImportError:
        raise ConfigurationError(
            'the loopback provider is not installed: pip install "switchwise[loopback]"; from a checkout, pip install ./packages/loopback'
        ) from None
    return main(arguments, "switchwise loopback")
