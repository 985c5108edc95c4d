"""Prepare docstrings for the API pages: doctests in fences, one line per parameter."""

from __future__ import annotations

import re
from typing import Any

import griffe

_DOCTEST = re.compile(r"(?:^[ ]*>>> .*\n?(?:^[ ]*\S.*\n?)*)+", re.M)
_SEVERAL = re.compile(r"^( {4})(\w+(?:, \w+)+): (.*(?:\n {8,}.*)*)", re.M)


class Docstrings(griffe.Extension):
    """An extension of griffe, which reads the sources for mkdocstrings."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Prepare the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = prepared(obj.docstring.value)


def prepared(text: str) -> str:
    """The docstring as Markdown."""
    text = _DOCTEST.sub(lambda match: f"```pycon\n{match[0].rstrip()}\n```\n", text).rstrip()
    return _SEVERAL.sub(lambda match: "\n".join(f"{match[1]}{name}: {match[3]}" for name in match[2].split(", ")), text)
