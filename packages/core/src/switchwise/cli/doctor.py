"""`switchwise doctor`: what switchwise would use on this machine."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer
from rich.text import Text

from switchwise.cli.output import AsJson, ConfigFile, as_json, tell
from switchwise.display.figures import many

PACKAGES = {  # distribution: its purpose
    "openai": "SDK clients and LangChain's or LlamaIndex's OpenAI models",
    "anthropic": "SDK clients and LangChain's or LlamaIndex's Anthropic models",
    "genai-prices": "prices and context windows",
    "langchain-switchwise": "ChatSwitchwise",
    "langchain-core": "LangChain",
    "langgraph": "agents of LangChain",
    "llama-index-llms-switchwise": "Switchwise for LlamaIndex",
    "llama-index-core": "LlamaIndex",
    "switchwise-loopback": "a provider on this machine",
    "jsonschema-rs": "all of JSON Schema for the Schema verifier",
    "pyyaml": "configuration files in YAML",
    "numpy": "estimators that are fitted, switchwise eval",
    "redis": "state shared between processes",
}


@dataclass(frozen=True, slots=True)
class Sign:
    """One check.

    Parameters:
        what: name.
        state: `ok`, `missing` or `bad`.
        detail: result.
    """

    what: str
    state: str
    detail: str


def doctor(config: ConfigFile = None, json_: AsJson = False) -> None:
    """Check Python, packages, keys and configuration. Exit status 1: something is broken; missing optional parts do not count."""
    signs = [*_versions(), *_keys(), *_configuration(config)]
    bad = [sign for sign in signs if sign.state == "bad"]
    if json_:
        as_json({"ok": not bad, "signs": [asdict(sign) for sign in signs]})
    else:
        styles = {"ok": "green", "missing": "dim", "bad": "bold red"}
        broken = f"{many(len(bad), 'thing')} {'is' if len(bad) == 1 else 'are'} broken"
        sentence = f"{broken}: {', '.join(sign.what for sign in bad)}." if bad else "Nothing is broken."
        rows = [[sign.what, Text(sign.state, styles[sign.state]), sign.detail] for sign in signs]
        tell(
            sentence,
            {"what": "", "state": "missing: not installed or not set; needed only for the feature named with it", "found": ""},
            rows,
        )
    raise typer.Exit(1 if bad else 0)


def _versions() -> Iterator[Sign]:
    from switchwise import __version__

    good = sys.version_info >= (3, 11)
    yield Sign(
        "python", "ok" if good else "bad", f"{platform.python_version()}{'' if good else ': 3.11 is needed'} ({sys.prefix})"
    )
    yield Sign("switchwise", "ok", __version__)
    for name, purpose in PACKAGES.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            yield Sign(name, "missing", purpose)
            continue
        if name == "anthropic" and found.split(".")[0] >= "1" and _has("llama-index-llms-anthropic"):
            yield Sign(name, "bad", f"{found}: LlamaIndex's Anthropic integration fails with it; pip install 'anthropic<1'")
        else:
            yield Sign(name, "ok", f"{found}, for {purpose}")


def _has(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def _keys() -> Iterator[Sign]:
    from switchwise.config.findings import KEYS

    for provider, names in KEYS.items():
        if found := [name for name in names if os.environ.get(name)]:
            yield Sign(f"key of {provider}", "ok", f"{found[0]} is set")
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE", "ANTHROPIC_BASE_URL"):
        if address := os.environ.get(name):
            yield Sign(name, "ok", f"calls go to {address}")


def _configuration(given: Path | None) -> Iterator[Sign]:
    from switchwise.config import find, findings, load
    from switchwise.nouns.errors import ConfigurationError

    try:
        path = find(given)
    except ConfigurationError:
        yield Sign("configuration", "missing", "no switchwise.toml here and SWITCHWISE_CONFIG is not set: switchwise init")
        return
    try:
        configuration = load(path)
    except ConfigurationError as error:
        yield Sign("configuration", "bad", str(error).splitlines()[0])
        return
    errors = [each for each in findings(configuration) if each.weight == "error"]
    detail = (
        f"{path}: {errors[0].message} (run switchwise check for details)"
        if errors
        else f"{path}: {len(configuration.endpoints)} targets"
    )
    yield Sign("configuration", "bad" if errors else "ok", detail)
    for recipe in configuration.recipes.values():
        for observer in recipe.observers:
            place = getattr(observer, "path", None)
            if place is not None:
                file = Path(place).absolute()
                folder = next(folder for folder in file.parents if folder.exists())
                fits = file.is_file() if file.exists() else folder.is_dir()
                writable = fits and os.access(file if file.exists() else folder, os.W_OK)
                yield Sign(
                    f"journal of {recipe.name}",
                    "ok" if writable else "bad",
                    f"{place}{'' if writable else ': cannot be written'}",
                )
