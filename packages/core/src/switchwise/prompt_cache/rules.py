"""Rules of the prompt cache of each provider and model, as data.

The table is `rules.json` in this folder; its header names the source and date. An unlisted model has its provider's rule; an unlisted
provider caches nothing: its rule has `known=False`, which the decision's reason mentions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from switchwise.nouns.errors import ConfigurationError

_PROFILE = re.compile(r"^(us-gov|us|eu|apac|ap|jp|au|ca|global)\.")  # regions of Bedrock's inference profiles
MODES = ("none", "marked", "automatic")
EFFORTS = ("apart", "messages", "same")


@dataclass(frozen=True, slots=True)
class CacheRule:
    """The rule of one model's cache.

    Parameters:
        mode: `none`; `marked`: only prefixes marked in the request are cached (Anthropic); `automatic`: all are.
        minimum: least tokens of a cached prefix.
        step: cached prefixes are multiples of that many tokens; 0: they end at the end of a block.
        ttl: guaranteed lifetime in seconds after the last use, from the start of the request.
        fades: seconds after which an entry is certainly evicted; 0: at `ttl`.
        ttl_long: long lifetime in seconds that a request can ask for; 0: none.
        read, write, write_long: multiples of the input price, for prices without their own rates.
        lookback: blocks before a mark among which an entry is found; 0: anywhere.
        silent: usage omits zero counts (protocol buffers as JSON), so a missing count means that nothing was read.
        effort: effect of a change of effort in a thread: `apart`: each level has its own cache; `messages`: only tools and system prompt
            stay cached; `same`: nothing is lost. Two targets of one model at two efforts share what stays.
        known: False: the model is unknown, so nothing is assumed to be cached.
    """

    mode: str = "none"
    minimum: int = 0
    step: int = 0
    ttl: float = 0.0
    fades: float = 0.0
    ttl_long: float = 0.0
    read: float = 1.0
    write: float = 1.0
    write_long: float = 0.0
    lookback: int = 0
    silent: bool = False
    effort: str = "apart"
    known: bool = True
    caches: bool = field(init=False, repr=False, compare=False)
    """Whether the provider caches at all."""
    gone: float = field(init=False, repr=False, compare=False)
    """Seconds after the last use when an entry is certainly evicted."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "caches", self.mode != "none")
        object.__setattr__(self, "gone", max(self.ttl, self.fades))

    def whole(self, tokens: float) -> int:
        """Round a number of leading tokens down to what can be cached: whole steps, at least the minimum, else 0."""
        kept = int(tokens) // self.step * self.step if self.step else int(tokens)
        return kept if kept >= self.minimum and self.caches else 0


UNKNOWN = CacheRule(known=False)


class CacheRules:
    """Rules of all models: your overrides, then the shipped table.

    Parameters:
        overrides: `"provider"` or `"provider/prefix of the model's name"` -> a rule, or its changed fields.

    Raises:
        ConfigurationError: an override has an unknown field or mode.

    >>> rules = CacheRules({"anthropic/claude-opus-9": {"minimum": 256}, "my-host": {"mode": "automatic", "ttl": 60}})
    >>> rules.of("anthropic", "claude-haiku-4-5-20251001").minimum, rules.of("anthropic", "claude-opus-9").minimum
    (4096, 256)
    >>> rules.of("my-host", "llama").ttl, rules.of("nobody", "llama").known
    (60, False)
    """

    def __init__(self, overrides: Mapping[str, CacheRule | Mapping[str, Any]] | None = None) -> None:
        from importlib import resources  # slow to import, and needed once

        table = json.loads(resources.files("switchwise.prompt_cache").joinpath("rules.json").read_text(encoding="utf-8"))
        self._aliases: dict[str, str] = table["aliases"]  # names used by frameworks
        self._providers = {name: _changed(UNKNOWN, entry, name) for name, entry in table["providers"].items()}
        self._models: dict[str, dict[str, CacheRule]] = {}
        for provider, entries in table["models"].items():
            base = self._providers[provider]
            self._models[provider] = {model: _changed(base, entry, model) for model, entry in entries.items()}
        for name, entry in (overrides or {}).items():
            provider, _, model = name.partition("/")
            rule = entry if isinstance(entry, CacheRule) else _changed(self.of(provider, model), entry, name)
            if model:
                self._models.setdefault(provider, {})[model] = rule
            else:
                self._providers[provider] = rule

    def of(self, provider: str, model: str) -> CacheRule:
        """The rule of a model: of the longest listed prefix of its name, else its provider's, else nothing cached.

        Aggregators that pass caching through use names such as `anthropic/claude-opus-5`.
        """
        if provider not in self._providers and provider not in self._models:
            provider = self._aliases.get(provider, provider)
        vendor, slash, rest = model.partition("/")
        vendor = self._aliases.get(vendor, vendor)
        if provider not in self._providers and slash and vendor in self._providers:
            return self.of(vendor, rest)
        listed = self._models.get(provider, {})
        bare = _PROFILE.sub("", model)
        dashed = bare.replace(".", "-")  # as OpenRouter spells Anthropic's
        named = [name for name in listed if bare.startswith(name) or dashed.startswith(name)]
        return listed[max(named, key=len)] if named else self._providers.get(provider, UNKNOWN)


_FIELDS = frozenset(each.name for each in fields(CacheRule) if each.init)


def _changed(base: CacheRule, entry: Mapping[str, Any], name: str) -> CacheRule:
    if strange := entry.keys() - _FIELDS:
        raise ConfigurationError(
            f"cache rule {name!r}: unknown field {', '.join(sorted(strange))}; it knows: {', '.join(sorted(_FIELDS))}"
        )
    for each, words in (("mode", MODES), ("effort", EFFORTS)):
        if entry.get(each, words[0]) not in words:
            raise ConfigurationError(f"cache rule {name!r}: {each}={entry[each]!r}; use one of: {', '.join(words)}")
    return replace(base, **{"known": True, **entry})
