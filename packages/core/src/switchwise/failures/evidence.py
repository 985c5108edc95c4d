"""Extract codes and a message from an error body of any shape.

Shapes seen: `{"error": {...}}` (OpenAI on the wire), its inner half (openai's `error.body`), `{"type": "error", "error":
{...}}` (Anthropic), `{"error": "text"}` (Ollama), `{"detail": "text"}`, a list of one (Gemini), `{"type":
"response.failed", "response": {"error": {...}}}` (a Responses event), `{"error": {"metadata": {"raw": ...}}}` (OpenRouter, what
another provider said), plain text (a proxy), nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from switchwise.nouns.secrets import LONGEST, masked

_NO_HEADERS: Mapping[str, Any] = {}
_NESTS = ("error", "response", "detail", "details", "innererror", "violations", "metadata")
_WORDS = ("type", "code", "status", "error_code", "reason", "quotaId")
_TEXTS = ("message", "detail", "msg", "error")
_SHORT = 300
_DEEP = 8  # how far into a body is looked
_MANY = 20  # items of a list, words and texts of a body
_WORD = 100  # characters of a word of the error's vocabulary
_PARSED = 262_144  # characters of a text beyond which it is not read as JSON


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence of a failure.

    Parameters:
        status: HTTP status from 400 on; None: inside a stream, or nothing was received.
        words: the error's type and codes, in lower case.
        text: its message.
        headers: of the response.
    """

    status: int | None = None
    words: frozenset[str] = frozenset()
    text: str = ""
    headers: Mapping[str, Any] = field(default_factory=lambda: _NO_HEADERS)

    def header(self, name: str) -> str | None:
        """The first value of a header, case-insensitive; `name` is in lower case."""
        value = self.headers.get(name)
        if value is None:
            value = next((held for key, held in self.headers.items() if str(key).lower() == name), None)
        if isinstance(value, (list, tuple)):
            value = value[0] if value else None
        return None if value is None else str(value)[:_WORD]


def gather(status: int | None, body: object, headers: Mapping[str, Any] | None, message: str) -> Evidence:
    """Collect evidence from the parts of a response; `message` is used if the body has none."""
    words: set[str] = set()
    texts: list[str] = []
    own = _read(_parsed(body), words, texts, _DEEP)
    if (
        status is None or status < 300
    ):  # inside an answer with a good status: its headers are unrelated; its body may name a status
        status, headers = own, None
    return Evidence(status, frozenset(words), (texts[0] if texts else message)[:LONGEST], headers or _NO_HEADERS)


def quoted(text: str, secrets: Iterable[str] = ()) -> str:
    """The provider's message, shortened, with possible keys masked.

    Parameters:
        secrets: known keys, such as the one sent.
    """
    cleaned = " ".join(masked(text, secrets).split())
    return cleaned if len(cleaned) <= _SHORT else f"{cleaned[: _SHORT - 3]}..."


def _parsed(body: object) -> object:
    if isinstance(body, bytes):
        body = body.decode(errors="replace")
    if isinstance(body, str) and len(body) <= _PARSED and body[:LONGEST].lstrip()[:1] in ("{", "["):
        try:
            return json.loads(body)
        except (ValueError, RecursionError):  # it only looked like JSON, or nests too deep: its text still speaks
            return body
    return body


def _read(body: object, words: set[str], texts: list[str], deep: int) -> int | None:
    """Collect words and texts, innermost first; the result is a status that the body itself names."""
    if deep == 0 or len(texts) > _MANY:
        return None
    if isinstance(body, list):
        parts = [_read(each, words, texts, deep - 1) for each in body[:_MANY]]
        return next((status for status in parts if status), None)
    if dump := getattr(body, "model_dump", None):  # an SDK's object
        body = dump()
    if isinstance(body, str) and body:
        texts.append(body)
    if not isinstance(body, Mapping):
        return None
    status = None
    for nest in _NESTS:
        inner = body.get(nest)
        if isinstance(inner, (Mapping, list)):
            status = _read(inner, words, texts, deep - 1) or status
    if isinstance(raw := body.get("raw"), str):
        _read(_parsed(raw), words, texts, deep - 1)
    for name in _WORDS:
        word = body.get(name)
        if isinstance(word, str) and len(words) < _MANY:
            words.add(word[:_WORD].lower())
        elif isinstance(word, int) and 400 <= word < 600:
            status = word
    texts.extend(text for name in _TEXTS if isinstance(text := body.get(name), str) and text)
    return status
