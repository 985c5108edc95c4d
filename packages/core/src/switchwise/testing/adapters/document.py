"""Draws `docs/design/portability.md` from the table of dialects and the cases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from switchwise.dialects import DIALECTS, Dialect, Thoughts
from switchwise.dialects.dialect import ADDRESS, DATA
from switchwise.dialects.table import OTHER
from switchwise.testing.adapters.cases import Case
from switchwise.testing.adapters.portability import CASES, ELSEWHERE, UNSUPPORTED

_HEAD = """# A conversation that moves between providers

Drawn from `switchwise.dialects` by `make adapters` (`python -m switchwise.testing.adapters --docs docs/design/portability.md`); a test holds it true.
Do not edit it: change the table.

The frameworks' integrations translate most of a foreign history: tool calls, pictures, documents, tool results, and they drop foreign
reasoning in part. What they let through, the provider refuses. So a request is adapted for each attempt, on copies; the caller's messages and the
graph's state stay as they were. What each API takes stands in one table; pure functions decide what follows from it, and the adapters
(LangChain, LlamaIndex, the SDK clients) apply that to their own objects.
"""
_TAIL = """
## Rules

1. A target gets its own answers back as they were. LangChain's adapter knows them by the record in `response_metadata["switchwise"]`, else by provider and
   model; the clients by the `native` part of an answer; LlamaIndex's by the ids of the calls, or the text. Thinking signatures and prompt caches depend on it.
2. The same message is always adapted in the same way, so the prefix that a target has cached does not change under it. What is said at the end for one call
   only (`Go on.`) is not kept.
3. What was adapted is kept per thread and target, so only new messages are looked at. An edited or restored history is adapted
   from where it differs, or from its beginning, and comes out the same.
4. A message without an origin is foreign if its blocks are not of the target's dialect, or if it is signed.

## What holds it

`make adapters` puts every row of the first list, and of the second, to the three adapters: a request for each protocol that it concerns, as the server
was sent it. `tests/core/test_dialects.py` holds the functions, over drawn histories; `tests/langchain/test_portability.py`, `test_histories.py`,
`test_settings.py` and `tests/llamaindex/anthropic/test_switching.py` move real histories between the real models, against a provider that refuses what the
real ones refuse. With which integrations of other providers they were run, and what was not checked: [providers.md](../reference/providers.md).

Left to the provider to refuse, as with the bare models, because it is a mistake that must be heard: a call without its result, a result
without its call or a second one, results that do not stand right behind their calls, two calls of one message with one id, names of bound tools that
the target does not take, an answer written by hand at the end where the model takes no prefill. `extra_body` is passed on as it is.
"""
_KINDS = ("image", "audio", "video", "file")
_THOUGHTS = {
    Thoughts.NONE: "no",
    Thoughts.SIGNED: "signed blocks",
    Thoughts.ITEMS: "items",
    Thoughts.FIELDS: "fields, in a tool loop",
}


def document() -> str:
    """The page."""
    rows = [dialect for dialect in DIALECTS if dialect is not OTHER]
    takes = _table(
        (
            "API",
            "row",
            "ids of calls",
            "names of tools",
            "order of turns",
            "blank",
            "may be shown",
            "results show",
            "cache marks",
            "own reasoning back",
        ),
        [_takes(dialect) for dialect in rows],
    )
    settings = _table(
        (
            "API",
            "limit of the answer",
            "stop",
            "other words",
            "JSON mode",
            "highest temperature",
            "choice of a tool",
            "one call at a time",
            "a stream ends with",
        ),
        [_settings(dialect) for dialect in rows],
    )
    cases = _table(
        ("in the history or the settings", "where", "what happens without it", "what is sent"), [_case(case) for case in CASES]
    )
    refused = _table(
        ("in the request", "where", "what happens without it", "what is sent"), [_case(case) for case in UNSUPPORTED]
    )
    others = _table(("in the history or the settings", "where", "what happens without it", "what is sent"), ELSEWHERE)
    return "\n".join(
        [
            _HEAD,
            "## What each API takes\n",
            takes,
            "\n*in place*: system messages in mid-conversation are said where they stand, by the user. *no prefill*: another model's answer does not end a",
            "conversation.\n",
            settings,
            "\n## What is adapted, by all three adapters\n",
            cases,
            "\n### Content that a target cannot take\n",
            refused,
            "\n### And by those whose frameworks can say it\n",
            others,
            _TAIL,
        ]
    )


def _takes(dialect: Dialect) -> tuple[str, ...]:
    ids, turns = dialect.ids, dialect.turns
    id_rules = [
        f"at most {ids.longest}" if ids.longest else "",
        f"`{ids.pattern}`" if ids.pattern else "",
        "each once" if ids.once else "",
    ]
    order = {
        "a user first": turns.user_first,
        "one system": turns.one_system,
        "in place": turns.system_in_place,
        "an answer between result and user": turns.answer_between,
        "no prefill": turns.no_prefill,
    }
    blanks = {"no user's": not dialect.blank_user, "no answer": not dialect.blank_answer}
    return (
        dialect.title,
        f"`{dialect.name}`",
        _joined(id_rules) or "any",
        f"at most {dialect.tools.longest_name}",
        _joined(name for name, holds in order.items() if holds) or "any",
        _joined(name for name, holds in blanks.items() if holds) or "any",
        _joined(_shown(dialect, kind) for kind in _KINDS),
        "anything" if dialect.media_in_results else "text",
        "yes" if dialect.cache_marks else "no",
        _THOUGHTS[dialect.thoughts],
    )


def _shown(dialect: Dialect, kind: str) -> str:
    ways = (dialect.media or {}).get(kind, frozenset())
    how = {frozenset([DATA]): " (data)", frozenset([ADDRESS]): " (address)"}.get(ways, "")
    return f"{kind}{how}" if ways else ""


def _settings(dialect: Dialect) -> tuple[str, ...]:
    rules, tools, ends = dialect.settings, dialect.tools, dialect.ends
    choice = _joined(
        ["" if tools.none else "not none", "" if tools.named else "not which of several", "a subset" if tools.subset else ""]
    )
    marks = _joined(f"`{name}`" for name in ends.fields) + (", or its usage" if ends.usage_ends else "")
    return (
        dialect.title,
        f"`{rules.longest}`" + (" among `options`" if rules.options else ""),
        f"`{rules.stop}`",
        _joined(f"`{name}`: `{own}`" for name, own in rules.words.items()) or "-",
        "yes" if rules.json_mode else "no",
        f"{rules.hottest:g}",
        choice or "any",
        "yes" if tools.one_by_one else "cannot be asked",
        marks if ends.marked else f"{marks}; not checked",
    )


def _case(case: Case) -> tuple[str, ...]:
    protocols = [
        dialect for dialect in case.protocols if dialect.protocol == dialect.name or dialect.name == "chat-completions"
    ]
    concerned = {dialect.protocol for dialect in case.dialects}
    everyone = {dialect.protocol for dialect in DIALECTS if dialect is not OTHER}
    where = "all" if concerned == everyone else _joined(dialect.title for dialect in protocols)
    return case.what, where, case.without, case.sends


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _joined(words: Iterable[str]) -> str:
    return ", ".join(word for word in words if word)
