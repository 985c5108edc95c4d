"""Stored responses of the Responses API, and encrypted reasoning.

Rules:
1. A response is kept unless `store` is false; `previous_response_id` and `item_reference` find kept ones only.
2. Reasoning travels as an id (kept responses) or as `encrypted_content`; both belong to the model that made them.
3. Of a kept response that reasoned, the item after the reasoning may not come back without it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from ..nouns.errors import Reject, invalid

Item = Mapping[str, Any]
_KEY = b"loopback"
_SNAPSHOT = re.compile(r"-20\d\d-\d\d-\d\d$")


class ResponseStore:
    """Stored responses and their items. Thread-safe. `trusted` encrypted reasoning counts as genuine."""

    def __init__(self, trusted: frozenset[str] = frozenset()) -> None:
        self._trusted = trusted
        self._lock = threading.Lock()
        self._conversations: dict[str, tuple[Item, ...]] = {}
        self._items: dict[str, tuple[Item, str]] = {}
        self._needs: dict[str, str] = {}

    def clear(self) -> None:
        """Remove all responses."""
        with self._lock:
            self._conversations.clear()
            self._items.clear()
            self._needs.clear()

    def keep(self, made: str, model: str, before: Sequence[Item], output: Sequence[Item]) -> None:
        """Store a response: its conversation and its output."""
        with self._lock:
            self._conversations[made] = (*before, *output)
            reasoning: str | None = None
            for item in output:
                self._items[item["id"]] = (item, family(model))
                if reasoning is not None:
                    self._needs[item["id"]] = reasoning
                reasoning = item["id"] if item["type"] == "reasoning" else None

    def conversation(self, body: Mapping[str, Any]) -> list[Item]:
        """All items of a request: those of the previous response, then its own with references resolved."""
        items: list[Item] = []
        previous = body.get("previous_response_id")
        with self._lock:
            if previous is not None:
                if previous not in self._conversations:
                    text = f"Previous response with id '{previous}' not found."
                    raise invalid(text, "previous_response_id", "previous_response_not_found")
                items.extend(item for item in self._conversations[previous] if self._own(item, body))
            given = body.get("input") or ()
            if isinstance(given, str):
                given = [{"role": "user", "content": given}]
            for item in given:
                if item.get("type") == "item_reference":
                    if item.get("id") not in self._items:
                        raise Reject(404, f"Item with id '{item.get('id')}' not found.", "invalid_request_error", "input")
                    item = self._items[item["id"]][0]
                items.append(item)
        return items

    def check(self, items: Sequence[Item], model: str, inherited: int) -> None:
        """Check that `model` can read the reasoning and that its result follows.

        The first `inherited` items are the service's own: it may have dropped reasoning among them.
        """
        with self._lock:
            kept = dict(self._items)
            needs = dict(self._needs)
        ids = [item.get("id") for item in items]
        for at, item in enumerate(items):
            made = item.get("id")
            if made is not None and made in ids[:at]:
                raise invalid(
                    f"Duplicate item found with id {made}. Remove duplicate items from your input and try again.", "input"
                )
            if item.get("type") == "reasoning":
                self._check_reasoning(item, model, kept)
                follower = items[at + 1] if at + 1 < len(items) else {}
                if not _is_output(follower):
                    text = f"Item '{made}' of type 'reasoning' was provided without its required following item."
                    raise invalid(text, "input")
            elif at >= inherited and made in needs and needs[made] not in ids[:at]:
                text = f"Item '{made}' of type '{item.get('type')}' was provided without its required 'reasoning' item: "
                raise invalid(f"{text}'{needs[made]}'.", "input")

    def _check_reasoning(self, item: Item, model: str, kept: Mapping[str, tuple[Item, str]]) -> None:
        sealed = item.get("encrypted_content")
        if sealed:
            if sealed not in self._trusted and unseal(sealed) != family(model):
                shown = sealed if len(sealed) < 12 else f"{sealed[:4]}...{sealed[-4:]}"
                raise invalid(f"The encrypted content {shown} could not be verified.", None, "invalid_encrypted_content")
            return
        if kept.get(item.get("id", ""), ({}, ""))[1] != family(model):
            text = (
                f"Item with id '{item.get('id')}' not found. Items are not persisted when `store` is set to false. "
                "Try again with `store` set to true, or remove this item from your input."
            )
            raise Reject(404, text, "invalid_request_error", "input")

    def _own(self, item: Item, body: Mapping[str, Any]) -> bool:
        """Drop another model's reasoning from a stored conversation."""
        if item.get("type") != "reasoning":
            return True
        return self._items.get(item.get("id", ""), ({}, ""))[1] == family(body["model"])


def family(model: str) -> str:
    """The model without its snapshot date."""
    return _SNAPSHOT.sub("", model)


def seal(model: str, text: str) -> str:
    """Reasoning that only its model can read."""
    content = json.dumps([family(model), hashlib.sha256(text.encode()).hexdigest()])
    mark = hmac.new(_KEY, content.encode(), "sha256").hexdigest()
    return "gAAAA" + base64.urlsafe_b64encode(json.dumps([content, mark]).encode()).decode()


def unseal(sealed: Any) -> str | None:
    """The model that made encrypted reasoning; None if it is not from this server."""
    try:
        content, mark = json.loads(base64.urlsafe_b64decode(sealed.removeprefix("gAAAA")))
        if not hmac.compare_digest(mark, hmac.new(_KEY, content.encode(), "sha256").hexdigest()):
            return None
        return str(json.loads(content)[0])
    except (ValueError, TypeError, AttributeError):
        return None


def _is_output(item: Item) -> bool:
    kind = item.get("type", "message")
    return item.get("role") == "assistant" if kind == "message" else kind == "reasoning" or kind.endswith("_call")
