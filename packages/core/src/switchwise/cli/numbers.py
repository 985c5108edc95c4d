"""Numbers and files among the arguments: read within their bounds, or refused with what is wanted."""

from __future__ import annotations

from collections.abc import Callable
from math import nextafter
from pathlib import Path

import typer

ABOVE_0, BELOW_1 = nextafter(0.0, 1.0), nextafter(1.0, 0.0)


def number(least: float, most: float, wanted: str) -> Callable[[str], float]:
    """Reads a number within these bounds, both included.

    Parameters:
        wanted: what is said of the bounds where a word is refused.
    """

    def read(word: str | float) -> float:
        try:
            value = float(word)
        except ValueError:
            raise typer.BadParameter(f"{word!r} is not a number: give one {wanted}") from None
        if not least <= value <= most:  # a NaN is in no range
            raise typer.BadParameter(f"{word} is out of range: give a number {wanted}")
        return value

    return read


def whole(least: int) -> Callable[[str], int]:
    """Reads a whole number from `least` on."""

    def read(word: str | int) -> int:
        text = str(word)
        if not (text.isascii() and text.isdigit()) or int(text) < least:
            raise typer.BadParameter(f"{text!r} will not do: give a whole number from {least} on")
        return int(text)

    return read


def drawing(word: str | Path) -> Path:
    """Reads where a drawing goes; said before the work is done."""
    path = Path(word)
    if path.suffix not in ("", ".svg"):
        raise typer.BadParameter(f"{word}: drawings are SVG; give a name that ends in .svg")
    if path.is_dir() or not path.parent.is_dir():
        raise typer.BadParameter(f"{word}: {'a folder' if path.is_dir() else f'there is no folder {path.parent}'}")
    return path
