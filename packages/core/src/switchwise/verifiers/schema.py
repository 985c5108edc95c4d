"""Reject replies that do not follow a schema.

Use it where a program reads the answer, or a tool's arguments, and the provider does not enforce the schema. Not for whether
the content is true (see `Judge`).

Source: pydantic's `TypeAdapter`; JSON Schema 2020-12, all of it with the extra `schema`, else the part that
`switchwise.verifiers.json_schema` lists.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.view import View
from switchwise.verifiers.json_schema import Check, checker

LONGEST = 300  # characters of a reason in notes and records


class Schema:
    """Accept replies that follow a schema: their text as JSON, or the arguments of a tool call.

    Replies without the checked part are accepted: one that calls tools and has no text, or one without a call to `tool`.

    Parameters:
        schema: a pydantic model, another type that pydantic can validate, or a JSON schema.
        tool: name of the tool whose arguments are checked; None: the text is checked.
        formats: check `format` of a JSON schema too, which is an annotation by the specification. Needs the extra `schema`.

    Raises:
        ConfigurationError: `schema` is not a schema, refers to another document, or, without the extra `schema`, has an
            unsupported keyword.

    >>> from switchwise import Reply, View
    >>> verify = Schema({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}})
    >>> verify(View(), Reply('{"city": "Kyiv"}')).accepted
    True
    >>> verify(View(), Reply('{"city": 7}')).because
    'city: 7 is not of type string'
    """

    name = "Schema"

    def __init__(self, schema: type[Any] | Mapping[str, Any], tool: str | None = None, *, formats: bool = False) -> None:
        self.tool = tool
        if isinstance(schema, str | bool) or schema is None:
            raise ConfigurationError(f"Schema({schema!r}): give a pydantic model, a type, or a JSON schema as a mapping")
        self._wrong: Check = checker(schema, formats) if isinstance(schema, Mapping) else _by_type(schema)

    def __call__(self, view: View, reply: Reply) -> Verdict:  # noqa: ARG002  (a verifier takes the view)
        if self.tool is not None:
            wrong = next(filter(None, (self._wrong(args) for name, args in reply.tool_calls if name == self.tool)), None)
        elif reply.tool_calls and not reply.text.strip():
            wrong = None
        else:
            wrong = self._wrong_text(reply.text)
        return Verdict(False, wrong[:LONGEST]) if wrong else Verdict(True, score=1.0)

    def _wrong_text(self, text: str) -> str | None:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:  # a looping model may open brackets endlessly
            return f"it is not JSON: {error}"
        return self._wrong(value)


def _by_type(schema: Any) -> Check:
    from pydantic import TypeAdapter, ValidationError

    adapter: TypeAdapter[Any] = TypeAdapter(schema)

    def wrong(value: Any) -> str | None:
        try:
            adapter.validate_json(json.dumps(value))  # as JSON: a date may be a string, a tuple a list
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            place = ".".join(map(str, first["loc"]))
            return f"{place}: {first['msg']}" if place else str(first["msg"])
        return None

    return wrong
