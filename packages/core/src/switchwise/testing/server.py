"""A server on 127.0.0.1 that sends given responses unchanged, for the formats of particular servers."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

Said = Mapping[str, Any] | Sequence[Mapping[str, Any] | str]
"""One answer: a body, or the events of a stream (a text is sent as it is: `[DONE]`)."""


class ScriptedServer:
    """Answer every POST with the next of `answers`, repeating the last one. Thread-safe.

    Parameters:
        answers: responses in order.

    `requests` has the received bodies.

    >>> import urllib.request
    >>> with ScriptedServer({"object": "chat.completion"}) as server:
    ...     sent = urllib.request.Request(server.url + "/chat/completions", b"{}", {"content-type": "application/json"})
    ...     urllib.request.urlopen(sent).read()
    b'{"object": "chat.completion"}'
    """

    def __init__(self, *answers: Said) -> None:
        self.answers = list(answers)
        self.requests: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Base URL for OpenAI clients.

        Raises:
            RuntimeError: the server is not running.
        """
        if self._server is None:
            raise RuntimeError("the server does not run: use it as a context manager")
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> ScriptedServer:
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
                scripted = script._next(body)
                kind = "application/json" if isinstance(scripted, Mapping) else "text/event-stream"
                data = json.dumps(scripted).encode() if isinstance(scripted, Mapping) else b"".join(map(_event, scripted))
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                """Suppress the log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def _next(self, body: dict[str, Any]) -> Said:
        with self._lock:
            self.requests.append(body)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def chat_completion(message: Mapping[str, Any], finish: str | None = "stop", **more: Any) -> dict[str, Any]:
    """A whole answer of Chat Completions.

    Parameters:
        message: of the assistant.
        finish: its `finish_reason`; None: it has none.
        more: further fields of the answer.
    """
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice | ({"finish_reason": finish} if finish else {})],
        "usage": usage,
        **more,
    }


def chat_chunks(*deltas: Mapping[str, Any], finish: str | None = "stop", usage: bool = True) -> list[dict[str, Any] | str]:
    """A stream of Chat Completions.

    Parameters:
        deltas: its pieces.
        finish: the `finish_reason` of its last piece; None: it has none.
        usage: it ends with its usage.
    """

    def chunk(choices: list[Any], **more: Any) -> dict[str, Any]:
        return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **more}

    chunks: list[dict[str, Any] | str] = [chunk([{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas]
    if finish:
        chunks.append(chunk([{"index": 0, "delta": {}, "finish_reason": finish}]))
    if usage:
        chunks.append(chunk([], usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}))
    return [*chunks, "[DONE]"]


def _event(scripted: Mapping[str, Any] | str) -> bytes:
    return f"data: {scripted if isinstance(scripted, str) else json.dumps(scripted)}\n\n".encode()
