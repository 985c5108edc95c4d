"""The endpoints that list models, and the error for unknown models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..nouns.errors import Reject
from .faults import Fault, Injected, rejection


def listed(path: str, provider: str, models: Sequence[str] | None) -> dict[str, Any]:
    """The answer to GET /v1/models and /v1/models/{name}. Raises a 404 `Reject` for any other path, and for a model that does not exist.

    Parameters:
        models: existing models; None: all exist.
    """
    if path == "/v1/models":
        extra = {"object": "list"} if provider == "openai" else {"has_more": False, "first_id": None, "last_id": None}
        return {"data": [_model(provider, name) for name in models or ()], **extra}
    name = path.removeprefix("/v1/models/")
    if not path.startswith("/v1/models/"):
        raise Reject(404, f"Invalid URL (GET {path})" if provider == "openai" else "Not found")
    if models is not None and name not in models:
        raise not_found(provider, "models", name)
    return _model(provider, name)


def not_found(provider: str, api: str, model: str) -> Reject:
    """The model does not exist."""
    reject = rejection(Injected(Fault.NOT_FOUND), Fault.NOT_FOUND, provider, api, model)
    reject.fault = None  # nobody injected it
    return reject


def _model(provider: str, name: str) -> dict[str, Any]:
    if provider == "openai":
        return {"id": name, "object": "model", "created": 1767225600, "owned_by": "loopback"}
    return {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}
