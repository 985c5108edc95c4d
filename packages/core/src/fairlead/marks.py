"""What one message says by itself: what its tools do, whether a tool failed, what a user asks for.

A mark is made once per message and kept, so it may cost some microseconds; it reads a bounded head and tail of the
text, however long the text is. Nothing here knows the rest of the conversation: `phases` does.

Rules:
1. A status that somebody set is believed before any text. An exit code in the text comes next, and only then wording.
2. The word "error" somewhere in a result proves nothing: a result fails where it *begins* with an error, where its JSON has
   an error at the top, or where the output of something that was run carries a traceback or a failing summary.
3. A tool is known by the words of its name (`get_user_details`, `TodoWrite`, `mcp__linear__create_issue`); a shell by the
   command that it is given.

Source: error severity from tool results first and text last follows the stage router of NeMo Switchyard.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from fairlead.signals import Phase, Turn


class Act(StrEnum):
    """What a tool call does."""

    READ = "read"
    THINK = "think"
    PROPOSE = "propose"
    WRITE = "write"
    DOCUMENT = "document"
    TRANSACT = "transact"
    COMPUTE = "compute"
    RUN = "run"
    TEST = "test"
    TRACK = "track"
    FINISH = "finish"
    OTHER = "other"


class Fault(IntEnum):
    """How badly a tool result went."""

    NONE = 0
    PLAIN = 1
    SEVERE = 2


@dataclass(frozen=True, slots=True)
class Mark:
    """What one message says.

    Parameters:
        role: `system`, `user`, `assistant` or `tool`; the observation that some agents send as a user message is `tool`.
        act: what the calls of an assistant turn do, or what the tool of a tool turn does; None: no call, or not known.
        fault: how badly a tool turn went.
        asks: the phase that a user turn asks for; None: it does not say.
        because: the words or names that tell, for `act`, `fault` or `asks`.
    """

    role: str
    act: Act | None = None
    fault: Fault = Fault.NONE
    asks: Phase | None = None
    because: str = ""


_HEAD: Final = 600
_TAIL: Final = 1_000
_COMMAND: Final = 2_000


def mark(turn: Turn) -> Mark:
    """Read one message.

    >>> mark(Turn("assistant", calls=("get_user_details",))).act.value
    'read'
    >>> mark(Turn("tool", "Error: payment method not found", tool="book_reservation")).fault.name
    'PLAIN'
    >>> mark(Turn("tool", "The error budget is fine.", tool="get_report")).fault.name
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
        return Mark("user", asks=asks, because=words)
    return Mark(turn.role)


# Assistant turns: the most telling call stands for the turn.

_TELLING: Final = {
    act: rank
    for rank, act in enumerate(
        (
            Act.FINISH,
            Act.PROPOSE,
            Act.TRANSACT,
            Act.WRITE,
            Act.DOCUMENT,
            Act.TEST,
            Act.RUN,
            Act.THINK,
            Act.COMPUTE,
            Act.READ,
            Act.TRACK,
            Act.OTHER,
        )
    )
}


def _answer(turn: Turn) -> Mark:
    if not turn.calls:
        block = _BLOCK.search(turn.text, max(0, len(turn.text) - _COMMAND)) if turn.text.endswith("```") else None
        return Mark("assistant", of_command(block[1]), because=_first_line(block[1])) if block else Mark("assistant")
    best, name = Act.OTHER, turn.calls[0]
    for call in turn.calls:
        act = of_call(call, turn.arguments)
        if _TELLING[act] < _TELLING[best]:
            best, name = act, call
    return Mark("assistant", best, because=name)


_BLOCK: Final = re.compile(r"```(?:bash|sh|shell|\w*bash_command)\n(.*?)```$", re.DOTALL)

_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_VERBS: Final[dict[str, Act]] = {
    **dict.fromkeys(
        "read search list get fetch find grep glob ls view open look lookup query retrieve retrieval show browse cat "
        "check inspect load describe explore scan select resolve web lsp task".split(),
        Act.READ,
    ),
    **dict.fromkeys("think plan todo todos reason reflect ask clarify enter".split(), Act.THINK),
    **dict.fromkeys("edit write replace insert append patch multiedit notebook str rewrite refactor".split(), Act.WRITE),
    **dict.fromkeys(
        "book cancel update create send delete transfer pay refund modify add remove set schedule order buy approve assign "
        "move upload deploy rollback reset register exchange return post reply close merge save".split(),
        Act.TRANSACT,
    ),
    **dict.fromkeys("calculate calculator compute multiply sum convert divide subtract".split(), Act.COMPUTE),
    **dict.fromkeys("run exec execute bash shell terminal command python code interpreter computer sandbox".split(), Act.RUN),
    **dict.fromkeys("test tests pytest lint diagnostics".split(), Act.TEST),
    **dict.fromkeys("skill stop kill wait output".split(), Act.TRACK),
    **dict.fromkeys("submit finish final done complete".split(), Act.FINISH),
}
_FILES: Final = frozenset("file files directory folder code cell".split())
_DOCUMENTS: Final = frozenset("doc docs document documents documentation readme changelog wiki page docstring".split())
_DOCUMENT_PATH: Final = re.compile(r"\.(?:md|mdx|rst|adoc)\b|\bREADME|\bCHANGELOG|\bdocs/")
_TEST_PATH: Final = re.compile(r"(?:^|[/\"'\s])(?:tests?/|test_\w+\.py)|_test\.\w+|\.(?:test|spec)\.\w+")
_VIEWS: Final = re.compile(r'"command"\s*:\s*"view"')
_TRACKS: Final = frozenset("update list get output stop".split())


def of_call(name: str, arguments: str = "") -> Act:
    """What a call to the tool `name` does.

    >>> [of_call(name).value for name in ("Grep", "str_replace_editor", "update_reservation_flights", "TodoWrite")]
    ['read', 'write', 'transact', 'think']
    >>> of_call("Bash", '{"command": "go test ./..."}').value
    'test'
    """
    words = [word.lower() for word in _WORDS.findall(name.rsplit("__", 1)[-1])]
    act = next((_VERBS[word] for word in words if word in _VERBS), Act.OTHER)
    if act is Act.READ:
        if words[0] == "task" and len(words) > 1:  # Claude Code keeps its list of tasks with TaskCreate, TaskUpdate...
            return Act.TRACK if words[1] in _TRACKS else Act.THINK
        return act
    if "todo" in words or "todos" in words:
        return Act.THINK
    if "plan" in words and ("exit" in words or "submit" in words):
        return Act.PROPOSE
    if act is Act.RUN:
        if "test" in words or "tests" in words:
            return Act.TEST
        return of_command(arguments) if arguments else act
    if act is Act.TRANSACT and not _FILES.isdisjoint(words):
        act = Act.WRITE
    if act in (Act.WRITE, Act.TRANSACT):
        head = arguments[:_HEAD]
        if not _DOCUMENTS.isdisjoint(words) or (act is Act.WRITE and _DOCUMENT_PATH.search(head)):
            return Act.DOCUMENT
        if act is Act.WRITE and _VIEWS.search(head):
            return Act.READ
        if act is Act.WRITE and _TEST_PATH.search(head):
            return Act.TEST
    return act


_COMMANDS: Final = (
    (Act.FINISH, re.compile(r"\bgit push\b|\bgh pr create\b|COMPLETE_TASK|^\W*submit\W*$")),
    (
        Act.TEST,
        re.compile(
            r"\b(?:pytest|tox|nox|unittest|runtests|jest|vitest|mocha|rspec|phpunit|ctest|mypy|pyright|eslint|tsc|golangci-lint)\b"
            r"|\bgo (?:test|vet|build)\b|\bcargo (?:test|check|build|clippy)\b|\bruff check\b"
            r"|\b(?:npm|yarn|pnpm|make|mise|gradle|mvn|task|just)\b[^\n;&|]{0,30}\b(?:test|tests|lint|check|build|verify)\b"
        ),
    ),
    (
        Act.WRITE,
        re.compile(
            r"\bsed\s+(?:-\w+\s+)*-i|\bcat\s*>|<<-?\s*\\?['\"]?EOF|\btee\s+\S|\bgit (?:apply|commit|checkout|revert|mv|rm)\b|\bpatch\s+-p"
            r"|\bapply_patch\b|\bmkdir\b|\b(?:mv|cp|rm)\s+\S|write_text\(|open\([^)]*['\"]w|\becho\b[^\n|]*>\s*\S"
        ),
    ),
    (
        Act.READ,
        re.compile(
            r"(?:^|[;&|\n\"']\s*)(?:ls|cat|head|tail|grep|rg|ag|find|nl|wc|tree|pwd|which|sed\s+-n|awk|less|file|stat|diff)\b"
            r"|\bgit (?:log|diff|status|show|blame|branch|grep)\b|\bgh (?:pr|issue|api|run) ?(?:view|list|diff)?"
        ),
    ),
)


def of_command(command: str) -> Act:
    """What a shell command does.

    >>> [of_command(line).value for line in ("ls -la", "sed -i s/a/b/ x.py", "cd app && npm run test", "python repro.py")]
    ['read', 'write', 'test', 'run']
    """
    head = command[:_COMMAND]
    for act, pattern in _COMMANDS:
        if pattern.search(head):
            if act is Act.WRITE and _DOCUMENT_PATH.search(head[:_HEAD]):
                return Act.DOCUMENT
            return act
    return Act.RUN


# Tool turns.

_OBSERVATION: Final = re.compile(r"\s*(?:<returncode>|<output>|Observation:|OBSERVATION:)")
_EXIT: Final = re.compile(r"(?:exit(?:ed with)?[ _]?(?:code|status)|return[ _]?code)\W{1,4}(-?\d+)", re.IGNORECASE)
_EMPTY: Final = re.compile(r"<output>\s*</output>")
_BEGINS: Final = re.compile(
    r"\W{0,3}(?:tool_use_error\b|(?:[a-z]+ )?errors?\s*[:!(\-]|\w*(?:Error|Exception)\b\s*[:(]|error (?:while|executing|calling|invoking|running)\b"
    r"|traceback \(most recent|fatal:|failed:|failed to \w|failure:|command failed|panic:|permission denied|access denied"
    r"|invalid (?:argument|parameter|input|request)|unknown tool|tool \S+ (?:failed|not found|does not exist))",
    re.IGNORECASE,
)
_BEGINS_OBJECT: Final = re.compile(r"""\s*\{\s*["']error["']\s*:\s*(?!null|None|false|False|""|''|\[\]|\{\})""")
_CRASHES: Final = re.compile(
    r"^Traceback \(most recent call last|^(?:E  |\w+(?:\.\w+)*(?:Error|Exception): )|^FAILED\b|^--- FAIL|^FAIL\b|^panic:|^npm ERR!|^error(?:\[\w+\])?:"
    r"|^\S+:\d+(?::\d+)?: (?:fatal )?error\b|\b[1-9]\d* (?:failed|failing|errors?)\b(?! \()|^BUILD FAILED|\bsegmentation fault\b"
    r"|: command not found|^SyntaxError|^make: \*\*\*|^Error: ",
    re.MULTILINE,
)
_SHORT: Final = 2_000


def _result(name: str, text: str, failed: bool | None) -> Mark:
    act = of_call(name) if name else None
    fault, words = _fault(act, text, failed)
    return Mark("tool", act, fault, because=words or name)


def _fault(act: Act | None, text: str, failed: bool | None) -> tuple[Fault, str]:
    if failed is False:
        return Fault.NONE, ""
    head = text[:_HEAD]
    ends = head if len(text) <= _HEAD else f"{head}\n{text[-_TAIL:]}"
    ran = act is None or act in (Act.RUN, Act.TEST, Act.OTHER)
    crash = _CRASHES.search(ends) if ran else None
    if failed:
        return (Fault.SEVERE, _first_line(crash[0])) if crash else (Fault.PLAIN, "status: error")
    code = _EXIT.search(ends) if ran else None
    if code:
        if int(code[1]) == 0 or (int(code[1]) == 1 and _EMPTY.search(ends)):  # grep that finds nothing exits with 1
            return Fault.NONE, ""
        return (Fault.SEVERE, _first_line(crash[0])) if crash else (Fault.PLAIN, f"exit code {code[1]}")
    if crash:
        return Fault.SEVERE, _first_line(crash[0])
    if (
        _BEGINS.match(head)
        or _BEGINS_OBJECT.match(head)
        or (head.startswith("{") and len(text) <= _SHORT and _object_fails(text))
    ):
        return Fault.PLAIN, _first_line(head)
    return Fault.NONE, ""


def _object_fails(text: str) -> bool:
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


# User turns.

_ASKS: Final = (
    (
        Phase.SUMMARISING,
        re.compile(
            r"\bsummar(?:y|ise|ize|ies|ising|izing)\b|\brecap\b|\btl;?dr\b|\bcondense\b|\bkey takeaways\b", re.IGNORECASE
        ),
    ),
    (
        Phase.DOCUMENTING,
        re.compile(
            r"\b(?:write|update|add|improve|fix|create|draft|generate)\b[^.\n]{0,40}\b(?:docs?|documentation|readme|docstrings?|changelog|"
            r"release notes|tutorial|guide|comments)\b|\bdocument (?:this|the|how|all|every)\b",
            re.IGNORECASE,
        ),
    ),
    (
        Phase.TESTING,
        re.compile(
            r"\b(?:write|add|run|create|extend|generate|improve)\b[^.\n]{0,30}\b(?:tests?|test suite|test cases?|coverage|linter|benchmarks?)\b"
            r"|\btest (?:it|this|that)\b",
            re.IGNORECASE,
        ),
    ),
    (
        Phase.DEBUGGING,
        re.compile(
            r"\bdebug|\bfix\b|\bbugs?\b|\btraceback\b|\bstack ?trace\b|\b(?:fails|failing|crash(?:es|ed|ing)?|broken)\b|\b(?:doesn't|does not|isn't|not) work"
            r"|\bgetting (?:an|this) error\b|\w+(?:Error|Exception): ",
            re.IGNORECASE,
        ),
    ),
    (
        Phase.PLANNING,
        re.compile(
            r"\b(?:make|write|create|draft|need|propose|outline) (?:me )?(?:a|the|an) (?:\w+ )?(?:plan|proposal|design|outline)\b|\bplan (?:how|the|for|out|this)\b"
            r"|\bdesign (?:a|an|the)\b|\bhow (?:should|would|could) (?:we|you|i)\b|\bdon't (?:write|change) (?:any )?code\b|\bbrainstorm|\bpros and cons\b",
            re.IGNORECASE,
        ),
    ),
)
_AGREES: Final = re.compile(
    r"\W*(?:yes|yep|yeah|sure|okay|ok|go ahead|please (?:do|proceed|go ahead)|proceed|confirm|confirmed|looks good|lgtm|sounds good|do it|approved|"
    r"implement (?:it|the plan|this))\b",
    re.IGNORECASE,
)
_AGREEMENT: Final = 300


def _asked(text: str) -> tuple[Phase | None, str]:
    ends = text if len(text) <= _HEAD + _TAIL else f"{text[:_HEAD]}\n{text[-_TAIL:]}"
    for phase, pattern in _ASKS:
        if found := pattern.search(ends):
            return phase, _first_line(found[0])
    if len(text) <= _AGREEMENT and (found := _AGREES.match(text)):
        return Phase.IMPLEMENTING, _first_line(found[0])
    return None, ""


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0][:60]
