"""The `switchwise` command. It is thin: each subcommand reads its arguments and calls a function that anybody can call."""

from switchwise.cli.main import main

__all__ = ["main"]
