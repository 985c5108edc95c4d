"""Parse numbers and files among the arguments, or refuse them with the expected form."""

from __future__ import annotations

from collections.abc import Callable
from math import nextafter
from pathlib import Path

import typer

ABOVE_0, BELOW_1 = nextafter(0.0, 1.0), nextafter(1.0, 0.0)


def number(least: float, most: float, wanted: str) -> Callable[[str], float]:
    """Return a parser of numbers within these bounds, both included.

    Parameters:
        wanted: description of the bounds in the error.
    """

    def read(word: str | float) -> float:
        try:
            value = float(word)
        except ValueError:
            raise typer.BadParameter(f"{word!r} is not a number: give one {wanted}") from None
        if not least <= value <= most:  # NaN is outside every range
            raise typer.BadParameter(f"{word} is out of range: give a number {wanted}")
        return value

    return read


def whole(least: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from `least` on."""

    def read(word: str | int) -> int:
        text = str(word)
        if not (text.isascii() and text.isdigit()) or int(text) < least:
            raise typer.BadParameter(f"{text!r} will not do: give a whole number from {least} on")
        return int(text)

    return read


def drawing(word: str | Path) -> Path:
    """Parse the path of a drawing, before the work is done."""
    path = Path(word)
    if path.suffix not in ("", ".svg"):
        raise typer.BadParameter(f"{word}: drawings are SVG; give a name that ends in .svg")
    if path.is_dir() or not path.parent.is_dir():
        raise typer.BadParameter(f"{word}: {'a folder' if path.is_dir() else f'there is no folder {path.parent}'}")
    return path
