"""Findings from a journal, in words with numbers.

They do not change the router. Each finding states its evidence, so that you can disagree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from switchwise.display.figures import many, percent, usd
from switchwise.nouns.signals import StepKind
from switchwise.observe.journal.record import Record
from switchwise.report.baselines import Baselines
from switchwise.report.reliability import Health
from switchwise.report.spending import Spend
from switchwise.report.steps import JournalStep, Session

TIMID_SHARE, TIMID_ROUTINE, CHEAPER = 0.8, 0.3, 3.0
REJECTED, FAILING, COLD = 0.2, 0.05, 0.5
ENOUGH = 10  # replies, before a share of them says anything
_SURE = 1.96  # standard errors


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One finding.

    Parameters:
        kind: `timid`, `bold`, `dear`, `cache`, `failures`, `prices`, `models`, `data` or `fine`.
        title: the finding, in one sentence without a full stop.
        text: its numbers.
        remedy: what to try; empty: none.
    """

    kind: str
    title: str
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts for the findings.

    Parameters:
        steps, sessions, targets, health, baselines: of the summary; `targets` is the spend by target.
        pool: names of the newest pool, strongest first.
        rewards: decision id -> last reward.
        moved: sentences about changed prices and models.
    """

    steps: Sequence[JournalStep]
    sessions: Sequence[Session]
    targets: Sequence[Spend]
    health: Sequence[Health]
    baselines: Baselines | None
    pool: Sequence[str]
    rewards: Mapping[str, float]
    moved: Sequence[Recommendation]


def advise(facts: Facts) -> tuple[Recommendation, ...]:
    """Return all findings, the most urgent first."""
    found = [
        *_dear(facts),
        *_bold(facts),
        *_failing(facts),
        *_timid(facts),
        *_cold(facts),
        *facts.moved,
        *_flat(facts),
        *_data(facts),
    ]
    if not any(advice.kind in ("dear", "bold", "failures", "timid", "cache") for advice in found):
        found.insert(0, _fine(facts))
    return tuple(found)


def _fine(facts: Facts) -> Recommendation:
    text = "Shares, rejections, failures and cache reads are within their usual bounds."
    if facts.baselines and facts.baselines.headline.saving > 0:
        text += f" Routing saves {percent(facts.baselines.headline.saving)} against {facts.baselines.headline.name}."
    return Recommendation("fine", "Nothing asks for a change", text)


def _dear(facts: Facts) -> list[Recommendation]:
    if facts.baselines is None or len(facts.targets) < 2:
        return []
    best = min(facts.baselines.rows, key=lambda row: row.cost if row.kind == "caching_only" else float("inf"))
    sure = best.high if best.high is not None else best.saving
    if best.saving >= 0 or sure >= 0:
        return []
    return [
        Recommendation(
            "dear",
            f"Routing costs more than {best.name}",
            f"{usd(facts.baselines.routed)} as routed, {usd(best.cost)} that way: {percent(-best.saving)} more. Switches read whole "
            "conversations again that one model has cached.",
            'Hold the choice longer, hold(policy, per="session"), or leave routine steps to Cheapest(), which counts the cache.',
        )
    ]


def _bold(facts: Facts) -> list[Recommendation]:
    if not facts.pool:
        return []
    strong = facts.pool[0]
    each = {row.name: row for row in facts.targets}
    found = []
    for health in facts.health:
        judged = health.accepted + health.rejected
        if health.target == strong or judged < ENOUGH or health.rejected / judged < REJECTED:
            continue
        share = health.rejected / judged
        title = f"Routing is bold: {percent(share)} of the replies of {health.target} are rejected"
        text = f"{many(health.rejected, 'reply', 'replies')} of {judged:,} were paid for and not used: {usd(health.wasted)}."
        own, other = _per_call(each.get(health.target)), _per_call(each.get(strong))
        if own and other:
            worth = max(0.0, 1.0 - own / other)
            text += f" At these bills, asking {health.target} before {strong} pays while at most {percent(worth)} are rejected."
        found.append(
            Recommendation(
                "bold",
                title,
                text,
                "Send it fewer kinds of work (ByPhase, ByStep, Floor), or raise what it must be expected to solve.",
            )
        )
    found += _by_reward(facts, strong)
    found += _by_failure(facts, strong)
    return found


def _per_call(spend: Spend | None) -> float | None:
    return spend.cost / spend.calls if spend and spend.calls and spend.cost else None


def _by_reward(facts: Facts, strong: str) -> list[Recommendation]:
    """Where feedback says that another target does worse than the strongest."""
    rewards: dict[str, list[float]] = {}
    for step in facts.steps:
        if step.answered and (reward := facts.rewards.get(step.last.decision)) is not None:
            rewards.setdefault(step.last.target, []).append(reward)
    best = rewards.get(strong, [])
    found = []
    for name, own in rewards.items():
        if name == strong or min(len(own), len(best)) < ENOUGH:
            continue
        gap = _mean(best) - _mean(own)
        if gap >= 0.1 and gap > _SURE * sqrt(_error(best) ** 2 + _error(own) ** 2):
            found.append(
                Recommendation(
                    "bold",
                    f"Routing is bold: feedback on {name} is worse than on {strong}",
                    f"Mean reward {_mean(own):.2f} over {many(len(own), 'decision')}, against {_mean(best):.2f} over {len(best):,}.",
                    "Find the kind of work it fails at with `switchwise eval`, and keep that on the stronger target.",
                )
            )
    return found


def _by_failure(facts: Facts, strong: str) -> list[Recommendation]:
    """Where tools fail more often after a call of another target than after one of the strongest."""
    after: dict[str, list[float]] = {}
    for session in facts.sessions:
        last: dict[str, str] = {}
        for step in session.steps:
            record = step.last
            if record.agent in last and record.kind in (StepKind.TOOL_RESULT, StepKind.FAILURE):
                after.setdefault(last[record.agent], []).append(float(record.kind == StepKind.FAILURE))
            if step.answered:
                last[record.agent] = record.target
    best = after.get(strong, [])
    found = []
    for name, own in after.items():
        if name == strong or min(len(own), len(best)) < 3 * ENOUGH:
            continue
        gap = _mean(own) - _mean(best)
        if gap >= 0.05 and gap > _SURE * sqrt(_error(best) ** 2 + _error(own) ** 2):
            found.append(
                Recommendation(
                    "bold",
                    f"Routing is bold: tools fail more often after {name}",
                    f"{percent(_mean(own))} of {len(own):,} tool results after its calls are failures, {percent(_mean(best))} of "
                    f"{len(best):,} after {strong}.",
                    "Escalate on failures earlier (ByStep(failure=...)), or keep such agents on the stronger target.",
                )
            )
    return found


def _timid(facts: Facts) -> list[Recommendation]:
    total = sum(row.cost for row in facts.targets)
    if len(facts.pool) < 2 or not total:
        return []
    strong = facts.pool[0]
    own = next((row for row in facts.targets if row.name == strong), None)
    calls = [step.last for step in facts.steps if step.answered and step.last.target == strong]
    if own is None or own.cost / total < TIMID_SHARE or len(calls) < ENOUGH:
        return []
    routine = sum(_routine(record) for record in calls) / len(calls)
    cheaper = _cheaper(calls[-1], strong)
    if routine < TIMID_ROUTINE or not cheaper:
        return []
    name, times = cheaper
    return [
        Recommendation(
            "timid",
            f"Routing is timid: {percent(own.cost / total)} of the spend is on {strong}",
            f"{percent(routine)} of its {len(calls):,} calls are routine steps after a tool that succeeded; {name} lists {times:.0f} times less.",
            'See what `switchwise audit` finds, then try aim="balanced" or a Canary.',
        )
    ]


def _routine(record: Record) -> bool:
    return bool(record.free) or record.kind == StepKind.TOOL_RESULT


def _cheaper(record: Record, strong: str) -> tuple[str, float] | None:
    """The cheapest target of the pool, and how many times less its input costs; None: none is much cheaper."""
    listed = {name: entry["price"]["input"] for name, entry in (record.pool or {}).items() if entry.get("price")}
    if strong not in listed:
        return None
    name = min(listed, key=listed.__getitem__)
    return (name, listed[strong] / listed[name]) if listed[name] and listed[strong] / listed[name] >= CHEAPER else None


def _failing(facts: Facts) -> list[Recommendation]:
    found = []
    for health in facts.health:
        if health.failed < 3 or health.failed / health.attempts < FAILING:
            continue
        kind, most = next(iter(health.kinds.items()), ("of an unknown kind", health.failed))
        share = "all" if most == health.failed else f"{most:,}"
        found.append(
            Recommendation(
                "failures",
                f"{health.target} fails in {percent(health.failed / health.attempts)} of its attempts",
                f"{many(health.failed, 'failure')} in {many(health.attempts, 'attempt')}, {share} of them {kind.replace('_', ' ')}.",
                _REMEDIES.get(kind, "Keep Healthy() in the chain, so that a failing target rests."),
            )
        )
    unanswered = sum(not step.answered for step in facts.steps)
    if unanswered:
        found.append(
            Recommendation(
                "failures",
                f"{many(unanswered, 'step')} ended without an accepted answer",
                f"Of {len(facts.steps):,} steps. Their attempts are in the sessions below.",
                "Run `switchwise drill`: it shows who answers when a target fails.",
            )
        )
    return found


_REMEDIES = {
    "rate_limit": "Give it a second account, or share the work with another target: each account has its own limit.",
    "quota_exhausted": "Its account is empty: top it up, then Router.reset(name).",
    "authentication": "Its key is refused: replace it, then Router.reset(name).",
    "model_not_found": "Its model name is wrong or retired: `switchwise check --live` asks each target.",
    "context_overflow": "Give the target its window (Capabilities(window=...)), so that Fits() rules it out in time.",
    "overloaded": "Add a target at another provider, so that the fallback does not share the outage.",
    "timeout": "Raise the client's timeout, or let a faster target begin (Scope.deadline).",
}


def _cold(facts: Facts) -> list[Recommendation]:
    long = [session for session in facts.sessions if len(session.steps) >= 3]
    prompt, cached = sum(session.spend.prompt for session in long), sum(session.spend.cached for session in long)
    if len(long) < 2 or not prompt or not cached or cached / prompt >= COLD:
        return []
    switches = sum(_switches(session) for session in long)
    calls = sum(session.spend.calls for session in long)
    return [
        Recommendation(
            "cache",
            f"Only {percent(cached / prompt)} of the prompt tokens are read from a cache",
            f"In sessions of three steps and more; {many(switches, 'switch', 'switches')} of the target in {many(calls, 'call')}.",
            'Hold choices for longer (hold(policy, per="agent")), and let CacheHints mark what stays the same.',
        )
    ]


def _switches(session: Session) -> int:
    last: Counter[str] = Counter()
    target: dict[str, str] = {}
    for step in session.steps:
        if step.answered:
            agent = step.last.agent
            last["switches"] += agent in target and target[agent] != step.last.target
            target[agent] = step.last.target
    return last["switches"]


def _data(facts: Facts) -> list[Recommendation]:
    unpriced = [row for row in facts.targets if row.unpriced]
    found = []
    if unpriced:
        names = ", ".join(f"{row.name} ({row.unpriced:,})" for row in unpriced)
        found.append(
            Recommendation(
                "data",
                f"{many(sum(row.unpriced for row in unpriced), 'call')} have no known cost",
                f"They are in no sum: {names}.",
                "Give those targets a price: Target(price=Price(input=..., output=...)).",
            )
        )
    labels = {name for step in facts.steps for name in step.last.labels}
    if missing := [name for name in ("user", "team") if name not in labels]:
        text = " or ".join(f'"{name}"' for name in missing)
        found.append(
            Recommendation(
                "data",
                f"No call carries the label {text}",
                "Spend cannot be split by these labels.",
                f'Pass labels={{"{missing[0]}": ...}} with each call.',
            )
        )
    return found


def _flat(facts: Facts) -> list[Recommendation]:
    """Subscriptions, which are in no call's cost."""
    newest = facts.steps[-1].last.pool if facts.steps else None
    fees = {
        name: entry["price"]["per_month"]
        for name, entry in (newest or {}).items()
        if (entry.get("price") or {}).get("per_month")
    }
    if not fees:
        return []
    calls = {row.name: row.calls for row in facts.targets}
    listed = ", ".join(f"{name} {usd(fee)} a month ({many(calls.get(name, 0), 'answer')} here)" for name, fee in fees.items())
    return [
        Recommendation("data", "Subscriptions are paid in addition to this bill", f"No call carries a part of them: {listed}.")
    ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _error(values: Sequence[float]) -> float:
    """Standard error of the mean."""
    mean = _mean(values)
    return sqrt(sum((value - mean) ** 2 for value in values) / max(len(values) - 1, 1) / len(values))
