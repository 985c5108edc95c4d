"""Reject an answer that is empty, was cut off, or does not parse, so that the next target is called; without asking a model.

Use them as `verify=`, together with `usable`. Do not use `NotCut` where callers cap answers on purpose: each capped one would
be requested again. They check the form, not whether the answer is right: see `Judge`.

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
    """Reject an answer without text and tool calls, including an empty refusal; a refusal with a text is accepted."""

    name = "NotEmpty"

    def __call__(self, view: View, reply: Reply) -> Verdict:  # noqa: ARG002
        """The verdict."""
        if reply.text.strip() or reply.tool_calls or reply.answers:
            return _GOOD
        return Verdict(False, "it is empty")


class NotCut:
    """Reject an answer that was cut off at its token limit or at the end of the context window."""

    name = "NotCut"

    def __call__(self, view: View, reply: Reply) -> Verdict:  # noqa: ARG002
        """The verdict."""
        return Verdict(False, "it was cut off at the longest answer", 0.2) if reply.end is EndReason.LENGTH else _GOOD


class Parses:
    """Reject an answer that is not JSON although the request asks for structured output.

    Parameters:
        always: check every request; False: those with `needs.structured_output`.
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
    """Combine verifiers that ask no model: the first rejection decides."""

    name = "Usable"

    def __init__(self, *parts: NotEmpty | NotCut | Parses) -> None:
        self.parts = parts

    def __call__(self, view: View, reply: Reply) -> Verdict:
        """The verdict."""
        return next((verdict for part in self.parts if not (verdict := part(view, reply)).accepted), _GOOD)


def usable() -> Usable:
    """Return a verifier that rejects an empty, cut-off or unparsable answer: `Router(pool, verify=usable())`."""
    return Usable(NotEmpty(), NotCut(), Parses())
