"""Reject replies that do not follow a schema.

Use it where the answer, or a tool's arguments, must be read by a program and the model is not held to a schema by its
provider. Not for whether the content is true (see `Judge`).

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

LONGEST = 300  # characters of a reason: it goes into notes and records


class Schema:
    """Accept the replies that follow a schema: their text as JSON, or the arguments of a tool.

    What the schema is not about is accepted: a reply that calls tools and has no text, or one without a call to `tool`.

    Parameters:
        schema: a pydantic model or any type that pydantic can check; or a JSON schema.
        tool: judge the arguments of the calls to this tool; None: judge the text.
        formats: check the `format` of a JSON schema too, which by the specification is a note. Needs the extra `schema`.

    Raises:
        ConfigurationError: it is no schema, it refers to another document, or, without the extra `schema`, it has a keyword that
            would not be checked.

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
        except (ValueError, RecursionError) as error:  # a model that loops may open brackets without end
            return f"it is no JSON: {error}"
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
