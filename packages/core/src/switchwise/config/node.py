"""A field of a document during loading: its value, its place, and typed access."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from switchwise.config.document import Document, Refused
from switchwise.config.lines import Place
from switchwise.config.problems import near


@dataclass(frozen=True, slots=True)
class Node:
    """A field.

    Parameters:
        document: its document, which records problems.
        path: path in the document.
        value: JSON types, or a date.
    """

    document: Document
    path: Place
    value: Any

    def wrong(self, message: str, remedy: str) -> Refused:
        """Record a problem of this field; raise the result."""
        return self.document.wrong(self.path, message, remedy)

    def beside(self, path: str) -> Path:
        """Return the absolute path that `path`, relative to the file with this field, means."""
        return Path(self.document.place(self.path)[0]).absolute().parent / path

    def table(self, known: Collection[str] | None = None, what: str = "a table") -> dict[str, Node]:
        """Its fields.

        Parameters:
            known: allowed names; others are recorded as problems and skipped. None: any.

        Raises:
            Refused: it is no table.
        """
        if not isinstance(self.value, dict):
            raise self.wrong(f"{shown(self.value)} is not {what}", "write name = value pairs below it, or in { }")
        fields = {name: Node(self.document, (*self.path, name), value) for name, value in self.value.items()}
        if known is not None:
            for name in fields.keys() - set(known):
                fields[name].wrong(f"nothing here is called {name!r}", near(name, known))
            fields = {name: node for name, node in fields.items() if name in known}
        return fields

    def items(self) -> Iterator[Node]:
        """Its elements.

        Raises:
            Refused: it is no list.
        """
        if not isinstance(self.value, list):
            raise self.wrong(f"{shown(self.value)} is not a list", "put it in [ ]")
        return iter([Node(self.document, (*self.path, i), value) for i, value in enumerate(self.value)])

    def text(self) -> str:
        """Its text.

        Raises:
            Refused: it is something else, or empty.
        """
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.wrong(f"{shown(self.value)} is not a text", 'put a word in quotes: "..."')
        return self.value

    def texts(self) -> list[str]:
        """Its texts; a single one may stand without a list.

        Raises:
            Refused: one is something else.
        """
        return [self.text()] if isinstance(self.value, str) else [node.text() for node in self.items()]

    def number(self, least: float = 0.0) -> float:
        """Its number.

        Raises:
            Refused: it is something else, or too small.
        """
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < float("inf"):
            wanted = (
                f"a number from {least:g} on" if least > float("-inf") else f"a {'finite ' * isinstance(value, float)}number"
            )
            raise self.wrong(f"{shown(value)} will not do", f"give {wanted}, without quotes")
        return value

    def whole(self, least: int = 0) -> int:
        """Its whole number.

        Raises:
            Refused: it is something else, or too small.
        """
        if isinstance(self.value, bool) or not isinstance(self.value, int) or self.value < least:
            raise self.wrong(f"{shown(self.value)} will not do", f"give a whole number from {least} on, without quotes")
        return self.value

    def flag(self) -> bool:
        """Whether it is true.

        Raises:
            Refused: it is something else.
        """
        if not isinstance(self.value, bool):
            raise self.wrong(f"{shown(self.value)} is neither true nor false", "write true or false, without quotes")
        return self.value


def shown(value: Any) -> str:
    """A value in a message: short, and as it is written in a file.

    >>> shown(True), shown("x" * 100)[:9], shown({"a": 1})
    ('true', "'xxxxxxxx", 'a table')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else f"a list of {len(value)}"
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
