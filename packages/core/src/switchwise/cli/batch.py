"""`switchwise batch`: deferred requests from a file, answered within a day at half the price."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from switchwise.cli.output import AsJson, ConfigFile, RouterName, as_json, console
from switchwise.nouns.errors import ConfigurationError

if TYPE_CHECKING:
    from switchwise.clients.batch import Batches, BatchResult, Progress

batch = typer.Typer(
    help="Answer requests that may wait, at half the price: submit a file of them, look how far they are, fetch the answers."
)
File = Annotated[Path, typer.Option("--file", "-f", help="Where requests and answers are kept.")]
_KEPT = Path("batches.sqlite")


@batch.command()
def submit(
    requests: Annotated[
        Path,
        typer.Argument(help="A line of JSON each: messages, and id, hours, max_tokens, session, tenant, labels, target ..."),
    ],
    file: File = _KEPT,
    hours: Annotated[float, typer.Option(min=0.01, help="Until they are to be answered, where a line does not say.")] = 24.0,
    config: ConfigFile = None,
    router: RouterName = None,
    json_: AsJson = False,
) -> None:
    """Add the requests of a file, all or none, and send them in one batch per target."""
    with _opened(file, config, router) as batches:
        batches.add_all({"hours": hours, **request} for request in _read(requests))
        _print_progress(batches.submit(), json_)


@batch.command()
def status(file: File = _KEPT, json_: AsJson = False) -> None:
    """Show the progress of the requests as of the last poll, without any call."""
    from switchwise.clients.batch import progress_of

    _print_progress(progress_of(file), json_)


@batch.command()
def fetch(
    file: File = _KEPT,
    wait: Annotated[bool, typer.Option("--wait", help="Until nothing is open.")] = False,
    every: Annotated[float, typer.Option(min=0.01, help="Seconds between two looks.")] = 60.0,
    forget: Annotated[bool, typer.Option("--forget", help="Remove what was printed from the file.")] = False,
    config: ConfigFile = None,
    router: RouterName = None,
) -> None:
    """Poll the batches, and print the results so far, a line of JSON per request. Exit status 1: some requests are open."""
    with _opened(file, config, router) as batches:
        progress = batches.wait(every) if wait else batches.poll()
        printed = []
        for result in batches.results():
            sys.stdout.write(json.dumps(_row(result), ensure_ascii=False) + "\n")
            printed.append(result.id)
        sys.stdout.flush()
        if forget:
            batches.forget(printed)
    console(error=True).print(_words(progress))
    raise typer.Exit(1 if progress.open else 0)


def _opened(file: Path, config: Path | None, router: str | None) -> Batches:
    from switchwise.clients import Clients
    from switchwise.clients.batch import Batches

    return Batches(Clients.from_file(config, router), file)


def _read(path: Path) -> Iterator[dict[str, Any]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            request = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(f"{path}, line {number}: this is not JSON: {error}") from error
        if not isinstance(request, dict) or "messages" not in request:
            raise ConfigurationError(f'{path}, line {number}: give {{"messages": [...], ...}}')
        yield request


def _row(result: BatchResult) -> dict[str, Any]:
    found = {"id": result.id, "target": result.target, "cost": result.cost, "attempts": [*result.attempts]}
    return {**found, "message": result.message} if result.ok else {**found, "error": result.error}


def _print_progress(progress: Progress, json_: bool) -> None:
    if json_:
        as_json(progress._asdict())
    else:
        console().print(_words(progress))


def _words(progress: Progress) -> str:
    return f"{progress.waiting} waiting, {progress.sent} sent, {progress.done} answered, {progress.failed} without an answer"
