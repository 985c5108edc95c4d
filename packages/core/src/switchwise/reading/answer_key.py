"""Comparison key of an answer, for votes and for verifiers that compare answers."""

from __future__ import annotations

import json
import re

from switchwise.nouns.exchange.reply import Reply

_FINAL = re.compile(r"(?:^|[\n.!?:;])\W*(?:final answer|answer|result)\W*[:=]\s*(.+?)\s*$", re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
_FENCE = re.compile(r"^```\w*\n(.*?)\n?```$", re.DOTALL)


def answer_key(reply: Reply) -> str:
    r"""Return the called tools with their arguments; else the answer's JSON; else its stated final answer; else all of its words.

    >>> answer_key(Reply("Let me see.\nAnswer: **42.**")) == answer_key(Reply("6 x 7, so\n\\boxed{42}")) == answer_key(Reply("42"))
    True
    >>> answer_key(Reply('{"a": 1, "b": 2}')) == answer_key(Reply('```json\n{"b": 2, "a": 1}\n```'))
    True
    """
    if reply.tool_calls:
        return json.dumps(sorted([name, json.dumps(args, sort_keys=True, default=str)] for name, args in reply.tool_calls))
    text = reply.text.strip()
    fenced = _FENCE.match(text)
    try:
        value = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True)
    boxed = _BOXED.findall(text)
    final = boxed[-1] if boxed else found[1] if (found := _FINAL.search(text)) else text
    return " ".join(re.sub(r"[^\w\s.%/+-]", " ", final.casefold()).rstrip(". ").split())
