"""`switchwise models`: list models of the catalogue."""

from __future__ import annotations

from typing import Annotated

import typer

from switchwise.cli.output import AsJson, as_json, tell
from switchwise.nouns.errors import ConfigurationError


def models(
    pattern: Annotated[str, typer.Argument(help="Part of the name, such as gpt-6 or opus.")] = "",
    provider: Annotated[str | None, typer.Option("--provider", "-p", help="Those of one provider.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many are shown.")] = 40,
    json_: AsJson = False,
) -> None:
    """List the models with known prices."""
    from genai_prices.data_snapshot import get_snapshot

    from switchwise.catalog import look_up
    from switchwise.catalog.prices import PROVIDERS
    from switchwise.config.problems import near

    providers = {each.id: each for each in get_snapshot().providers}
    wanted = PROVIDERS.get(provider or "", provider)
    if wanted is not None and wanted not in providers:
        raise ConfigurationError(f"--provider {provider}: {near(provider or '', [*providers, *PROVIDERS])}")
    chosen = [providers[wanted]] if wanted else [each for each in providers.values() if pattern]
    if not chosen:
        rows: list[list[object]] = [[each.id, len(each.models)] for each in providers.values()]
        if json_:
            as_json([{"provider": name, "models": count} for name, count in rows])
        else:
            sentence = f"{len(rows)} providers: name one, or part of a model's name."
            tell(sentence, {"provider": "as --provider takes it", "models": "with a known price"}, rows, right=("models",))
        return
    found = []
    for each in chosen:
        for model in each.models:
            if pattern.lower() in model.id.lower():
                known = look_up(each.id, model.id)
                found.append((each.id, model.id, known))
    if json_:
        as_json(
            [
                {
                    "provider": name,
                    "model": model,
                    "input": known.price and known.price.input,
                    "output": known.price and known.price.output,
                    "cache_read": known.price and known.price.cache_read,
                    "window": known.can.window,
                    "tools": known.can.tools,
                }
                for name, model, known in found
            ]
        )
        raise typer.Exit(0 if found else 1)
    rows = [
        [
            name,
            model,
            f"{known.price.input:g}" if known.price else "?",
            f"{known.price.output:g}" if known.price else "?",
            "" if known.price is None or known.price.cache_read is None else f"{known.price.cache_read:g}",
            f"{known.can.window:,}" if known.can.window else "?",
            {True: "yes", False: "no", None: "?"}[known.can.tools],
        ]
        for name, model, known in found[:limit]
    ]
    more = f"; the first {limit} are shown" if len(found) > limit else ""
    columns = {
        "provider": "",
        "model": "as provider:model in a configuration",
        "input": "of the prompt",
        "output": "of the answer",
        "cached": "of the prompt, where it is read from the cache; empty: no price of its own",
        "window": "prompt and answer together, in tokens",
        "tools": "can call tools; ?: not known, which rules no target out",
    }
    sentence = f"{len(found)} model{'s' if len(found) != 1 else ''} found{more}; prices in USD per million tokens."
    tell(sentence, columns, rows, right=("input", "output", "cached", "window"))
    raise typer.Exit(0 if found else 1)
