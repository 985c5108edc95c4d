"""Errors in the form of the real APIs.

`Reject` is the only exception inside the server: a status, the provider's error type, and the fields of each body.

| provider  | body                                                                        | request id     |
|-----------|-----------------------------------------------------------------------------|----------------|
| OpenAI    | `{"error": {"message", "type", "param", "code"}}`                         | x-request-id   |
| Anthropic | `{"type": "error", "error": {"type", "message"}, "request_id"}`           | request-id     |
| TypeSafe  | `{"detail": {"error_type", "message"}}`; 422 `{"detail": [{"loc", "msg", "type"}]}` | x-typesafe-request-id |

Source: recorded errors of both APIs; texts that were never recorded are from issues and documentation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ANTHROPIC_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


@dataclass
class Reject(Exception):
    """A refusal of the request.

    Parameters:
        status: HTTP status.
        message: the message of the body.
        type: the provider's error type; None takes the one of the status.
        param, code: OpenAI only.
        headers: extra response headers.
        plain: the body is the message itself, as text/plain (a proxy's answer).
        fault: name of the injected fault behind it.
    """

    status: int
    message: str
    type: str | None = None
    param: str | None = None
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    plain: bool = False
    fault: str | None = None

    def payload(self, provider: str, request_id: str) -> dict[str, Any]:
        """The JSON body in the dialect of `provider`."""
        if provider == "anthropic":
            kind = self.type or ANTHROPIC_TYPES.get(self.status, "api_error")
            return {"type": "error", "error": {"type": kind, "message": self.message}, "request_id": request_id}
        if provider == "typesafe":
            if self.status == 422:
                where = ["body", *(self.param or "").split(".")]
                return {"detail": [{"loc": where, "msg": self.message, "type": self.type or "value_error"}]}
            return {"detail": {"error_type": self.type or self.code or "server_error", "message": self.message}}
        kind = self.type or ("server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def body(self, provider: str, request_id: str) -> tuple[str, bytes]:
        """Content type and bytes of the body."""
        if self.plain:
            return "text/plain", self.message.encode()
        return "application/json", json.dumps(self.payload(provider, request_id), ensure_ascii=False).encode()


def invalid(message: str, param: str | None = None, code: str | None = None) -> Reject:
    """A 400 `invalid_request_error`."""
    return Reject(400, message, "invalid_request_error", param, code)


def json_object(body: bytes) -> dict[str, Any]:
    """The body of a request. Raises a 400 `Reject` if it is not a JSON object."""
    try:
        parsed = json.loads(body or b"null")
    except ValueError as error:
        raise Reject(400, "We could not parse the JSON body of your request.") from error
    if not isinstance(parsed, dict):
        raise Reject(400, "The body of the request must be a JSON object.")
    return parsed
