"""HTTP/1.1 over threads: keep-alive, chunked streams, resets. Independent of providers.

Rules:
1. TCP_NODELAY is on and a response head leaves in one piece: no request waits 40 ms for an acknowledgement.
2. A stream is chunked, one chunk per event.
3. Stopping wakes every waiting thread and closes every connection.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from .disturbed import Cut, Reset, Stall

REASONS = {529: "Overloaded"}


@dataclass(frozen=True, slots=True)
class Response:
    """A response: `body` bytes, or an iterator of them to be streamed (it may raise Cut, Reset or Stall)."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Iterator[bytes] = b""


class App(Protocol):
    """Answers requests. May raise Reset or Stall instead of responding."""

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """The response to one request; header names are in lower case."""


class Server(ThreadingHTTPServer):
    """Serves an `App` on 127.0.0.1; port 0 is a free one."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, app: App, port: int = 0) -> None:
        self.app = app
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)
        self.socket.settimeout(0.5)  # so often it asks whether it is to stop, should nothing wake it
        self._thread = threading.Thread(target=self._accept, daemon=True, name="loopback")

    def start(self) -> None:
        """Serve on a thread of its own."""
        self._thread.start()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            self.handle_request()

    def verify_request(self, _request: Any, _client_address: Any, /) -> bool:
        """The connection that wakes a stopping server is not served."""
        return not self.stopping.is_set()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection and remember it."""
        connection, address = super().get_request()
        with self._lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection; one that is to be reset sends no FIN first."""
        with self._lock:
            self._open.discard(request)
        linger = request.fileno() >= 0 and request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == _HARD
        if linger:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that disconnected; show any other error."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Stop at once: no connection is waited for."""
        self.stopping.set()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.server_address[1]), timeout=1).close()  # wakes the accepting thread
        self._thread.join()
        self.server_close()
        with self._lock:
            left, self._open = self._open, set()
        for connection in left:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


_HARD = struct.pack("ii", 1, 0)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, *_: Any) -> None:
        """Silence."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            response = self.server.app.respond(self.command, self.path, headers, body)
            if isinstance(response.body, bytes):
                extra = {"content-length": str(len(response.body))}
                self.wfile.write(self._head(response.status, {**response.headers, **extra}) + response.body)
            else:
                self._stream(response, response.body)
        except Reset:
            self._reset()
        except Stall as stall:
            self.server.stopping.wait(stall.seconds)
            self._reset()

    def _stream(self, response: Response, events: Iterator[bytes]) -> None:
        head = self._head(response.status, {**response.headers, "transfer-encoding": "chunked"})
        with contextlib.suppress(Cut):
            for event in events:
                self.wfile.write(head + b"%x\r\n%s\r\n" % (len(event), event))
                head = b""
        self.wfile.write(head + b"0\r\n\r\n")

    def _head(self, status: int, headers: Mapping[str, str]) -> bytes:
        reason = REASONS.get(status) or HTTPStatus(status).phrase
        lines = [
            f"HTTP/1.1 {status} {reason}",
            f"date: {self.date_time_string()}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _reset(self) -> None:
        """Close with RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _HARD)
        self.close_connection = True
