"""`switchwise drill`: simulate failures of targets, and see which one answers."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from switchwise.cli.output import AsJson, ConfigFile, RouterName, as_json, tell, working
from switchwise.display.figures import usd
from switchwise.nouns.errors import ConfigurationError

if TYPE_CHECKING:
    from switchwise.clients.sdk import Client
    from switchwise.config import Configuration, Recipe
    from switchwise_loopback import LoopbackProvider


@dataclass(frozen=True, slots=True)
class DrillResult:
    """Result of one request while some targets fail.

    Parameters:
        failing: failing targets.
        answered: target of the answer; None: no answer.
        tried: attempts, as target and result.
        seconds: wait of the caller, pauses included.
        cost: USD of the answer; None: no answer, or no price.
        message: the caller's error if no target answered.
    """

    failing: str
    answered: str | None
    tried: list[tuple[str, str]]
    seconds: float
    cost: float | None
    message: str = ""


def drill(
    config: ConfigFile = None,
    router: RouterName = None,
    fault: Annotated[
        str, typer.Option(help="How they fail: overloaded, rate_limit, server_error, quota, authentication, reset, ...")
    ] = "overloaded",
    tokens: Annotated[int, typer.Option(min=1, max=1_000_000, help="Length of the prompt, for the price.")] = 2_000,
    latency: Annotated[float, typer.Option(min=0, max=60, help="Seconds until a target begins to answer.")] = 0.0,
    json_: AsJson = False,
) -> None:
    """Simulate failures of each target, each provider, and all together, on this machine, and show which target answers.

    No external provider is called. Exit status 1: a single failure leaves a request without an answer.
    """
    try:
        from switchwise_loopback import Fault, LoopbackProvider
    except ImportError:
        raise ConfigurationError("drill needs the loopback provider: pip install switchwise-loopback") from None
    from switchwise.config import find, load
    from switchwise.config.problems import near

    kinds = {each.value: each for each in Fault}
    if fault not in kinds:
        raise ConfigurationError(f"--fault {fault}: {near(fault, kinds)}")
    path = find(config)
    recipe = load(path).pick(router)
    outcomes: list[DrillResult] = []
    with (
        LoopbackProvider(latency={"*": latency}, strict=False) as provider,
        working("loading the SDKs") as now,
        _silence("switchwise"),  # opened circuits are expected here
    ):
        clients = _clients(load(path), recipe, provider)
        cases = list(_cases(recipe))
        for done, (failing, names) in enumerate(cases):
            now(f"{failing} failing", done=done, total=len(cases))
            configuration = load(path)  # cases share no state
            provider.clear()
            provider.forget()
            for name in names:
                provider.inject(kinds[fault], times=None, model=name, seconds=0.1)
            outcomes.append(_ask(configuration, configuration.pick(recipe.name), failing, clients, tokens))
    if json_:
        as_json({"router": recipe.name, "fault": fault, "tokens": tokens, "cases": [asdict(outcome) for outcome in outcomes]})
    else:
        _print_outcomes(recipe, outcomes, fault)
    alone = [outcome for outcome in outcomes if outcome.answered is None and outcome.failing != "all"]
    raise typer.Exit(1 if alone else 0)


def _cases(recipe: Recipe) -> Iterator[tuple[str, Sequence[str]]]:
    """Failing targets of each case."""
    names = [target.name for target in recipe.pool]
    yield "none", ()
    for name in names:
        yield name, [name]
    providers = dict.fromkeys(target.provider for target in recipe.pool)
    for provider in providers:
        theirs = [target.name for target in recipe.pool if target.provider == provider]
        if 1 < len(theirs) < len(names):
            yield f"all of {provider}", theirs
    if len(names) > 1:
        yield "all", names


@contextmanager
def _silence(name: str) -> Iterator[None]:
    """Silence a log for a block."""
    log = logging.getLogger(name)
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(before)


def _clients(configuration: Configuration, recipe: Recipe, provider: LoopbackProvider) -> dict[str, Client]:
    """A client per target, after a first call, which takes seconds in an SDK.

    Each has its target's name as the model, so that a failure affects only this target.
    """
    from switchwise import Call, Shortlist, View
    from switchwise.clients import AnthropicClient, OpenAIClient
    from switchwise.protocols.prompt import Prompt

    made: dict[str, Client] = {}
    for target in recipe.pool:
        if target.provider == "anthropic" or configuration.endpoints[target.name].api == "messages":
            client: Client = AnthropicClient(base_url=provider.anthropic_url, api_key="local")
        else:
            client = OpenAIClient(base_url=provider.openai_url, api_key="local")
        there = replace(target, model=target.name)
        prompt = Prompt([{"role": "user", "content": "Hello"}], max_tokens=20)
        list(client.perform(Call(there, View(), Shortlist(recipe.pool)), client.render(prompt, there)))
        made[target.name] = client
    return made


def _ask(configuration: Configuration, recipe: Recipe, failing: str, clients: Mapping[str, Client], tokens: int) -> DrillResult:
    """Make one request, with real clients and a simulated failure; pauses are counted, not slept. A shared store does not hear of it."""
    from switchwise import Router, Scope, View, drive
    from switchwise.protocols.prompt import Prompt

    waited: list[float] = []
    attempts: list[Any] = []
    router = Router.from_recipe(configuration, replace(recipe, observers=(), store=None), observers=[attempts.append])
    prompt = Prompt([{"role": "user", "content": "word " * tokens}], max_tokens=200)
    began, answered, message, cost = perf_counter(), None, "", None

    def perform(call: Any) -> Iterator[Any]:
        client, target = clients[call.target.name], replace(call.target, model=call.target.name)
        params = client.render(
            replace(prompt, messages=[{"role": "user", "content": call.ask}]) if call.ask else prompt, target
        )
        return client.perform(replace(call, target=target), params)

    try:
        run = router.start(View(Scope("drill"), tokens=tokens))
        for _ in drive(run, perform, sleep=waited.append):
            pass
        answered, cost = run.outcome.target.name, run.outcome.cost
    except Exception as error:  # noqa: BLE001  (an SDK's own, where the request itself is at fault)
        message = " ".join(str(error).split()) or type(error).__name__
    seconds = perf_counter() - began + sum(waited)
    tried = [(attempt.target.name, attempt.kind.value if attempt.kind else "answered") for attempt in attempts]
    return DrillResult(failing, answered, tried, round(seconds, 2), cost, message)


def _print_outcomes(recipe: Recipe, outcomes: Sequence[DrillResult], fault: str) -> None:
    lost = [outcome.failing for outcome in outcomes if outcome.answered is None]
    usual = outcomes[0]
    if not lost:
        sentence = f"Every request is answered, whichever target fails ({fault})."
    elif usual.answered is None:
        sentence = f"No target answers even when none fails: {usual.message}"
    elif lost == ["all"]:
        sentence = f"Whichever target fails ({fault}), another one answers; {usual.answered} does when none fails."
    else:
        sentence = f"No target answers when these fail ({fault}): {', '.join(name for name in lost if name != 'all')}."
    rows: list[list[object]] = []
    for outcome in outcomes:
        tried = ", ".join(f"{name} ({became})" for name, became in outcome.tried)
        answer = Text(outcome.answered, "green") if outcome.answered else Text("none", "bold red")
        rows.append([outcome.failing, answer, f"{outcome.seconds:.2f}", usd(outcome.cost), tried or outcome.message])
    columns = {
        "failing": f"{fault}, for as long as it takes",
        "answers": "whose answer the caller gets",
        "seconds": "until then, pauses between attempts included; models answer as fast as --latency says",
        "price": "USD of the answer, with nothing cached",
        "tried": "in this order, and what became of it",
    }
    tell(f"Router {recipe.name}: {sentence}", columns, rows, right=("seconds", "price"))
