"""`switchwise init`: a first configuration file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from switchwise.cli.output import AsJson, as_json, console
from switchwise.nouns.errors import ConfigurationError

MODELS = {  # provider: its strong and fast model, and its key's variable
    "anthropic": ("opus", "claude-opus-5-5", "haiku", "claude-haiku-5-5", "ANTHROPIC_API_KEY"),
    "openai": ("sol", "gpt-6.1-sol", "luna", "gpt-6-luna", "OPENAI_API_KEY"),
}
TEMPLATE = """\
{schema}# Which models there are, and who answers which call. The format: docs/reference/configuration.md.
# Try it:  switchwise check   switchwise explain   switchwise drill   switchwise loopback -- switchwise chat

[targets]                       # strongest first; prices and abilities come from the catalogue
{targets}

[routers.main]
policies = [
    {{ Budget = {{ usd = 5, per = "session" }} }},   # no session costs more
    # {{ Rules = [{{ prefer = "strong", when = {{ label = {{ plan = "gold" }} }} }}] }},
    # {{ ByAgent = {{ explorer = "fast" }}, hold = "agent" }},
    "Default",                  # what fits and is healthy; hard steps to the strongest, routine steps to the cheapest
]
journal = "switchwise.jsonl"    # one line for each attempt: numbers, names and reasons, no texts
"""


def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("switchwise.toml"),
    provider: Annotated[
        list[str] | None,
        typer.Option("--provider", "-p", help="openai or anthropic, repeatable; else those whose keys are set, else both."),
    ] = None,
    schema: Annotated[
        bool, typer.Option(help="Also write the JSON Schema into the same folder, for completion in editors.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    json_: AsJson = False,
) -> None:
    """Write a first configuration file."""
    providers = _providers(provider)
    if path.suffix != ".toml":
        raise ConfigurationError(f"{path}: give a name that ends in .toml")
    if path.exists() and not force:
        raise ConfigurationError(f"{path} is there already: give another name, or --force to replace it")
    strong = [f'{MODELS[name][0]} = "{name}:{MODELS[name][1]}"' for name in providers]
    fast = [f'{MODELS[name][2]} = "{name}:{MODELS[name][3]}"' for name in reversed(providers)]
    line = ""
    written = [path]
    if schema:
        from switchwise.config.json_schema import json_schema

        schema_file = path.with_name("switchwise.schema.json")
        schema_file.write_text(json.dumps(json_schema(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
        line = f"#:schema ./{schema_file.name}\n"
        written.append(schema_file)
    path.write_text(TEMPLATE.format(schema=line, targets="\n".join([*strong, *fast])), encoding="utf-8")
    missing = [MODELS[name][4] for name in providers if not os.environ.get(MODELS[name][4])]
    if json_:
        as_json({"written": list(map(str, written)), "providers": providers, "missing_keys": missing})
        return
    out = console()
    out.print(f"{' and '.join(map(str, written))} written, for {' and '.join(providers)}.", markup=False)
    if missing:
        out.print(f"No key yet: export {' and '.join(missing)}, or try it without: switchwise loopback -- switchwise chat")
    out.print("Next: switchwise check, switchwise explain, switchwise drill")


def _providers(given: list[str] | None) -> list[str]:
    from switchwise.config.problems import near

    for name in given or ():
        if name not in MODELS:
            raise ConfigurationError(f"--provider {name}: {near(name, MODELS)}")
    return list(dict.fromkeys(given or [name for name, model in MODELS.items() if os.environ.get(model[4])] or MODELS))
