"""How the prompt cache of each provider and model works, as data.

The table is `rules.json` in this folder; its header names the source and the day. Where a model is not listed its provider's
rule counts, and where the provider is not listed nothing is cached: such a rule has `known=False`, and a decision says so.
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
        mode: `none`; `marked`: only prefixes that the request marks are kept (Anthropic); `automatic`: kept unasked.
        minimum: tokens of the shortest prefix that is kept.
        step: kept prefixes are whole multiples of that many tokens; 0: they end exactly where a block ends.
        ttl: seconds that an entry surely lives after its last use, counted from the start of the request.
        fades: seconds after which it is surely gone; 0: at `ttl`.
        ttl_long: seconds of the long lifetime that a request can ask for; 0: there is none.
        read, write, write_long: multiples of the input price, for prices that do not list their own.
        lookback: blocks before a mark among which an entry is found; 0: anywhere.
        silent: it leaves out counts that are zero: where it says nothing of a read, nothing was read (protocol buffers as JSON).
        effort: what a change of effort in a thread does to the cache: `apart`: each level has a cache of its own; `messages`: tools and system
            are found again; `same`: nothing is lost. Two targets of one model at two efforts share what is left.
        known: False: nothing is known about this model, so nothing is taken to be cached.
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
    """Whether anything is ever kept."""
    gone: float = field(init=False, repr=False, compare=False)
    """Seconds after its last use when an entry is surely gone."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "caches", self.mode != "none")
        object.__setattr__(self, "gone", max(self.ttl, self.fades))

    def whole(self, tokens: float) -> int:
        """How many of that many leading tokens can be found again: whole steps, and not less than the minimum."""
        kept = int(tokens) // self.step * self.step if self.step else int(tokens)
        return kept if kept >= self.minimum and self.caches else 0


UNKNOWN = CacheRule(known=False)


class CacheRules:
    """The rules of all models: the shipped table, and the user's own entries before it.

    Parameters:
        overrides: `"provider"` or `"provider/beginning of the model's name"` -> a rule, or the fields of one that differ.

    Raises:
        ConfigurationError: an override has a field or a mode that no rule has.

    >>> rules = CacheRules({"anthropic/claude-opus-9": {"minimum": 256}, "my-host": {"mode": "automatic", "ttl": 60}})
    >>> rules.of("anthropic", "claude-haiku-4-5-20251001").minimum, rules.of("anthropic", "claude-opus-9").minimum
    (4096, 256)
    >>> rules.of("my-host", "llama").ttl, rules.of("nobody", "llama").known
    (60, False)
    """

    def __init__(self, overrides: Mapping[str, CacheRule | Mapping[str, Any]] | None = None) -> None:
        from importlib import resources  # costly to import, and needed once

        table = json.loads(resources.files("switchwise.prompt_cache").joinpath("rules.json").read_text(encoding="utf-8"))
        self._aliases: dict[str, str] = table["aliases"]  # what frameworks call them
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
        """The rule of a model: that of the longest listed beginning of its name, else its provider's, else nothing cached.

        An aggregator that passes caching through is known by names such as `anthropic/claude-opus-5`.
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
    if entry.get("mode", "none") not in MODES:
        raise ConfigurationError(f"cache rule {name!r}: mode={entry['mode']!r}; use one of: {', '.join(MODES)}")
    if entry.get("effort", "apart") not in EFFORTS:
        raise ConfigurationError(f"cache rule {name!r}: effort={entry['effort']!r}; use one of: {', '.join(EFFORTS)}")
    return replace(base, **{"known": True, **entry})
