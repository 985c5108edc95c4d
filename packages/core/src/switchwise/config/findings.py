"""Warnings about a valid configuration: unknown models, missing keys, policies without effect."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from itertools import product
from typing import Any

from switchwise.catalog.hosts import HOSTS
from switchwise.catalog.prices import PROVIDERS
from switchwise.config.conditions import Condition
from switchwise.config.configuration import Configuration, PolicyEntry, Recipe
from switchwise.config.lines import Place
from switchwise.config.references import Reference, TargetEndpoint
from switchwise.engine.policy import Learns, Reserves, name_of
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.scope import Scope
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.signals import Phase, Signals, StepKind
from switchwise.nouns.target import Pool
from switchwise.nouns.view import View
from switchwise.policies.hold import hold
from switchwise.policies.rules import Rules

KEYS: Mapping[str, Sequence[str]] = {  # provider: environment variables of its SDK's key
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    "cohere": ("COHERE_API_KEY", "CO_API_KEY"),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "fireworks": ("FIREWORKS_API_KEY",),
    "google": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "google_genai": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "groq": ("GROQ_API_KEY",),
    "mistral": ("MISTRAL_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
    "together": ("TOGETHER_API_KEY",),
    "xai": ("XAI_API_KEY",),
}
ERROR, WARNING, NOTE = "error", "warning", "note"


@dataclass(frozen=True, slots=True)
class ConfigFinding:
    """One finding about a configuration.

    Parameters:
        weight: `error`: calls will fail; `warning`: probably a mistake; `note`: information.
        file, line, field: place; see `Problem`.
        message: the finding.
        remedy: what to do about it.
    """

    weight: str
    file: str
    line: int
    field: str
    message: str
    remedy: str

    def as_dict(self) -> dict[str, Any]:
        """Its fields, as JSON types."""
        return asdict(self)


def findings(configuration: Configuration) -> list[ConfigFinding]:
    """Return all findings in the order of the file. No calls are made; keys are only checked for presence."""
    found: list[ConfigFinding] = []

    def add(weight: str, place: Place, message: str, remedy: str) -> None:
        from switchwise.config.document import field_of

        file, line = configuration.document.place(place)
        found.append(ConfigFinding(weight, file, line, field_of(place), message, remedy))

    for name, endpoint in configuration.endpoints.items():
        for weight, field, message, remedy in _of_target(endpoint):
            if field == ("key",) or not endpoint.target.key_of:
                add(weight, ("targets", endpoint.target.base, *field), message, remedy)
        if not endpoint.target.key_of and not any(name in recipe.pool for recipe in configuration.recipes.values()):
            add(NOTE, ("targets", name), "no router has it in its pool", "name it in a pool, or remove it")
    for name, others, provider in _without_a_key(configuration):
        usual = KEYS[provider]
        message = f"no key for {provider}: {' or '.join(usual)} is not set{f' (so for {others})' if others else ''}"
        add(
            ERROR,
            ("targets", name),
            message,
            f"export {usual[0]}=..., write key = ... in the file, or try it without: switchwise loopback -- COMMAND",
        )
    for name, recipe in configuration.recipes.items():
        place: Place = ("routers", name)
        for weight, where, message, remedy in _of_router(recipe):
            add(weight, where or place, message, remedy)
    return sorted(found, key=lambda finding: (finding.file, finding.line))


def _without_a_key(configuration: Configuration) -> Iterator[tuple[str, str, str]]:
    """The first target of each provider without a key, the others, and the provider."""
    lacking: dict[str, list[str]] = {}
    for name, endpoint in configuration.endpoints.items():
        usual = KEYS.get(endpoint.target.provider, ())
        if endpoint.key is None and not endpoint.base_url and usual and not any(map(os.environ.get, usual)):
            lacking.setdefault(endpoint.target.provider, []).append(name)
    for provider, (first, *rest) in lacking.items():
        yield first, ", ".join(rest), provider


Remark = tuple[str, Place, str, str]


def _of_target(endpoint: TargetEndpoint) -> Iterator[Remark]:
    target = endpoint.target
    yield from _of_model(endpoint)
    if target.price is None:
        yield (
            WARNING,
            (),
            f"no price is known for {target.model}",
            "write price = { input = ..., output = ... } in USD per million tokens",
        )
    for name, reference in (("key", endpoint.key), ("base_url", endpoint.base_url)):
        if isinstance(reference, Reference):
            try:
                reference.resolve()
            except ConfigurationError as error:
                message, _, remedy = str(error).partition(": ")
                yield ERROR, (name,), message, remedy
    if endpoint.settings.get("max_retries"):
        retries = endpoint.settings["max_retries"]
        yield (
            WARNING,
            ("settings",),
            f"its SDK retries {retries} times before the router sees a failure",
            "leave max_retries out",
        )


def _of_model(endpoint: TargetEndpoint) -> Iterator[Remark]:
    """Findings on unknown providers and models."""
    from genai_prices.data_snapshot import get_snapshot

    target = endpoint.target
    known = {provider.id: provider for provider in get_snapshot().providers}
    provider = known.get(PROVIDERS.get(target.provider, target.provider))
    if provider is None:
        if not endpoint.base_url and target.provider not in HOSTS.values():
            names = sorted({*known, *PROVIDERS, *HOSTS.values()})
            close = get_close_matches(target.provider, names, 1)
            remedy = f"did you mean {close[0]!r}?" if close else "give base_url, if it is a server of your own"
            yield ERROR, (), f"unknown provider {target.provider!r}", remedy
    elif provider.find_model(target.model.removeprefix("models/")) is None and not endpoint.base_url:
        close = get_close_matches(target.model, [model.id for model in provider.models], 1, 0.5)
        remedy = f"did you mean {close[0]!r}?" if close else "see `switchwise models`"
        yield WARNING, (), f"{target.provider} has no model {target.model!r} that is known here", remedy


def _of_router(recipe: Recipe) -> Iterator[Remark]:
    pool = recipe.pool
    if len(pool) == 1:
        yield NOTE, (), f"{pool.targets[0].name} stands alone: when it fails there is no other", "add a second target"
    elif len({target.provider for target in pool}) == 1:
        yield NOTE, (), f"all targets are {pool.targets[0].provider}'s: its outage is yours", "add a target of another provider"
    if recipe.verify is not None and len({target.base for target in pool}) == 1:
        yield ERROR, (), "a verifier needs a second model to turn to", "add one to the pool, or leave verify out"
    yield from _last_resort(recipe)
    for part in recipe.parts:
        for policy in part.policies:
            if isinstance(policy, Rules) and not part.is_default:
                yield from _of_rules(policy, part, pool)
    yield from _without_a_say(recipe)
    seen: set[str] = set()
    for part in recipe.parts:
        names = {name_of(policy) for policy in part.policies} & {"Fits", "Healthy"}
        for name in sorted(names & seen):
            yield WARNING, part.place, f"{name} stands there twice", "keep the first"
        seen |= names


def _last_resort(recipe: Recipe) -> Iterator[Remark]:
    """Find a chain that falls back to the most expensive target without a limit."""
    priced = {target.name: target.price for target in recipe.pool if target.price is not None}
    if len(priced) < 2 or any(isinstance(policy, Reserves) for policy in recipe.policies):
        return
    dearest = max(priced, key=lambda name: priced[name].input + priced[name].output)
    order = _ranked(recipe.pool, recipe.policies, View(tokens=1_000, signals=Signals(step=StepKind.TOOL_RESULT)))
    if order and order.names[-1] == dearest:
        price = priced[dearest]
        message = f"when all others fail, every call goes to {dearest}, the dearest (${price.input:g} in, ${price.output:g} out), without a cap"
        yield WARNING, (), message, 'put { Budget = { usd = ..., per = "session" } } first'


def _of_rules(rules: Rules, part: PolicyEntry, pool: Pool) -> Iterator[Remark]:
    """Find rules that never match, change nothing, or leave no target."""
    settled = ""
    windows = [target.can.window for target in pool]
    largest = max([window for window in windows if window is not None], default=0)
    for i, rule in enumerate(rules):
        place = (*part.place, "Rules", i)
        chosen, always = pool.select(rule.word), rule.unconditional
        if rule.verb == "prefer" and settled:
            yield (
                WARNING,
                place,
                f"never matches: {settled} comes first, and the first preference that applies counts",
                "put it first",
            )
        if isinstance(rule.when, Condition) and None not in windows and rule.when.bounds[0] > largest:
            message = f"never matches: no target takes a prompt above {rule.when.bounds[0] - 1:,.0f} tokens (the largest takes {largest:,})"
            yield WARNING, place, message, "lower tokens_above"
        everybody = len(chosen) == len(pool)
        if rule.verb == "exclude" and everybody:
            message = "rules out every target" + ("" if always else " where it matches")
            yield ERROR if always else WARNING, place, message, "exclude fewer, or require what may be called"
        elif rule.verb != "exclude" and everybody:
            yield WARNING, place, f"changes nothing: {rule.word!r} stands for every target of the pool", "name fewer"
        if rule.verb == "prefer" and always:
            settled = settled or f"{rule.verb} {rule.word}, which always matches,"


def _without_a_say(recipe: Recipe) -> Iterator[Remark]:
    """Find preferences that change no decision on many probe requests, because earlier policies decide."""
    if len(recipe.pool) < 2:
        return
    policies = recipe.policies
    probes = list(_probes(recipe))
    whole = [_ranked(recipe.pool, policies, view) for view in probes]
    for part in recipe.parts:
        if len(part.policies) != 1 or part is recipe.parts[0]:
            continue
        (policy,) = part.policies
        if isinstance(policy, hold):
            policy = policy.policy
        if name_of(policy) in ("Fits", "Healthy", "Budget") or (isinstance(policy, Learns) and name_of(policy) != "Cheapest"):
            continue  # they depend on state
        spoke = [_speaks(recipe.pool, policy, view) for view in probes]
        if not any(spoke):
            continue  # it has an opinion on requests of another kind
        rest = tuple(each for other in recipe.parts if other is not part for each in other.policies)
        if all(_same(order, _ranked(recipe.pool, rest, view)) for order, view in zip(whole, probes, strict=True)):
            message = (
                f"{name_of(policy)} never has a say: what stands before it settles the order (tried on {len(probes)} requests)"
            )
            yield WARNING, part.place, message, "put it further ahead, or remove it"


def _ranked(pool: Pool, policies: Sequence[Any], view: View) -> Shortlist | None:
    """The decision of a chain; None if it would ask a model, or needs more than a probe request has, such as a label."""
    shortlist = Shortlist(pool)
    for policy in policies:
        try:
            opinion = policy(view, shortlist)
        except Exception:  # noqa: BLE001  (whatever a function of the user's own raises)
            return None
        if not isinstance(opinion, Shortlist):
            return None
        shortlist = opinion
    return shortlist


def _same(one: Shortlist | None, other: Shortlist | None) -> bool:
    return one is not None and other is not None and one.names == other.names


def _speaks(pool: Pool, policy: Any, view: View) -> bool:
    opinion = _ranked(pool, [policy], view)
    return opinion is not None and (opinion.names != pool_names(pool) or bool(opinion.notes))


def pool_names(pool: Pool) -> tuple[str, ...]:
    """Names in the order of the pool."""
    return tuple(target.name for target in pool)


def _probes(recipe: Recipe) -> Iterator[View]:
    """Probe requests of many kinds, from the agents, labels and bounds named in the policies."""
    agents = {"main", "another"}
    for part in recipe.parts:
        for policy in part.policies:
            inner = policy.policy if isinstance(policy, hold) else policy
            if name_of(inner) == "ByAgent":
                agents |= {name for name in inner.rules if "*" not in name}  # type: ignore[attr-defined]
    steps = [None, *StepKind]
    phases: list[Phase | None] = [None, Phase.PLANNING, Phase.IMPLEMENTING, Phase.SUMMARISING]
    for number, (agent, step, phase, tokens) in enumerate(product(sorted(agents), steps, phases, (500, 40_000))):
        signals = Signals(phase=phase, step=step, first=step is StepKind.USER_TURN, failures=int(step is StepKind.FAILURE))
        seed = (number * 0x9E3779B97F4A7C15) % 2**64
        yield View(Scope("probe", agent), tokens=tokens, signals=signals).begun(1_700_000_000.0, seed)
