"""`switchwise chat`: chat with a router, and see the target of each turn."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from switchwise.cli.output import AsJson, ConfigFile, RouterName, console
from switchwise.display.figures import usd
from switchwise.nouns.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from switchwise.clients import Clients, Completion

HELP = "/why who would answer next   /to NAME one turn to a target or role   /new forget the conversation   /quit"


def chat(
    config: ConfigFile = None,
    router: RouterName = None,
    system: Annotated[str | None, typer.Option(help="Instructions for the model.", show_default=False)] = None,
    session: Annotated[str, typer.Option(help="Name of the session.")] = "chat",
    json_: AsJson = False,
) -> None:
    """Chat with a router; shows target, reason and cost of each answer. Reads lines from a pipe too."""
    from switchwise.clients import Clients

    clients = Clients.from_file(config, router)
    out, err = console(), console(error=True)
    begin: list[Any] = [{"role": "system", "content": system}] if system else []
    messages, to, spent, failed = list(begin), "", 0.0, False
    if sys.stdin.isatty() and not json_:
        err.print(Text(f"Targets: {', '.join(target.name for target in clients.router.pool)}.  {HELP}", style="dim"))
    for line in _lines(json_):
        word, _, rest = line.partition(" ")
        if word == "/quit":
            break
        if word == "/new":
            messages = list(begin)
        elif word == "/why":
            out.print(Text(str(clients.router.explain())))
        elif word == "/to" and rest.strip():
            to = rest.strip()
        elif word.startswith("/"):
            err.print(Text(HELP, style="dim"))
        else:
            messages.append({"role": "user", "content": line})
            try:
                done = _turn(clients, messages, session, to, json_)
            except BrokenPipeError:  # nobody reads the answers: no further call is paid
                raise
            except Exception as error:  # noqa: BLE001  (any error of an SDK is printed, and the conversation goes on)
                messages.pop()
                failed = True
                err.print(Text(f"{type(error).__name__}: {error}", style="red"))
            else:
                messages.append(done.message)
                spent += done.outcome.cost or 0
                _print_outcome(done, spent, json_)
            to = ""
    raise typer.Exit(1 if failed and not sys.stdin.isatty() else 0)


def _lines(quiet: bool) -> Iterator[str]:
    prompt = "> " if sys.stdin.isatty() and not quiet else ""
    while True:
        try:
            line = input(prompt).strip()
        except EOFError:
            return
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"the input is not UTF-8: {error.reason} at byte {error.start}") from None
        if line:
            yield line


def _turn(clients: Clients, messages: list[Any], session: str, to: str, quiet: bool) -> Completion:
    stream = clients.stream(messages, session=session, target=to)
    for text in stream:
        if not quiet:
            sys.stdout.write(text)
            sys.stdout.flush()
    if not quiet:
        sys.stdout.write("\n")
    return stream.completion


def _print_outcome(done: Completion, spent: float, json_: bool) -> None:
    outcome = done.outcome
    decider = outcome.attempt.call.shortlist.decider
    if json_:
        row = {
            "text": done.text,
            "target": outcome.target.name,
            "policy": decider.policy,
            "level": decider.level.name.lower(),
            "because": decider.because,
            "cost": outcome.cost,
            "attempts": len(outcome.attempts),
            "spent": spent,
        }
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
        sys.stdout.flush()
        return
    tries = f", attempt {len(outcome.attempts)}" if len(outcome.attempts) > 1 else ""
    line = f"  {outcome.target.name}{tries} | {decider.policy}: {decider.because} | {usd(outcome.cost)}, {usd(spent)} so far"
    console().print(Text(line, style="dim"))
