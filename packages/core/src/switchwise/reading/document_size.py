"""How many tokens a document adds to a prompt: by its pages, or by its size where the pages cannot be counted.

Source: Anthropic's PDF documentation (1,500 to 3,000 tokens of text a page, and the page as an image on top); OpenAI's file inputs (text
and an image of each page).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

from switchwise.reading.token_estimate import MEDIA, estimate

PAGE: Final = 2_500
"""Tokens of a page: its text, and its picture."""
BYTES_A_PAGE: Final = 50_000
"""Of a PDF whose pages stand in compressed streams."""
_PAGES = re.compile(rb"/Type\s{0,4}/Page\b(?!s)")
_DATA: Final = ("data", "base64", "file_data", "bytes")
_HOLDERS: Final = ("source", "file", "document", "input_file")


def document_tokens(document: Any) -> int:
    """Tokens of a document beyond the flat allowance that every document is counted with.

    Parameters:
        document: a content block of any API that holds it (base64 or a data URL, also one level down), or its bytes; one that is named by
            an address or an id has no size here.

    >>> document_tokens(b"%PDF-1.4 " + b"<< /Type /Page >> " * 100)
    245000
    >>> document_tokens({"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}})
    0
    """
    raw = document if isinstance(document, bytes) else _raw(document)
    if not raw:
        return 0
    if raw[:1_024].lstrip().startswith(b"%PDF"):
        pages = len(_PAGES.findall(raw)) or -(-len(raw) // BYTES_A_PAGE)
        return max(0, pages * PAGE - MEDIA["document"])
    if b"\0" in raw[:4_096]:  # another binary format: about as dense as a PDF
        return max(0, -(-len(raw) // BYTES_A_PAGE) * PAGE - MEDIA["document"])
    return max(0, estimate(raw.decode("utf-8", "replace")) - MEDIA["document"])


def _raw(block: Any, depth: int = 0) -> bytes:
    if not isinstance(block, Mapping):
        return b""
    for name in _DATA:
        value = block.get(name)
        if isinstance(value, bytes):
            return value
        if isinstance(value, str) and value:
            return _decoded(value)
    if depth == 0:
        for name in _HOLDERS:
            if found := _raw(block.get(name), 1):
                return found
    return b""


def _decoded(text: str) -> bytes:
    """Base64, a data URL, or plain text."""
    head, comma, rest = text[:256].partition(",")
    if comma and head.startswith("data:"):
        text = rest + text[256:]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text.encode("utf-8", "replace")
