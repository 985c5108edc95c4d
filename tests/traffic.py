"""Recorded traffic with OpenAI and Anthropic, and its replay through the real SDKs.

The recordings are in `../shared/data/provider_traffic` beside the checkout, or where SWITCHWISE_SHARED_DATA points; a clone
without them tests the sample in `tests/data/cassettes` (sources and licences beside it).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import vcr
import vcr.stubs.httpx_stubs as stubs

SAMPLE = Path(__file__).parent / "data" / "cassettes"
APIS = {
    ("api.openai.com", "/v1/chat/completions"): "chat",
    ("api.openai.com", "/v1/responses"): "responses",
    ("api.anthropic.com", "/v1/messages"): "messages",
}


def shared_data() -> Path:
    """The folder of the shared data; it may be missing."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("SWITCHWISE_SHARED_DATA", beside))


def traffic() -> Path:
    """The folder of the recordings."""
    recordings = shared_data() / "provider_traffic"
    return recordings if recordings.is_dir() else SAMPLE


@dataclass(frozen=True)
class Recorded:
    """One call of a recording: `api` is chat, responses, messages or empty (another endpoint)."""

    file: Path
    index: int
    api: str
    request: dict[str, Any]
    status: int
    headers: dict[str, list[str]]
    body: str
    interaction: dict[str, Any]

    @property
    def id(self) -> str:
        return f"{self.file.parent.name}/{self.file.name[:80]}#{self.index}"

    @property
    def streamed(self) -> bool:
        return bool(self.request.get("stream"))

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON events of a streamed answer."""
        lines = [line[5:].strip() for line in self.body.splitlines() if line.startswith("data:")]
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in events if isinstance(event, dict)]

    @property
    def stream_error(self) -> dict[str, Any] | None:
        """The event that reports a failure inside a stream of status 200."""
        if self.status >= 400 or not self.streamed:
            return None
        return next((e for e in self.events if e.get("type") in ("error", "response.failed") or e.get("error")), None)

    @property
    def failed(self) -> bool:
        return self.status >= 400 or self.stream_error is not None


@cache
def recordings(root: Path) -> tuple[Recorded, ...]:
    """All calls under `root`, in order."""
    return tuple(one for file in sorted(root.glob("*/*.json")) for one in _calls(file))


def _calls(file: Path) -> Iterator[Recorded]:
    for index, interaction in enumerate(json.loads(file.read_text())["interactions"]):
        address = urlsplit(interaction["request"]["uri"])
        api = APIS.get((address.netloc, address.path), "")
        body = interaction["request"]["body"]
        request = _json(body) if "x-request-body-elided" not in interaction else None
        response = interaction["response"]
        text = response["body"].get("string", "")
        usable = api if isinstance(request, dict) else ""
        yield Recorded(file, index, usable, request or {}, response["status"]["code"], response["headers"], text, interaction)


def _json(body: object) -> Any:
    try:
        return json.loads(body) if isinstance(body, str | bytes) and body else None
    except ValueError:
        return None


class CassetteMiss(BaseException):
    """A request that was not recorded. No Exception: the SDKs would report it as a broken connection."""


@contextmanager
def replay(recorded: Recorded, folder: Path) -> Iterator[None]:
    """Answer with `recorded`, once, exactly the request that it was the answer to."""
    cassette = folder / "cassette.json"
    cassette.write_text(json.dumps({"version": 1, "interactions": [recorded.interaction]}))
    player = vcr.VCR(serializer="json", record_mode="none", match_on=["method", "host", "path", "same"])
    player.register_matcher("same", _same)
    raised = stubs.CannotOverwriteExistingCassetteException

    def miss(*, cassette: Any, failed_request: Any) -> CassetteMiss:
        return CassetteMiss(str(raised(cassette=cassette, failed_request=failed_request)))

    stubs.CannotOverwriteExistingCassetteException = miss
    try:
        with player.use_cassette(str(cassette)):
            yield
    finally:
        stubs.CannotOverwriteExistingCassetteException = raised


def _same(sent: Any, recorded: Any) -> None:
    """The bodies are equal as JSON, but for nulls, defaults that SDKs add or drop, and the usage that we ask a stream for."""
    assert _essence(_json(sent.body)) == _essence(_json(recorded.body))


def _essence(body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    body = {key: value for key, value in body.items() if value is not None and key != "stream_options"}
    if body.get("stream") is False:
        del body["stream"]
    return body
