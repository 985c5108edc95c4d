"""The commands, on typer. One to a file; `main` starts them."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from switchwise import __version__
from switchwise.cli.chat import chat
from switchwise.cli.check import check
from switchwise.cli.doctor import doctor
from switchwise.cli.drill import drill
from switchwise.cli.explain import explain
from switchwise.cli.init import init
from switchwise.cli.measuring import measuring
from switchwise.cli.models import models
from switchwise.cli.output import BEGIN, LOOK, MEASURE
from switchwise.cli.report import report
from switchwise.cli.watch import watch

app = typer.Typer(
    name="switchwise",
    help="A model router for agents.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"switchwise {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """A model router for agents."""


for heading, commands in ((BEGIN, (init, check, doctor)), (LOOK, (explain, models, drill, chat, watch, report))):
    for command in commands:
        app.command(rich_help_panel=heading)(command)


def _elsewhere(name: str, told: str, heading: str) -> None:
    """List a command that reads its arguments itself: `main` has passed it on before typer sees it."""

    @app.command(
        name, help=told, rich_help_panel=heading, add_help_option=False, context_settings={"ignore_unknown_options": True}
    )
    def stub(context: typer.Context, words: Annotated[list[str] | None, typer.Argument()] = None) -> None:
        raise typer.Exit(context.obj([name, *(words or ())]))


_elsewhere("loopback", "Serve a provider on this machine: no key, no cost.", BEGIN)
for name, parser in measuring()[1].items():
    _elsewhere(name, re.split(r"[:;]|\. ", parser.description or "")[0].rstrip(".") + ".", MEASURE)
