"""Reads signals from a single message: kind of tool calls, tool failures, the user's request.

Each message is read once and the result is kept, so reading may cost some microseconds; it looks at a bounded head and tail of the
text, whatever its length. The rest of the conversation is the business of `phases`.

Rules:
1. An explicit status takes precedence over any text. An exit code in the text comes next, and only then wording.
2. The word "error" somewhere in a result proves nothing: a result fails where it *begins* with an error, where its JSON has
   an error at the top, or where the output of something that was run has a traceback or a failing summary at the start of a line.
3. Words are looked for with `in` before any pattern is tried: a pattern over a page of text costs 200 us, a miss 0.1 us.

Source: error severity of tool results, by status first and by text last, as in the stage router of NeMo Switchyard.
"""

from __future__ import annotations

import json
import re
from enum import IntEnum
from typing import Final, NamedTuple

from switchwise.nouns.signals import Phase, Turn
from switchwise.reading.tool_kinds import ToolKind, kind_of_call, kind_of_command


class Fault(IntEnum):
    """How badly a tool result went: fine, an error, or a crash of something that was run."""

    NONE = 0
    PLAIN = 1
    SEVERE = 2


class MessageSignals(NamedTuple):  # quick to make: there is one for each message
    """Signals of one message.

    Parameters:
        role: `system`, `user`, `assistant` or `tool`; the observation that some agents send as a user message is `tool`.
        kind: kind of the calls of an assistant turn, or of the tool of a tool turn; None if there is no call, or unknown.
        fault: how badly a tool turn went.
        because: the words or names that are the evidence.
        asks: the phase that a user turn asks for; `implementing`: the user accepts the proposal; None if unclear.
        runs: one of an assistant turn's calls runs something.
    """

    role: str
    kind: ToolKind | None = None
    fault: Fault = Fault.NONE
    because: str = ""
    asks: Phase | None = None
    runs: bool = False


_HEAD: Final = 600
_TAIL: Final = 1_000
_WHOLE: Final = 2_000


def read_message(turn: Turn) -> MessageSignals:
    """Read one message.

    >>> read_message(Turn("assistant", calls=("get_user_details",))).kind.value
    'lookup'
    >>> read_message(Turn("tool", "Error: payment method not found", tool="book_reservation")).fault.name
    'PLAIN'
    >>> read_message(Turn("tool", "The error budget is fine.", tool="get_report")).fault.name
    'NONE'
    """
    if turn.role == "tool":
        return _result(turn.tool, turn.text, turn.failed)
    if turn.role == "assistant":
        return _answer(turn)
    if turn.role == "user":
        if _OBSERVATION.match(turn.text, 0, _HEAD):
            return _result("", turn.text, turn.failed)
        asks, words = _asked(turn.text)
        return MessageSignals("user", asks=asks, because=words)
    return MessageSignals(turn.role)


def _ends(text: str, tail: int = _TAIL) -> str:
    return text if len(text) <= _HEAD + tail else f"{text[:_HEAD]}\n{text[-tail:]}"


def _brief(text: str) -> str:
    return text.strip().split("\n", 1)[0][:60]


# Assistant turns. Of several calls, the most informative represents the turn.

_TELLING: Final = (
    ToolKind.FINISH,
    ToolKind.PROPOSE,
    ToolKind.TRANSACT,
    ToolKind.WRITE,
    ToolKind.DOCUMENT,
    ToolKind.TEST,
    ToolKind.RUN,
    ToolKind.THINK,
    ToolKind.COMPUTE,
    ToolKind.LOOKUP,
    ToolKind.READ,
    ToolKind.TRACK,
    ToolKind.OTHER,
)
_RUNNING: Final = frozenset((ToolKind.RUN, ToolKind.TEST))
_BLOCK: Final = re.compile(r"```(?:bash|sh|shell|\w*bash_command)\n(.*?)```$", re.DOTALL)


def _answer(turn: Turn) -> MessageSignals:
    if not turn.calls:
        if not turn.text.endswith("```"):
            return MessageSignals("assistant")
        block = _BLOCK.search(turn.text[-_WHOLE:])  # agents without tool calls end with the command that they want run
        if not block:
            return MessageSignals("assistant")
        kind = kind_of_command(block[1])
        return MessageSignals("assistant", kind, runs=kind in _RUNNING, because=_brief(block[1]))
    if len(turn.calls) == 1:
        [name] = turn.calls
        kind = kind_of_call(name, turn.arguments)
        return MessageSignals("assistant", kind, runs=kind in _RUNNING, because=name)
    kinds = {kind_of_call(name, turn.arguments): name for name in turn.calls}
    kind = min(kinds, key=_TELLING.index)
    return MessageSignals("assistant", kind, runs=not _RUNNING.isdisjoint(kinds), because=kinds[kind])


# Tool turns.

_OBSERVATION: Final = re.compile(r"\s*(?:<returncode>|<output>|Observation:|OBSERVATION:)")
_EXIT: Final = re.compile(r"(?:exit(?:ed with)?[ _]?(?:code|status)|return[ _]?code)\W{1,4}(-?\d+)")  # in lower case
_SILENT: Final = re.compile(r"<output>\s*</output>")
_BEGINS: Final = re.compile(
    r"\W{0,3}(?:tool_use_error\b|(?:(?!no )[a-z]+ )?errors?(?:\s*[:!]| -)|\w*(?:Error|Exception)\s*[:(]|traceback \(most recent"
    r"|error (?:while|executing|calling|invoking|running|in)\b|fatal:|failed(?::| to \w)|failure:|command failed|panic:"
    r"|permission denied|access denied|invalid (?:argument|parameter|input|request)|unknown tool"
    r"|tool \S+ (?:failed|not found|does not exist))",
    re.IGNORECASE,
)
_BEGINS_OBJECT: Final = re.compile(r"""\s*\{\s*["']error["']\s*:(?!\s*(?:null|None|false|False|""|''|\[\]|\{\}))""")
_CRASHES: Final = tuple(
    (word, re.compile(line))
    for word, line in (
        ("Traceback (most recent call last)", r".*Traceback"),
        ("Error", r"(?:E  +)?(?:\w+\.)*\w*Error(?::|$)|npm Error"),
        ("Exception", r"(?:E  +)?(?:\w+\.)*\w*Exception(?::|$)|Exception in thread"),
        ("error", r"error(?:\[\w+\])?:|\S+:\d+(?::\d+)?:? (?:fatal )?error\b|(?:.*[ =])?[1-9]\d* errors?\b(?!\s*\()"),
        ("FAIL", r"--- FAIL|FAIL(?:ED)?\b|BUILD FAIL|={3,}.*FAIL"),
        (" failed", r"(?:.*[ =,(])?[1-9]\d* (?:\w+ )?failed\b"),
        (" failing", r"\s*[1-9]\d* failing\b"),
        ("panic:", r"panic:"),
        ("npm ERR!", r"npm ERR!"),
        ("command not found", r".*: command not found"),
        ("No module named", r".*: No module named"),
        ("egmentation fault", r".*egmentation fault"),
        ("make: ***", r"make: \*\*\*"),
    )
)


def _result(name: str, text: str, failed: bool | None) -> MessageSignals:
    kind = kind_of_call(name) if name else None
    fault, words = _fault(kind, text, failed)
    return MessageSignals("tool", kind, fault, words or name)


_FINE: Final = (Fault.NONE, "")


def _fault(kind: ToolKind | None, text: str, failed: bool | None) -> tuple[Fault, str]:
    if failed is False:
        return _FINE
    ran = kind is None or kind in _RUNNING
    ends = _ends(text) if ran else ""
    crash = _crash(ends) if ran else ""
    if failed:
        return (Fault.SEVERE, crash) if crash else (Fault.PLAIN, "error status")
    lowered = ends.lower()
    if ("code" in lowered or "status" in lowered) and (code := _EXIT.search(lowered)):
        if code[1] == "1" and _SILENT.search(ends):  # a search without hits exits with 1
            return _FINE
        if code[1] == "0":  # the code is that of the last command of a pipe, so a crash may stand before it
            return (Fault.PLAIN, crash) if crash else _FINE
        return (Fault.SEVERE, crash) if crash else (Fault.PLAIN, f"exit code {code[1]}")
    if crash:
        return Fault.SEVERE, crash
    if _BEGINS.match(text, 0, _HEAD) or (text.startswith("{") and _object_fails(text)):
        return Fault.PLAIN, _brief(text[:_HEAD])
    return _FINE


def _crash(text: str) -> str:
    """Return the line that reports a crash; empty if there is none."""
    for word, line in _CRASHES:
        at = text.find(word)
        while at >= 0:
            if found := line.match(text, text.rfind("\n", 0, at) + 1):
                return _brief(found[0])
            end = text.find("\n", at)
            at = text.find(word, end) if end >= 0 else -1
    return ""


def _object_fails(text: str) -> bool:
    """Return whether a JSON object has an error at its top level."""
    if _BEGINS_OBJECT.match(text, 0, _HEAD):
        return True
    if len(text) > _WHOLE or not any(word in text for word in _SAYS_SO):
        return False
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return bool(
        found.get("error")
        or found.get("isError") is True
        or found.get("is_error") is True
        or found.get("success") is False
        or found.get("ok") is False
        or found.get("status") in ("error", "failed", "failure")
    )


_SAYS_SO: Final = ('rror"', '"success"', '"ok"', '"failed"', '"failure"')

# User turns. The stems are looked for first; a pattern is tried where one of them occurs.

_ASKS: Final = (
    (
        Phase.SUMMARISING,
        ("summar", "recap", "tl;dr", "tldr", "condense", "takeaway"),
        re.compile(
            r"(?:^|[.!?\n] *|\b(?:please|you|to|and|then) )(?:summari[sz]e|recap|condense)\b|\btl;?dr\b"
            r"|\b(?:write|give|create|provide|make|need|want|get)\b(?:(?!not\b)[^.\n]){0,30}\b(?:summary|recap|key takeaways)\b"
        ),
    ),
    (
        Phase.DOCUMENTING,
        ("doc", "readme", "changelog", "release notes", "tutorial", "comments"),
        re.compile(
            r"\b(?:write|update|add|improve|fix|create|draft|generate)\b[^.\n]{0,40}\b(?:docs?|documentation|readme|docstrings?|"
            r"changelog|release notes|tutorial|comments)\b|\bdocument (?:this|the|how|all|every)\b"
        ),
    ),
    (
        Phase.TESTING,
        ("test", "coverage", "linter", "benchmark"),
        re.compile(
            r"\b(?:write|add|run|create|extend|generate|improve)\b[^.\n]{0,30}"
            r"\b(?:tests?|test suite|test cases?|coverage|linter|benchmarks?)\b|\btest (?:it|this|that)\b"
        ),
    ),
    (
        Phase.DEBUGGING,
        ("debug", "fix", "bug", "trace", "fail", "crash", "broken", " work", "error", "exception"),
        re.compile(
            r"\bdebug|\bfix\b|\bbugs?\b|\btraceback\b|\bstack ?trace\b|\b(?:fails|failing|crash(?:es|ed|ing)?|broken)\b"
            r"|\b(?:doesn't|does not|isn't|not) work|\bgetting (?:an|this) error\b|\w(?:error|exception): "
        ),
    ),
    (
        Phase.PLANNING,
        ("plan", "design", "proposal", "outline", "how ", "brainstorm", "pros and", "code"),
        re.compile(
            r"\b(?:make|write|create|draft|need|propose|outline) (?:me )?(?:an?|the) (?:\w+ )?(?:plan|proposal|design|outline)\b"
            r"|\bplan (?:how|the|for|out|this)\b|\bdesign (?:a|an|the)\b|\bhow (?:should|would|could) (?:we|you|i)\b"
            r"|\bdon't (?:write|change) (?:any )?code\b|\bbrainstorm|\bpros and cons\b"
        ),
    ),
)
_YES: Final = re.compile(
    r"\W*(?:yes|yep|yeah|sure|ok|okay|please do|do it|lgtm|looks good|sounds good|approved|confirmed)[\s.!,]*"
    r"(?:please|thanks|thank you)?[\s.!]*$"
)
_GO: Final = ("go ahead", "proceed", "confirm", "implement", "looks good", "lgtm")
_SENTENCE: Final = re.compile(r"[^.!?\n]+[.!?]?")
_GO_AHEAD: Final = re.compile(r"\b(?:go ahead|proceed|i confirm|implement (?:it|the plan|this)|looks good|lgtm)\b")
_UNSURE: Final = re.compile(r"\b(?:how|can|could|before|if|cannot|not)\b|\?$")
_AGREEMENT: Final = 300
_LAST_WORDS: Final = 200  # what a long prompt says in its middle are rules for every step, not what is asked for


def _asked(text: str) -> tuple[Phase | None, str]:
    ends = _ends(text, _LAST_WORDS).lower()
    for phase, stems, pattern in _ASKS:
        for stem in stems:
            if stem in ends:
                if found := pattern.search(ends):
                    return phase, _brief(found[0])
                break
    if len(text) <= _AGREEMENT and (words := _agreed(ends)):
        return Phase.IMPLEMENTING, words
    return None, ""


def _agreed(text: str) -> str:
    """Return the words with which the user accepts a proposal; empty if there are none."""
    if _YES.match(text):
        return _brief(text)
    if any(word in text for word in _GO):
        for sentence in _SENTENCE.findall(text):
            if _GO_AHEAD.search(sentence) and not _UNSURE.search(sentence):
                return _brief(sentence)
    return ""
