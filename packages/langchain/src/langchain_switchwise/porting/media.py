"""Read images, audio, video and documents in any provider's form, and write them in the target's form.

For integrations that translate LangChain's standard blocks only in part, or raise for others' blocks. Those of OpenAI and Anthropic need
less: see `content`.

`Dialect.media` lists the supported media of each target.

Unsupported content is sent to another target. Source: the integrations as of 2026-11, and docs.aws.amazon.com, API_runtime_DocumentBlock.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from switchwise.dialects import Dialect
from switchwise.dialects.media import check
from switchwise.dialects.table import GEMINI

Block = dict[str, Any]
_DATA = re.compile(r"data:(?P<mime>[^;,]*)[^,]*;base64,(?P<data>.*)", re.DOTALL)
_STRANGE = re.compile(r"[^a-zA-Z0-9()\[\]-]+")
_KINDS = {"image_url": "image", "input_image": "image", "input_audio": "audio", "input_file": "file", "document": "file"}
_ADDRESSES = ("url", "image_url", "file_url", "file_data")
_BEGINNINGS = {"iVBOR": "image/png", "/9j/": "image/jpeg", "R0lG": "image/gif", "UklG": "image/webp"}
_USUAL = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4", "file": "application/pdf"}


@dataclass(frozen=True, slots=True)
class Medium:
    """Content other than text.

    Parameters:
        kind: `image`, `audio`, `video` or `file`.
        data: base64 data; empty: only a URL.
        url: its URL; empty: none.
        mime: MIME type.
        name: file name.
    """

    kind: str
    data: str = ""
    url: str = ""
    mime: str = ""
    name: str = ""

    @property
    def address(self) -> str:
        """Its URL, or a data URL."""
        return f"data:{self.mime};base64,{self.data}" if self.data else self.url


def of(block: Mapping[str, Any]) -> Medium | None:
    """The medium in a block; None if there is none, or it cannot be read."""
    kind = str(block.get("type"))
    if kind == "media":
        what = str(block.get("mime_type") or "").partition("/")[0]
        return _medium(what if what in _USUAL else "file", block.get("data"), "", block.get("mime_type"))
    what = _KINDS.get(kind, kind)
    if what not in _USUAL:
        return None
    inner = block.get("source") or block.get(kind) or block.get("file")
    held: Mapping[str, Any] = inner if isinstance(inner, Mapping) else {}
    if held.get("type") in ("text", "content") or isinstance(held.get("source"), Mapping):
        return None  # a text as a document; Bedrock's own
    mime = block.get("mime_type") or held.get("media_type") or (f"audio/{held['format']}" if "format" in held else "")
    url = inner if isinstance(inner, str) else held.get("url") or held.get("file_data")
    url = url or next((block[name] for name in _ADDRESSES if isinstance(block.get(name), str)), "")
    data = block.get("base64") or held.get("data") or block.get("data")
    name = block.get("filename") or block.get("title") or block.get("name") or held.get("filename")
    return _medium(what, data, url, mime, name)


def _medium(kind: str, data: Any, url: Any, mime: Any, name: Any = "") -> Medium:
    data, url, mime = str(data or ""), str(url or ""), str(mime or "")
    if not data and (found := _DATA.match(url)):
        data, url, mime = found["data"], "", mime or found["mime"]
    if data and not mime:
        mime = next((known for begins, known in _BEGINNINGS.items() if data.startswith(begins)), _USUAL[kind])
    return Medium(kind, data, url, "image/jpeg" if mime == "image/jpg" else mime, str(name or ""))


def written(medium: Medium, block: Block, dialect: Dialect) -> Block:
    """Return the block for the target.

    Parameters:
        medium: the medium.
        block: the original block, returned if it is suitable.
        dialect: dialect of the target.

    Raises:
        TargetError: the target does not support it.
    """
    if dialect is GEMINI and block["type"] == "media":  # its own file, which the provider may have stored
        return block
    check(dialect, medium.kind, data=bool(medium.data), address=bool(medium.url))
    return _TELLERS[dialect.protocol, medium.kind](medium, block)


def _picture(medium: Medium, block: Block) -> Block:
    if block["type"] == "image_url" and isinstance(block["image_url"], Mapping):
        return block
    return {"type": "image_url", "image_url": {"url": medium.address}}


def _sound(medium: Medium, block: Block) -> Block:
    if block["type"] == "input_audio":
        return block
    held = {"data": medium.data, "format": medium.mime.partition("/")[2].removeprefix("x-").replace("mpeg", "mp3")}
    return {"type": "input_audio", "input_audio": held}


def _film(medium: Medium, _: Block) -> Block:
    return {"type": "video_url", "video_url": {"url": medium.address}}


def _document(medium: Medium, _: Block) -> Block:
    return {"type": "file", "file": {"filename": medium.name or "document", "file_data": medium.address}}


def _document_by_address(medium: Medium, _: Block) -> Block:
    return {"type": "document_url", "document_url": medium.url}


def _for_gemini(medium: Medium, _: Block) -> Block:
    where = {"base64": medium.data} if medium.data else {"url": medium.url}
    return {"type": medium.kind, **where, **({"mime_type": medium.mime} if medium.mime else {})}


def _for_bedrock(medium: Medium, _: Block) -> Block:
    standard = {"type": medium.kind, "base64": medium.data, "mime_type": medium.mime}
    if medium.kind == "file":  # names must not contain dots
        standard["name"] = " ".join(_STRANGE.sub(" ", medium.name.rpartition(".")[0] or medium.name).split()) or "document"
    return standard


_TELLERS = {
    ("chat-completions", "image"): _picture,
    ("chat-completions", "audio"): _sound,
    ("chat-completions", "video"): _film,
    ("chat-completions", "file"): _document,
    ("mistral", "image"): _picture,
    ("mistral", "audio"): _sound,
    ("mistral", "file"): _document_by_address,
    ("ollama", "image"): _picture,
    ("cohere", "image"): _picture,
    ("gemini", "image"): _picture,
    ("gemini", "audio"): _for_gemini,
    ("gemini", "video"): _for_gemini,
    ("gemini", "file"): _for_gemini,
    ("bedrock-converse", "image"): _for_bedrock,
    ("bedrock-converse", "video"): _for_bedrock,
    ("bedrock-converse", "file"): _for_bedrock,
}
