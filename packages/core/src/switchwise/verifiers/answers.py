"""Reject an answer that is empty, was cut off, or does not parse: the next target is asked. No model is asked for it.

Use them as `verify=`, together with `usable`. Do not use `NotCut` where callers cap answers on purpose: each capped one would be asked
again. They judge what came back, not whether it is right: see `Judge`.

>>> from switchwise import EndReason, Reply, View
>>> usable()(View(), Reply("The capi", end=EndReason.LENGTH)).because
'it was cut off at the longest answer'
>>> usable()(View(), Reply("Paris", end=EndReason.STOP)).accepted
True
"""

from __future__ import annotations

import json

from switchwise.nouns.exchange.reply import EndReason, Reply, Verdict
from switchwise.nouns.view import View

_GOOD = Verdict(True, "", 1.0)


class NotEmpty:
    """Rejects an answer without text and without calls of tools, a refusal without a word too; one that says why is an answer."""

    name = "NotEmpty"

    def __call__(self, view: View, reply: Reply) -> Verdict:  # noqa: ARG002
        """The verdict."""
        if reply.text.strip() or reply.tool_calls or reply.answers:
            return _GOOD
        return Verdict(False, "it is empty")


class NotCut:
    """Rejects an answer that was cut off at its longest, or at the end of the window."""

    name = "NotCut"

    def __call__(self, view: View, reply: Reply) -> Verdict:  # noqa: ARG002
        """The verdict."""
        return Verdict(False, "it was cut off at the longest answer", 0.2) if reply.end is EndReason.LENGTH else _GOOD


class Parses:
    """Rejects an answer that is not JSON where the request asks for an answer that follows a schema.

    Parameters:
        always: of every request; else of those with `needs.structured_output`.
    """

    name = "Parses"

    def __init__(self, always: bool = False) -> None:
        self.always = always

    def __call__(self, view: View, reply: Reply) -> Verdict:
        """The verdict."""
        if not (self.always or view.needs.structured_output) or reply.tool_calls or reply.end is EndReason.REFUSAL:
            return _GOOD
        try:
            json.loads(reply.text)
        except (ValueError, RecursionError) as error:
            return Verdict(False, f"it does not parse: {str(error)[:80]}", 0.1)
        return _GOOD


class Usable:
    """All of several verifiers that ask no model: the first that rejects decides."""

    name = "Usable"

    def __init__(self, *parts: NotEmpty | NotCut | Parses) -> None:
        self.parts = parts

    def __call__(self, view: View, reply: Reply) -> Verdict:
        """The verdict."""
        return next((verdict for part in self.parts if not (verdict := part(view, reply)).accepted), _GOOD)


def usable() -> Usable:
    """Ask the next target if an answer does not parse, was cut off or came back empty: `Router(pool, verify=usable())`."""
    return Usable(NotEmpty(), NotCut(), Parses())
