"""Classifies tools by their names, and shells by their command.

A name is split into words (`get_user_details`, `TodoWrite`, `mcp__linear__create_issue`) and its first known verb decides. A
noun may refine it: to update a `document` is to write documentation, to update a `reservation` is not. An unknown name is
`other`, which is evidence of nothing.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import Final


class ToolKind(StrEnum):
    """What a tool call does."""

    READ = "read"  # reads files and pages
    LOOKUP = "lookup"  # looks up records: a customer, the weather
    THINK = "think"  # plans, keeps a list of what to do, asks the user
    PROPOSE = "propose"  # submits a plan for approval
    WRITE = "write"  # changes files
    DOCUMENT = "document"  # writes documentation
    TRANSACT = "transact"  # changes the world: books, cancels, sends
    COMPUTE = "compute"  # works something out
    RUN = "run"  # runs a program or an unclassified shell command
    TEST = "test"  # runs checks: tests, builds, linters
    TRACK = "track"  # prepares, keeps books, waits
    FINISH = "finish"  # hands the work in
    OTHER = "other"  # not known


_WITHOUT_EFFECTS: Final = frozenset((ToolKind.READ, ToolKind.LOOKUP, ToolKind.THINK, ToolKind.PROPOSE, ToolKind.COMPUTE))
_HEAD: Final = 600
_BEGINNING: Final = 400
_END: Final = 200

_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_VERBS: Final[dict[str, ToolKind]] = {
    word: kind
    for kind, words in {
        ToolKind.READ: "read grep glob ls view open cat lsp task explore scan browse web inspect",
        ToolKind.LOOKUP: "get search list fetch find look lookup query retrieve retrieval show check load describe select resolve",
        ToolKind.THINK: "think plan todo todos reason reflect ask clarify enter",
        ToolKind.WRITE: "edit write replace insert append patch multiedit notebook str rewrite refactor",
        ToolKind.TRANSACT: "book cancel update create send delete transfer pay refund modify add remove set schedule order buy "
        "approve assign move upload deploy rollback reset register exchange return post reply close merge save",
        ToolKind.COMPUTE: "calculate calculator compute multiply sum convert divide subtract",
        ToolKind.RUN: "run exec execute bash shell terminal command python code interpreter computer sandbox",
        ToolKind.TEST: "test tests pytest lint",
        ToolKind.TRACK: "skill stop kill wait output",
        ToolKind.FINISH: "submit finish final done complete",
    }.items()
    for word in words.split()
}
_FILES: Final = frozenset(("file", "files", "directory", "folder", "code", "cell", "web", "tool", "tools"))
_DOCUMENTS: Final = frozenset(
    ("doc", "docs", "document", "documents", "documentation", "readme", "changelog", "wiki", "page", "docstring")
)
_DOCUMENT_PATH: Final = re.compile(r"\.(?:md|mdx|rst|adoc)\b|\bREADME|\bCHANGELOG|\bdocs/")
_VIEWS: Final = re.compile(r'"command"\s*:\s*"view"')
_SCRATCH: Final = re.compile(
    r"\b(?:cat|tee|echo)\b[^\n>]{0,200}>\s*\S{0,80}(?:test|repro|debug|check|tmp|scratch|demo|example|verify)\w*\.\w+"
)
_TRACKS: Final = frozenset(("update", "list", "get", "output", "stop"))


@lru_cache(maxsize=1024)
def have_effects(names: tuple[str, ...]) -> bool:
    """Whether any of these tools may change something outside of the conversation; one that is not known may.

    >>> have_effects(("get_weather", "read_file", "calculate")), have_effects(("get_order", "cancel_order")), have_effects(("frobnicate",))
    (False, True, True)
    """
    return any(kind_of_call(name) not in _WITHOUT_EFFECTS for name in names)


def kind_of_call(name: str, arguments: str = "") -> ToolKind:
    """What a call to the tool `name` does.

    Parameters:
        arguments: the call's arguments as text; a bounded beginning and end are looked at.

    >>> [kind_of_call(name).value for name in ("Grep", "str_replace_editor", "update_reservation_flights", "TodoWrite")]
    ['read', 'write', 'transact', 'think']
    >>> kind_of_call("Bash", '{"command": "go test ./..."}').value
    'test'
    """
    kind, open_ = _of_name(name)
    if not open_ or not arguments:
        return kind
    return kind_of_command(arguments) if kind is ToolKind.RUN else _of_change(arguments[:_HEAD])


@lru_cache(maxsize=1_024)  # an agent has few tools, and calls them again and again
def _of_name(name: str) -> tuple[ToolKind, bool]:
    """What a tool's name says, and whether the arguments of a call may tell more."""
    words = [word.lower() for word in _WORDS.findall(name.rsplit("__", 1)[-1])]
    kind = next((_VERBS[word] for word in words if word in _VERBS), ToolKind.OTHER)
    if "todo" in words or "todos" in words:
        return ToolKind.THINK, False
    if kind is ToolKind.READ and words[0] == "task" and len(words) > 1:  # Claude Code's TaskCreate, TaskUpdate, TaskList...
        return ToolKind.TRACK if words[1] in _TRACKS else ToolKind.THINK, False
    if kind is ToolKind.LOOKUP and not _FILES.isdisjoint(words):
        return ToolKind.READ, False
    if kind is ToolKind.RUN:
        return (ToolKind.TEST, False) if "test" in words or "tests" in words else (kind, True)
    if "plan" in words and ("exit" in words or "submit" in words):
        return ToolKind.PROPOSE, False
    if kind is not ToolKind.WRITE and kind is not ToolKind.TRANSACT:
        return kind, False
    if not _DOCUMENTS.isdisjoint(words):
        return ToolKind.DOCUMENT, False
    if kind is ToolKind.TRANSACT and _FILES.isdisjoint(words):
        return kind, False
    return ToolKind.WRITE, True


def _of_change(arguments: str) -> ToolKind:
    """What a call that changes files changes."""
    if _DOCUMENT_PATH.search(arguments):
        return ToolKind.DOCUMENT
    if _VIEWS.search(arguments):  # editors that also read, such as str_replace_based_edit_tool
        return ToolKind.READ
    return ToolKind.WRITE


# The first that matches. Words are looked for before a pattern is tried, which costs far more.
_COMMANDS: Final = tuple(
    (kind, tuple(words.split("|")), re.compile(pattern))
    for kind, words, pattern in (
        (ToolKind.FINISH, "git push|gh pr|COMPLETE_TASK|submit", r"\bgit push\b|\bgh pr create\b|COMPLETE_TASK|^\W*submit\W*$"),
        (
            ToolKind.TRACK,
            "install| add|sync| ci|rm |cp |mkdir|chmod|sleep",
            r"\b(?:pip3?|npm|yarn|pnpm|apt|apt-get|brew|conda|uv|poetry|bundle|gem)(?: \w+)? (?:install|add|ci|sync)\b"
            r"|^\W*(?:\w+\W+)?(?:cd \S+ && )?(?:rm|cp|mkdir|chmod|sleep)\b[^\n;&|]*$",
        ),
        (
            ToolKind.TEST,
            "test|tox|nox|mocha|spec|phpunit|mypy|pyright|lint|tsc|ruff|build|check|vet|clippy|verify",
            r"\b(?:pytest|tox|nox|unittest|runtests|jest|vitest|mocha|rspec|phpunit|ctest)\b|\bpython3? \S*test\w*\.py"
            r"|\b(?:mypy|pyright|eslint|tsc|golangci-lint|ruff check|go (?:test|vet|build)|cargo (?:test|check|build|clippy))\b"
            r"|\b(?:npm|yarn|pnpm|make|mise|gradle|mvn|task|just)\b[^\n;&|]{0,30}\b(?:tests?|lint|check|build|verify)\b"
            r"|\b(?:manage\.py|-m django|rails) test\b",
        ),
        (
            ToolKind.WRITE,
            "sed |>|<<|tee |patch|mv |git |write_text|open(",
            r"\bsed\s+(?:-\w+\s+)*-i|\bcat *>|<<-?\s*\\?['\"]?EOF|\btee\s+\S|\bpatch\s+-p|\bapply_patch\b|\bmv\s+\S"
            r"|\bgit (?:apply|commit|checkout|revert|mv|rm)\b|write_text\(|open\([^)\n]{0,120}['\"]w|\becho\b[^\n|]*>\s*\S",
        ),
        (ToolKind.RUN, "python|node|ruby|perl|php", r"\b(?:python3?|node|ruby|perl|php)\s+\S"),
        (
            ToolKind.READ,
            "",  # whatever is left
            r"(?:^|[;&\n\"'] *)(?:ls|cat|head|tail|grep|rg|ag|find|nl|wc|tree|pwd|which|sed\s+-n|awk|less|file|stat|diff)\b"
            r"|\bgit (?:log|diff|status|show|blame|branch|grep)\b|\bgh (?:pr|issue|api|run)\b",
        ),
    )
)


def kind_of_command(command: str) -> ToolKind:
    """What a shell command does; its first 400 and last 200 characters are looked at.

    >>> [kind_of_command(line).value for line in ("ls -la", "sed -i s/a/b/ x.py", "cd app && npm run test", "python repro.py")]
    ['read', 'write', 'test', 'run']
    """
    ends = command if len(command) <= _BEGINNING + _END else f"{command[:_BEGINNING]}\n{command[-_END:]}"
    ends = ends.replace("\\n", "\n")  # as JSON, a newline is escaped
    for kind, words, pattern in _COMMANDS:
        if any([word in ends for word in words]) and pattern.search(ends):  # noqa: C419  (a list is quicker than a generator)
            if kind is ToolKind.WRITE and _SCRATCH.search(ends):
                return ToolKind.TRACK
            return ToolKind.DOCUMENT if kind is ToolKind.WRITE and _DOCUMENT_PATH.search(ends) else kind
    return ToolKind.RUN
