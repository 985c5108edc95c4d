"""The sections of the page, each drawn from a summary."""

from __future__ import annotations

import time
from collections.abc import Sequence

from switchwise.display.figures import count, many, percent, seconds, usd
from switchwise.display.html import Content, Html, el
from switchwise.report.baselines import Baseline
from switchwise.report.drawing.tables import Colours, bar, line, table
from switchwise.report.reliability import Times
from switchwise.report.spending import NONE, Spend
from switchwise.report.summary import Summary

_KINDS = {
    "timid": "Too timid",
    "bold": "Too bold",
    "dear": "Too dear",
    "cache": "Caches",
    "failures": "Failures",
    "prices": "Prices",
    "models": "Models",
    "data": "Journal",
    "fine": "All is well",
}
_HEADS = {"session": "Session", "agent": "Agent", "task": "Task", "phase": "Phase", "target": "Target", "account": "Account"}


def hero(summary: Summary, colours: Colours) -> Html:
    """Key figures, spending by target, and spending over time."""
    total, found = summary.total, summary.baselines
    tiles = [el("div", el("dt", "Spent"), el("dd", usd(total.cost), class_="big"), el("dd", _spent(summary)), class_="lead")]
    if found is not None and len(summary.pool) > 1:
        best = found.headline
        word = "Saved" if best.saving >= 0 else "Lost"
        detail = f"{percent(abs(best.saving))}{_interval(best)} against {best.name}: {usd(best.cost)}"
        amount = usd(abs(best.cost - found.routed))
        tiles.append(el("div", el("dt", word), el("dd", amount, class_=f"big {word.lower()}"), el("dd", detail), class_="lead"))
    more: list[tuple[str, str, str]] = [
        ("Answered", percent(summary.answered / summary.steps), f"{summary.answered:,} of {many(summary.steps, 'step')}"),
        ("Fallbacks", f"{summary.fell_back:,}", "steps answered by a stand-in"),
        ("Read from caches", percent(total.hit_rate), f"of {count(total.prompt)} prompt tokens"),
    ]
    if summary.latency:
        more.append(("Answer, median", seconds(summary.latency.p50), f"95 % within {seconds(summary.latency.p95)}"))
    if summary.sub_agents:
        own = summary.sub_agents
        more.append(("Sub-agents", usd(own.cost), f"{percent(own.cost / total.cost if total.cost else None)} of the spend"))
    tiles += [el("div", el("dt", name), el("dd", value, class_="mid"), el("dd", detail)) for name, value, detail in more]
    return el("div", el("dl", tiles, class_="tiles"), _shares(summary, colours), _slices(summary, colours), class_="hero")


def _spent(summary: Summary) -> str:
    besides = summary.total.besides
    return f"{usd(besides)} of it for rejected replies and checks" if besides else "all of it for answers that were used"


def _interval(row: Baseline) -> str:
    return f" ({row.low * 100:.0f} to {row.high * 100:.0f} %)" if row.low is not None and row.high is not None else ""


def _shares(summary: Summary, colours: Colours) -> Html | None:
    total = summary.total.cost
    if not total:
        return None
    rows = [row for row in summary.by["target"] if row.cost > 0]
    bars = [el("span", class_=colours.of(row.name), style=f"flex-grow:{row.cost / total:.5f}") for row in rows]
    legend = [el("li", colours.dot(row.name), " ", el("b", percent(row.cost / total)), " ", usd(row.cost)) for row in rows]
    caption = "Spend by target: " + ", ".join(f"{row.name} {percent(row.cost / total)}" for row in rows)
    return el("figure", el("div", bars, class_="stack", role="img", aria_label=caption), el("ul", legend, class_="legend"))


def _slices(summary: Summary, colours: Colours) -> Html | None:
    slices = summary.slices
    most = max((sum(each.by.values()) for each in slices), default=0.0)
    if len(slices) < 3 or not most:
        return None
    columns = []
    for each in slices:
        parts = [
            el("i", class_=colours.of(name), style=f"height:{each.by[name] / most * 100:.2f}%")
            for name in colours.names
            if each.by.get(name)
        ]
        columns.append(el("span", parts, title=f"{_moment(each.start)}: {usd(sum(each.by.values()))}"))
    length = slices[0].end - slices[0].start
    caption = f"Spend over time, in slices of {seconds(length)}: the dearest is {usd(most)}."
    axis = el("div", el("span", _moment(slices[0].start)), el("span", _moment(slices[-1].end)), class_="axis")
    return el("figure", el("div", columns, class_="columns", role="img", aria_label=caption), axis, el("figcaption", caption))


def _moment(at: float) -> str:
    return time.strftime("%b %d, %H:%M", time.gmtime(at))


def advice(summary: Summary) -> Html:
    """The findings in words."""
    cards = [
        el(
            "li",
            el("span", _KINDS[each.kind], class_="kind"),
            el("h3", each.title),
            el("p", each.text),
            el("p", each.remedy, class_="remedy") if each.remedy else None,
            class_=f"card {each.kind}",
        )
        for each in summary.advice
    ]
    return el("ul", cards, class_="cards")


def spend(summary: Summary, colours: Colours) -> Html:
    """A table for each dimension, one shown at a time where the page's script runs."""
    tabs, panels = [], []
    for number, (dimension, rows) in enumerate(summary.by.items()):
        silent = all(row.name == NONE for row in rows)
        if silent and dimension not in ("user", "team"):
            continue
        head = _HEADS.get(dimension, dimension.capitalize())
        tabs.append(
            el(
                "button",
                head,
                role="tab",
                type="button",
                id=f"tab-{number}",
                aria_controls=f"panel-{number}",
                aria_selected="false",
                tabindex="-1",
            )
        )
        body: Content = (
            el("p", f"No call carries the label `{dimension}`.", class_="note")
            if silent
            else _spend_table(head, dimension, rows, summary.total, colours)
        )
        panels.append(
            el(
                "div",
                el("h3", f"By {head.lower()}"),
                body,
                role="tabpanel",
                id=f"panel-{number}",
                aria_labelledby=f"tab-{number}",
            )
        )
    note = el("p", "The rows of each table add up to the whole spend.", class_="note")
    return el("div", note, el("div", tabs, role="tablist", aria_label="Spend by", hidden=True), panels, class_="tabs")


def _spend_table(head: str, dimension: str, rows: Sequence[Spend], total: Spend, colours: Colours) -> Html:
    most = max((row.cost for row in rows), default=0.0) or 1.0
    headings = (head, "Spent", "Share", "Answers", "Prompt tokens", "From caches", "Not used", "Failed")
    lines = []
    for row in rows:
        tone = colours.of(row.name) if dimension == "target" else ""
        name: Content = colours.dot(row.name) if dimension == "target" else row.name
        length = bar(row.cost, most, tone)
        cells = (
            usd(row.cost) + (" +" if row.unpriced else ""),
            percent(row.cost / total.cost if total.cost else None),
            f"{row.calls:,}",
            count(row.prompt),
            percent(row.hit_rate),
            usd(row.besides) if row.besides else "–",
            f"{row.failed:,}" if row.failed else "–",
        )
        lines.append(line(el("span", name, length, class_="named"), cells))
    return table(headings, lines, wide=(3, 4, 6), caption=f"Spend by {head.lower()}")


def savings(summary: Summary) -> Html | None:
    """The baselines, with intervals."""
    found = summary.baselines
    if found is None:
        return None
    most = max(found.routed, *(row.cost for row in found.rows if row.kind not in ("uncached",))) or 1.0
    lines = [
        line(
            el("span", el("b", "as routed"), bar(found.routed, most, "here"), class_="named"),
            (el("b", usd(found.routed)), "", ""),
        )
    ]
    for row in found.rows:
        difference = (
            f"{percent(row.saving)} cheaper"
            if row.saving >= 0
            else f"{percent(-row.saving)} dearer"
            if row.saving > -1
            else f"{1 - row.saving:.1f} × as dear"
        )
        between = (
            f"{row.low * 100:.0f} to {row.high * 100:.0f} %"
            if row.low is not None and row.high is not None and row.saving > -1
            else "–"
        )
        lines.append(
            line(
                el("span", row.name, bar(row.cost, most, "other"), class_="named"),
                (usd(row.cost), el("span", difference, class_=_tone(row)), between),
            )
        )
    caption = (
        f"{many(found.counted, 'call')} made again in other ways; no baseline makes more calls than were made, and none says that the work would "
        f"have been as good. The cost model bills the answers at {percent(found.trust)} of what was paid for them; both sides of a "
        "comparison are by the model, so that its error falls out."
    )
    if found.left_out:
        caption += f" {many(found.left_out, 'attempt')} without tokens are left out."
    headings = ("The same calls", "Would cost", "Routing is", "95 % interval")
    return el(
        "div",
        table(headings, lines, wide=(3,), caption="Cost of the same calls in other ways"),
        el("p", caption, class_="note"),
    )


def _tone(row: Baseline) -> str | None:
    """Dearer than a weaker model for everything is no loss."""
    return "good" if row.saving >= 0 else None if row.kind == "one_target" else "bad"


def caches(summary: Summary, colours: Colours) -> Html | None:
    """How much of each target's prompts caches had."""
    rows = [row for row in summary.by["target"] if row.prompt]
    if not any(row.cached for row in rows):
        return None
    most = max(row.prompt for row in rows)
    lines = []
    for row in rows:
        widths = (row.cached / most * 100, (row.prompt - row.cached) / most * 100)
        bars = [
            el("i", class_=f"{colours.of(row.name)} {tone}", style=f"width:{width:.2f}%")
            for tone, width in zip(("cached", "fresh"), widths, strict=True)
        ]
        name = el("span", colours.dot(row.name), el("span", bars, class_="pair", aria_hidden="true"), class_="named")
        lines.append(line(name, (percent(row.hit_rate), count(row.cached), count(row.prompt - row.cached))))
    headings = ("Target", "Hit rate", "Tokens read", "Tokens not cached")
    note = "Pale: prompt tokens that a cache had. Solid: those that were billed as new or written to it."
    return el("div", table(headings, lines, wide=(3,), caption="Prompt caches by target"), el("p", note, class_="note"))


def reliability(summary: Summary, colours: Colours) -> Html:
    """Results of the attempts, and fallbacks."""
    lines = []
    for row in summary.health:
        kinds = ", ".join(f"{kind.replace('_', ' ')} {number:,}" for kind, number in row.kinds.items()) or "–"
        cells = (
            f"{row.attempts:,}",
            f"{row.accepted:,}",
            f"{row.rejected:,}" if row.rejected else "–",
            f"{row.failed:,}" if row.failed else "–",
            percent(row.failed / row.attempts),
            kinds,
        )
        lines.append(line(colours.dot(row.target), cells, text=(5,)))
    headings = ("Target", "Attempts", "Accepted", "Rejected", "Failed", "Failed, share", "Kinds of failure")
    parts: list[Content] = [table(headings, lines, wide=(1, 5, 6), text=(6,), caption="Attempts by target")]
    if summary.fallbacks:
        rows = [
            line(
                el("span", colours.dot(row.first), " → ", colours.dot(row.then), class_="route"),
                (row.why.replace("_", " "), f"{row.steps:,}", seconds(row.seconds / row.steps)),
                text=(0,),
            )
            for row in summary.fallbacks
        ]
        heads = ("Answered instead", "Because", "Steps", "Lost per step")
        parts += [el("h3", "Fallbacks"), table(heads, rows, wide=(3,), text=(1,), caption="Fallbacks")]
    else:
        parts.append(el("p", "No step was answered by another target than the first that was tried.", class_="note"))
    return el("div", parts)


def latency(summary: Summary, colours: Colours) -> Html | None:
    """Percentiles by target."""
    rows = [row for row in summary.health if row.latency is not None]
    if not rows:
        return None
    most = max(row.latency.p99 for row in rows if row.latency) or 1.0
    lines = []
    for row in rows:
        own = row.latency
        assert own is not None, "rows without one are left out"
        marks = [el("i", class_=f"mark {name}", style=f"left:{value / most * 100:.2f}%") for name, value in _percentiles(own)]
        span = el("i", class_="span", style=f"left:{own.p50 / most * 100:.2f}%;width:{(own.p99 - own.p50) / most * 100:.2f}%")
        range_ = el("span", span, marks, class_=f"range {colours.of(row.target)}", aria_hidden="true")
        first = seconds(row.first_chunk.p50) if row.first_chunk else "–"
        cells = (f"{own.n:,}", *(seconds(value) for _, value in _percentiles(own)), first)
        lines.append(line(el("span", colours.dot(row.target), range_, class_="named"), cells))
    headings = ("Target", "Replies", "p50", "p95", "p99", "First chunk, p50")
    return table(headings, lines, wide=(1, 5), caption="Seconds from the call to the last token, by target")


def _percentiles(own: Times) -> tuple[tuple[str, float], ...]:
    return (("p50", own.p50), ("p95", own.p95), ("p99", own.p99))


def decisions(summary: Summary, colours: Colours) -> Html | None:
    """Policies and levels, by target."""
    if not summary.decided:
        return None
    names = [name for name in colours.names if any(row.target == name for row in summary.decided)]
    groups: dict[tuple[str, str], dict[str, int]] = {}
    for row in summary.decided:
        groups.setdefault((row.policy, row.level), {})[row.target] = row.steps
    lines = []
    for (policy, level), own in sorted(groups.items(), key=lambda item: -sum(item[1].values())):
        total = sum(own.values())
        bars = [
            el("i", class_=colours.of(name), style=f"width:{own[name] / summary.answered * 100:.2f}%")
            for name in names
            if own.get(name)
        ]
        name = el(
            "span",
            el("span", el("b", policy), f" per {level}"),
            el("span", bars, class_="pair", aria_hidden="true"),
            class_="named",
        )
        cells = (
            f"{total:,}",
            percent(total / summary.answered),
            *(f"{own[each]:,}" if own.get(each) else "–" for each in names),
        )
        lines.append(line(name, cells))
    headings: tuple[Content, ...] = ("Policy and level", "Steps", "Share", *(colours.dot(name) for name in names))
    note = "The policy that settled who was called; the level says for how long its answer is kept."
    return el("div", table(headings, lines, caption="Decisions by policy and level"), el("p", note, class_="note"))


def sessions(summary: Summary, shown: int) -> Html:
    """The frame that the page's script fills."""
    total = len(summary.sessions)
    caption = (
        f"All {many(total, 'session')}, the dearest first."
        if shown == total
        else f"The {shown:,} dearest of {total:,} sessions."
    )
    return el(
        "div",
        el("p", f"{caption} Choose one to see each decision with its reasons.", class_="note"),
        el("noscript", el("p", "The steps are drawn by the script of this page, which does not run here.", class_="note")),
        el(
            "div",
            el(
                "div",
                el("label", "Find a session", for_="find"),
                el("input", type="search", id="find", placeholder="name", autocomplete="off"),
                el("ul", id="list"),
                class_="picker",
            ),
            el("div", id="session", tabindex="-1", aria_live="polite"),
            class_="explorer",
        ),
    )
