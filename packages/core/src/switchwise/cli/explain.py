"""`switchwise explain`: which target would answer a request, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from switchwise.cli.output import AsJson, ConfigFile, RouterName, as_json, tell
from switchwise.nouns.errors import ConfigurationError

if TYPE_CHECKING:
    from switchwise import Shortlist


def explain(
    config: ConfigFile = None,
    router: RouterName = None,
    tokens: Annotated[int, typer.Option(min=0, help="Length of the prompt.")] = 1_000,
    session: Annotated[str, typer.Option(help="Of the call.")] = "",
    agent: Annotated[str, typer.Option(help="The (sub-)agent that calls.")] = "main",
    task: Annotated[str, typer.Option(help="What it is at.")] = "",
    phase: Annotated[
        str | None, typer.Option(help="planning, implementing, debugging, testing, documenting, summarising.")
    ] = None,
    step: Annotated[str | None, typer.Option(help="user_turn, tool_result, failure, final_answer.")] = None,
    first: Annotated[bool, typer.Option("--first", help="Nothing was answered yet.")] = False,
    label: Annotated[list[str] | None, typer.Option("--label", "-l", metavar="NAME=VALUE", help="Repeatable.")] = None,
    tools: Annotated[bool, typer.Option("--tools", help="The request binds tools.")] = False,
    modality: Annotated[list[str] | None, typer.Option(help="image, audio, document, video; repeatable.")] = None,
    pin: Annotated[str, typer.Option(help="The target or role that the caller asks for.")] = "",
    json_: AsJson = False,
) -> None:
    """Show which target would answer a request, which are ruled out, and why, without any call."""
    from switchwise import Needs, Phase, Router, Scope, Signals, StepKind, View
    from switchwise.config.problems import near

    for name, word, known in (("phase", phase, list(Phase)), ("step", step, list(StepKind))):
        if word is not None and word not in known:
            raise ConfigurationError(f"--{name} {word}: {near(word, [str(each) for each in known])}")
    labels = {}
    for pair in label or ():
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise ConfigurationError(f"--label {pair}: give NAME=VALUE")
        labels[key] = value
    view = View(
        Scope(session, agent, task, labels=labels),
        tokens,
        Needs(tools=tools, modalities=frozenset(modality or ())),
        Signals(Phase(phase) if phase else None, StepKind(step) if step else None, first, int(step == "failure")),
        pin,
    )
    made = Router.from_file(config, router, labels=labels)
    decision = made.decide(view)
    if json_:
        as_json(_data(decision))
    else:
        _print_decision(decision)
    raise typer.Exit(0 if decision.names else 1)


def _data(decision: Shortlist) -> dict[str, object]:
    decider = decision.decider
    return {
        "order": list(decision.names),
        "policy": decider.policy,
        "level": decider.level.name.lower(),
        "because": decider.because,
        "notes": [
            {
                "policy": note.policy,
                "level": note.level.name.lower(),
                "because": note.because,
                "out": list(note.out),
                "lead": list(note.lead),
            }
            for note in decision.notes
        ],
    }


def _print_decision(decision: Shortlist) -> None:
    names, decider = decision.names, decision.decider
    if names:
        rest = f", then {', '.join(names[1:])}" if names[1:] else ", and there is no other"
        sentence = f"{names[0]} answers{rest}: {decider.policy} ({decider.level.name.lower()}) says {decider.because}."
    else:
        sentence = "No target may answer."
    targets = [target.name for target in decision.pool]
    rows: list[list[object]] = []
    for note in decision.notes:
        decides = note == decider
        cells = [
            Text("out", "red") if name in note.out else Text("first", "green") if name in note.lead else Text("")
            for name in targets
        ]
        rows.append(
            [
                Text(f"{note.policy}{' *' if decides else ''}", "bold" if decides else ""),
                note.level.name.lower(),
                *cells,
                note.because,
            ]
        )
    columns = [  # pairs: a target may have the name of a column
        ("policy", "in their order; * settles who leads, and what stands below it only breaks ties"),
        ("level", "how long the opinion is kept"),
        *((name, "") for name in targets),
        ("because", ""),
    ]
    tell(sentence, columns, rows)
