"""`switchwise check`: errors and warnings of a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from switchwise.cli.output import AsJson, ConfigFile, as_json, console, tell
from switchwise.display.figures import many, usd
from switchwise.nouns.errors import ConfigurationError

if TYPE_CHECKING:
    from switchwise.config import ConfigFinding, Configuration, Problem, TargetEndpoint

_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}


def check(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="The file, as --config.", show_default=False)] = None,
    config: ConfigFile = None,
    live: Annotated[bool, typer.Option("--live", help="Also ask each target for one token. Costs next to nothing.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors for the exit status.")] = False,
    json_: AsJson = False,
) -> None:
    """Check a configuration, offline unless --live. Exit status 1: there are errors."""
    from switchwise.config import BadConfiguration, find, findings, load

    if file is not None and config is not None:
        raise ConfigurationError("give FILE or --config, not both")
    path = find(file or config)
    try:
        configuration = load(path)
    except BadConfiguration as bad:
        _broken(bad.problems, json_)
        raise typer.Exit(1) from None
    found = findings(configuration)
    asked = {name: _ask(endpoint) for name, endpoint in configuration.endpoints.items()} if live else {}
    failed = any(each.weight == "error" or (strict and each.weight == "warning") for each in found)
    failed |= any(answer["error"] for answer in asked.values())
    if json_:
        as_json({"file": str(path), "ok": not failed, "findings": [each.as_dict() for each in found], "live": asked})
    else:
        _print_findings(configuration, found)
        if live:
            _print_live(asked)
    raise typer.Exit(1 if failed else 0)


def _broken(problems: tuple[Problem, ...], json_: bool) -> None:
    if json_:
        found = [{"weight": "error", **problem.as_dict()} for problem in problems]
        as_json({"file": problems[0].file, "ok": False, "findings": found, "live": {}})
        return
    out = console()
    out.print(f"{problems[0].file} cannot be used: {len(problems)} problem{'s' if len(problems) > 1 else ''}.\n", markup=False)
    for problem in problems:
        place = f"{problem.file}:{problem.line}" if problem.line else problem.file
        out.print(Text.assemble((place, "bold"), f" {problem.field}\n  {problem.message}\n  -> {problem.remedy}"))


def _print_findings(configuration: Configuration, found: list[ConfigFinding]) -> None:
    counts = {weight: sum(each.weight == weight for each in found) for weight in _STYLES}
    what = f"{many(len(configuration.endpoints), 'target')} and {many(len(configuration.recipes), 'router')}"
    counted = [many(count, weight) for weight, count in counts.items() if count]
    out = console()
    verdict = "is well formed, but calls will fail" if counts["error"] else "can be used"
    out.print(f"{configuration.document.path} {verdict}: {what}; {', '.join(counted) or 'nothing to remark'}.", markup=False)
    for each in found:
        out.print()
        head = (f"{each.file}:{each.line}", "bold"), " ", (each.weight, _STYLES[each.weight]), f" {each.field}"
        out.print(Text.assemble(*head, f"\n  {each.message}\n  -> {each.remedy}"))


def _ask(endpoint: TargetEndpoint) -> dict[str, Any]:
    """Ask a target for one token."""
    from time import perf_counter

    from switchwise import Pool, Router
    from switchwise.clients import Clients
    from switchwise.clients.clients import client_of
    from switchwise.engine.recovery import Recovery

    name = endpoint.target.name
    began = perf_counter()
    try:
        router = Router(Pool([endpoint.target]), recovery=Recovery(patience=0))
        done = Clients({name: client_of(endpoint)}, router).complete([{"role": "user", "content": "Say OK."}], max_tokens=16)
    except Exception as error:  # noqa: BLE001  (whatever an SDK raises is what it says)
        return {
            "error": (str(error).splitlines() or [type(error).__name__])[-1].strip(),
            "seconds": round(perf_counter() - began, 3),
            "cost": None,
        }
    return {"error": None, "seconds": round(perf_counter() - began, 3), "cost": done.outcome.cost}


def _print_live(asked: dict[str, dict[str, Any]]) -> None:
    good = sum(not answer["error"] for answer in asked.values())
    rows = [
        [
            name,
            Text("answers", "green") if not answer["error"] else Text(answer["error"], "red"),
            answer["seconds"],
            usd(answer["cost"]),
        ]
        for name, answer in asked.items()
    ]
    console().print()
    columns = {"target": "", "answer": "of one short call", "seconds": "until it was there", "cost": "USD"}
    tell(f"{good} of {len(rows)} targets answer.", columns, rows, right=("seconds", "cost"))
