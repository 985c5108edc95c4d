"""The `switchwise` command. Each subcommand parses its arguments and calls a public function."""

from switchwise.cli.main import main

__all__ = ["main"]
