"""The commands, on typer. One to a file; `main` starts them."""

from __future__ import annotations

from typing import Annotated

import typer

from switchwise import __version__
from switchwise.cli.audit import audit
from switchwise.cli.batch import batch
from switchwise.cli.chat import chat
from switchwise.cli.check import check
from switchwise.cli.doctor import doctor
from switchwise.cli.drill import drill
from switchwise.cli.escalation import escalation
from switchwise.cli.evaluate import evaluate
from switchwise.cli.explain import explain
from switchwise.cli.fit import calibrate, compare, fit
from switchwise.cli.init import init
from switchwise.cli.models import models
from switchwise.cli.output import BEGIN, LOOK, MEASURE
from switchwise.cli.query import query
from switchwise.cli.replay import replay
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


for heading, commands in ((BEGIN, (init, check, doctor)), (LOOK, (explain, models, drill, chat, watch, report, query))):
    for command in commands:
        app.command(rich_help_panel=heading)(command)
for measure in (replay, audit, fit, calibrate, compare, escalation):
    app.command(rich_help_panel=MEASURE)(measure)
app.add_typer(batch, name="batch", rich_help_panel=LOOK, no_args_is_help=True)
app.command("eval", rich_help_panel=MEASURE)(evaluate)


@app.command("loopback", rich_help_panel=BEGIN, add_help_option=False, context_settings={"ignore_unknown_options": True})
def loopback(context: typer.Context, words: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Run a local provider: no key, no cost."""  # it parses its own arguments: `main` calls it before typer
    raise typer.Exit(context.obj(["loopback", *(words or ())]))
