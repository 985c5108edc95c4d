"""Make packages/core/src/switchwise/catalog/abilities.json from the model profiles that LangChain's integrations ship.

    python tools/make_abilities.py [folder with unpacked integrations ...]

Reads `langchain_*/data/_profiles.py` of the installed packages and of the folders given (`pip install --no-deps --target FOLDER
langchain-google-genai langchain-deepseek ...`). For the corrections and their reasons see docs/design/catalog.md.
"""

import json
import runpy
import sys
import sysconfig
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from switchwise.catalog.prices import priced

OUT = Path(__file__).resolve().parents[1] / "packages/core/src/switchwise/catalog/abilities.json"
PACKAGES = {
    "langchain_anthropic": "anthropic",
    "langchain_deepseek": "deepseek",
    "langchain_google_genai": "google",
    "langchain_groq": "groq",
    "langchain_mistralai": "mistral",
    "langchain_openai": "openai",
    "langchain_xai": "x-ai",
}
SEES = {"image_inputs": "image", "audio_inputs": "audio", "video_inputs": "video", "pdf_inputs": "document"}
CORRECTED: dict[tuple[str, str], dict[str, Any]] = {
    ("openai", "gpt-3.5-turbo"): {"tools": True},  # the profile says no; recorded traffic shows it calling tools
}
NOW = 4_000_000_000.0  # prices do not matter here: only whether the window is known elsewhere


def row(provider: str, model: str, profile: dict[str, Any]) -> dict[str, Any]:
    """What a profile says, corrected."""
    limits: dict[str, Any] = {}
    if profile.get("max_input_tokens") and priced(provider, model, NOW).window is None:
        limits["window"] = profile["max_input_tokens"]
    if profile.get("max_output_tokens"):
        limits["max_output"] = profile["max_output_tokens"]
    if profile.get("tool_calling") is not None:
        limits["tools"] = profile["tool_calling"]
    structured = profile.get("structured_output")
    if structured or (structured is False and provider == "openai"):  # elsewhere False may just mean that nobody looked
        limits["structured_output"] = structured
    if profile.get("reasoning_output") is not None:
        limits["reasoning"] = profile["reasoning_output"]
    if profile.get("temperature") is False:
        limits["sampling"] = False
    if "text_inputs" in profile:  # rows without it hold nothing but the integration's own defaults
        seen = {name for key, name in SEES.items() if profile.get(key)}
        limits["modalities"] = sorted(seen if "image" in seen else seen - {"document"})  # "pdf" is said of all models of OpenAI
    return limits | CORRECTED.get((provider, model), {})


def usable(name: str, profile: dict[str, Any]) -> bool:
    """Whether it is a model that answers in text."""
    other = any(kind in name for kind in ("embed", "whisper", "image", "guard"))
    return profile.get("text_outputs", True) and profile.get("max_input_tokens") != 0 and not other


def main() -> None:
    """Write the table."""
    folders = [Path(sysconfig.get_paths()["purelib"]), *map(Path, sys.argv[1:])]
    installed: list[Distribution] = list(distributions(path=[str(folder) for folder in folders]))
    versions = {dist.metadata["Name"].replace("-", "_"): dist.version for dist in installed}
    models: dict[str, dict[str, Any]] = {}
    sources = []
    for folder in folders:
        for file in sorted(folder.glob("langchain_*/data/_profiles.py")):
            package = file.parts[-3]
            if (provider := PACKAGES.get(package)) is None:
                continue
            sources.append(f"{package.replace('_', '-')} {versions.get(package, '?')}")
            profiles = runpy.run_path(str(file))["_PROFILES"]
            rows = {name.lower(): row(provider, name, profile) for name, profile in profiles.items() if usable(name, profile)}
            models[provider] = {name: limits for name, limits in sorted(rows.items()) if limits}
    about = "Capabilities by provider and model. Made by tools/make_abilities.py; absent is unknown."
    source = "model profiles of LangChain's integrations (MIT, LangChain, Inc.), derived from models.dev (MIT, SST): "
    table = {"about": about, "source": source + ", ".join(dict.fromkeys(sources)), "models": dict(sorted(models.items()))}
    OUT.write_text(_compact(table))


def _compact(table: dict[str, Any]) -> str:
    """JSON with a line per model."""
    parts = []
    for provider, models in table["models"].items():
        lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(limits)}" for name, limits in models.items())
        parts.append(f"  {json.dumps(provider)}: {{\n{lines}\n  }}")
    head = ",\n".join(f" {json.dumps(key)}: {json.dumps(table[key])}" for key in ("about", "source"))
    body = ",\n".join(parts)
    return f'{{\n{head},\n "models": {{\n{body}\n }}\n}}\n'


if __name__ == "__main__":
    main()
