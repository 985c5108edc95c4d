"""A configuration file and its includes as one tree, with file and line of every field."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from switchwise.config.lines import Place, toml_lines, yaml_parsed
from switchwise.config.problems import BadConfiguration, Problem
from switchwise.nouns.errors import ConfigurationError

VARIABLE = "SWITCHWISE_CONFIG"
USUAL = ("switchwise.toml", "switchwise.yaml", "switchwise.yml")
SECRET = re.compile(
    r"\b(sk-[\w-]{12,}|gsk_\w{12,}|xai-\w{12,}|hf_\w{12,}|nvapi-[\w-]{12,}|AIza[\w-]{20,}|AKIA[A-Z0-9]{12,}|gh[pousr]_\w{20,}|eyJ[\w-]{20,}\.)"
)
Places = dict[Place, tuple[str, int]]


class Refused(Exception):
    """Raised for an invalid field whose problem is recorded already."""


class Document:
    """The merged tree of a file and its includes.

    Parameters:
        path: of the outermost file.
        data: the tree: JSON types.
        places: place of each field.
        files: all read files, the outermost one last.
    """

    def __init__(self, path: Path, data: dict[str, Any], places: Places, files: tuple[Path, ...]) -> None:
        self.path = path
        self.data = data
        self.files = files
        self.problems: list[Problem] = []
        self._places = places

    def place(self, path: Place) -> tuple[str, int]:
        """File and line of a field; for a missing one, of its parent."""
        for length in range(len(path), -1, -1):
            if path[:length] in self._places:
                return self._places[path[:length]]
        return str(self.path), 1

    def wrong(self, path: Place, message: str, remedy: str) -> Refused:
        """Record a problem; raise the result to continue with the next part."""
        file, line = self.place(path)
        self.problems.append(Problem(file, line, field_of(path), message, remedy))
        return Refused()

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Context manager that continues after a problem, to find further ones."""
        with suppress(Refused):
            yield

    def finish(self) -> None:
        """Raise the recorded problems, if there are any.

        Raises:
            BadConfiguration: all problems.
        """
        if self.problems:
            raise BadConfiguration(self.problems)


def field_of(path: Place) -> str:
    """Format a field's path for messages.

    >>> field_of(("routers", "main", "policies", 2, "Budget"))
    'routers.main.policies[2].Budget'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read(path: str | Path) -> Document:
    """Read a TOML or YAML file and what it includes.

    Raises:
        BadConfiguration: a file is missing, is not of its format, or includes itself; or a key is written out in it.
    """
    there = Path(path)
    data, places, files = _read(there, (), None)
    document = Document(there, data, places, files)
    _refuse_secrets(document)
    return document


def _read(
    path: Path, outer: tuple[Path, ...], asked: tuple[str, int] | None
) -> tuple[dict[str, Any], Places, tuple[Path, ...]]:
    where, line = asked or (str(path), 0)
    field = "include" if asked else ""
    if path.resolve() in outer:
        raise BadConfiguration([Problem(where, line, field, f"{path} includes itself", "remove it from include")])
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        message = f"{path} cannot be read: {reason}"
        remedy = (
            "give the path of a file, relative to the one that includes it"
            if asked
            else "give the path of a .toml or .yaml file"
        )
        raise BadConfiguration([Problem(where, line, field, message, remedy)]) from None
    data, lines = _parsed(path, text)
    places: Places = {place: (str(path), line) for place, line in lines.items()}
    merged: dict[str, Any] = {}
    kept: Places = {}
    files: tuple[Path, ...] = ()
    include = data.get("include", [])
    for i, name in enumerate([include] if isinstance(include, str) else include if isinstance(include, list) else ()):
        if isinstance(name, str):
            asked = places.get(("include", i)) or places[("include",)]
            inner, inner_places, inner_files = _read(path.parent / name, (*outer, path.resolve()), asked)
            _merge(merged, inner, kept, inner_places, ())
            files += inner_files
    _merge(merged, data, kept, places, ())
    return merged, kept, (*files, path)


def _merge(into: dict[str, Any], data: Mapping[str, Any], kept: Places, places: Places, path: Place) -> None:
    """Lay one tree over another: tables are joined, everything else is replaced."""
    for name, value in data.items():
        here = (*path, name)
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            kept[here] = places[here]
            _merge(into[name], value, kept, places, here)
            continue
        for old in [place for place in kept if place[: len(here)] == here]:
            del kept[old]
        kept |= {place: line for place, line in places.items() if place[: len(here)] == here}
        into[name] = value


def _parsed(path: Path, text: str) -> tuple[dict[str, Any], dict[Place, int]]:
    if path.suffix in (".yaml", ".yml"):
        return yaml_parsed(path, text)
    if path.suffix != ".toml":
        raise BadConfiguration([Problem(str(path), 0, "", "a file of no known format", "name it .toml, .yaml or .yml")])
    try:
        return tomllib.loads(text), toml_lines(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = re.search(r"\s*\(at line (\d+), column (\d+)\)$", message)
        line = int(found[1]) if found else text.count("\n") + 1
        message = message[: found.start()] if found else message.replace(" (at end of document)", " at the end of the file")
        remedy = f"see column {found[2]}: texts are in quotes, inline tables on one line" if found else "close what is open"
        raise BadConfiguration([Problem(str(path), line, "", f"no TOML: {message}", remedy)]) from None
    except RecursionError:
        raise BadConfiguration([Problem(str(path), 1, "", "no TOML: too deep", "see the brackets")]) from None
    except ValueError as error:  # a number of thousands of digits
        number = re.search(r"[\d_]{1000,}", text)
        line = text.count("\n", 0, number.start()) + 1 if number else 1
        raise BadConfiguration([Problem(str(path), line, "", f"no TOML: {error}", "put a text in quotes")]) from None


def _refuse_secrets(document: Document) -> None:
    def look(value: Any, path: Place) -> None:
        if isinstance(value, str) and SECRET.search(value):
            document.wrong(path, "a key is written out here", 'keep it elsewhere and refer to it: "env:NAME_OF_THE_VARIABLE"')
        for name, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
            look(part, (*path, name))

    look(document.data, ())


def find(path: str | Path | None = None) -> Path:
    """Find the file: the given one, that of `SWITCHWISE_CONFIG`, or `./switchwise.toml`.

    Raises:
        ConfigurationError: there is no file.
    """
    if path is not None:
        return Path(path)
    if named := os.environ.get(VARIABLE):
        return Path(named)
    for name in USUAL:
        if Path(name).is_file():
            return Path(name)
    raise ConfigurationError(f"no {USUAL[0]} here and {VARIABLE} is not set: give a path, or write one with `switchwise init`")
