"""Line numbers of fields in TOML, which the standard library's parser does not give, and YAML (extra `yaml`)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from switchwise.config.problems import BadConfiguration, Problem

Place = tuple[str | int, ...]
MOST = 100_000  # fields of a YAML file: aliases can stand for many more than were written


def toml_lines(text: str) -> dict[Place, int]:
    r"""The line of each table, key and element, from 1.

    Parameters:
        text: valid TOML; it is not checked here.

    >>> toml_lines('a = 1\n[b]\nc = [ {d = 2},\n {d = 3} ]')[("b", "c", 1, "d")]
    4
    """
    return _Scanner(text).scan()


class _Scanner:
    """A scanner of the text from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n")
        self._at = 0
        self._line = 1
        self._lines: dict[Place, int] = {}
        self._last: dict[Place, int] = {}  # arrays of tables: the index of the last one

    def scan(self) -> dict[Place, int]:
        table: Place = ()
        while self._skip(" \t\n"):
            if self._text.startswith("[[", self._at):
                table = self._header(2)
            elif self._text[self._at] == "[":
                table = self._header(1)
            else:
                self._pair(table)
        return self._lines

    def _skip(self, blank: str) -> bool:
        """Skip blanks and comments; return whether something is left."""
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            elif char in blank:
                self._step()
            else:
                return True
        return False

    def _step(self, count: int = 1) -> None:
        self._line += self._text.count("\n", self._at, self._at + count)
        self._at += count

    def _header(self, brackets: int) -> Place:
        self._step(brackets)
        *outer, last = self._key()
        path: Place = ()
        for name in outer:
            path = self._inside((*path, name))
        path = (*path, last)
        if brackets == 2:
            self._last[path] = self._last.get(path, -1) + 1
            self._lines.setdefault(path, self._line)
        path = self._inside(path)
        self._lines.setdefault(path, self._line)
        self._skip(" \t")
        self._step(brackets)
        return path

    def _inside(self, path: Place) -> Place:
        """The path of a table; of an array of tables, that of its last one."""
        self._lines.setdefault(path, self._line)
        return (*path, self._last[path]) if path in self._last else path

    def _pair(self, table: Place) -> None:
        path = table
        for name in self._key():
            path = (*path, name)
            self._lines.setdefault(path, self._line)
        self._skip(" \t")
        self._step()  # =
        self._skip(" \t")
        self._value(path)

    def _key(self) -> list[str]:
        names = []
        while True:
            self._skip(" \t")
            names.append(self._name())
            self._skip(" \t")
            if self._text[self._at : self._at + 1] != ".":
                return names
            self._step()

    def _name(self) -> str:
        begin = self._at
        if self._text[begin] in "\"'":
            self._string()
            quoted = self._text[begin : self._at]
            return str(tomllib.loads(f"name = {quoted}")["name"]) if "\\" in quoted else quoted[1:-1]
        while self._at < len(self._text) and (self._text[self._at].isalnum() or self._text[self._at] in "_-"):
            self._step()
        return self._text[begin : self._at]

    def _string(self) -> None:
        quote = self._text[self._at]
        end = quote * 3 if self._text.startswith(quote * 3, self._at) else quote
        self._step(len(end))
        while not self._text.startswith(end, self._at):
            self._step(2 if quote == '"' and self._text[self._at] == "\\" else 1)
        self._step(len(end))
        while len(end) == 3 and self._text.startswith(quote, self._at):  # up to two more may belong to the text
            self._step()

    def _value(self, path: Place) -> None:
        self._lines.setdefault(path, self._line)
        char = self._text[self._at]
        if char in "\"'":
            self._string()
        elif char == "[":
            self._step()
            index = 0
            while self._skip(" \t\n,") and self._text[self._at] != "]":
                self._value((*path, index))
                index += 1
            self._step()
        elif char == "{":
            self._step()
            while self._skip(" \t\n,") and self._text[self._at] != "}":
                self._pair(path)
            self._step()
        else:
            while self._at < len(self._text) and self._text[self._at] not in ",]}\n#":
                self._step()


def yaml_parsed(path: Path, text: str) -> tuple[dict[str, Any], dict[Place, int]]:
    """Parse YAML; return the tree and the line of each field.

    Raises:
        BadConfiguration: it is not YAML or not a table, a key is not a text or occurs twice, or PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError:
        message = "YAML cannot be read here"
        raise BadConfiguration(
            [Problem(str(path), 0, "", message, 'pip install "switchwise[yaml]", or write the file as TOML')]
        ) from None
    lines: dict[Place, int] = {}

    def refuse(node: Any, message: str, remedy: str) -> BadConfiguration:
        return BadConfiguration([Problem(str(path), node.start_mark.line + 1, "", message, remedy)])

    def walk(node: Any, place: Place) -> None:
        lines.setdefault(place, node.start_mark.line + 1)
        if len(lines) > MOST or len(place) > 50:
            raise refuse(node, "too many fields, or too deep", "do without aliases")
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                name = key.value
                if key.tag == "tag:yaml.org,2002:merge":
                    raise refuse(key, "merge keys are not supported", "write the fields out, or use include")
                if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                    raise refuse(key, f"the key {name!r:.40} is not a text", "put it in quotes")
                if (*place, name) in lines:
                    raise refuse(key, f"{name!r} occurs twice", "keep one of them")
                lines[(*place, name)] = key.start_mark.line + 1
                walk(value, (*place, name))
        elif isinstance(node, yaml.SequenceNode):
            for i, value in enumerate(node.value):
                walk(value, (*place, i))
        else:
            try:
                yaml.constructor.SafeConstructor().construct_object(node)
            except (AttributeError, LookupError, ValueError) as error:  # what a value that does not fit its tag makes it raise
                raise refuse(node, f"no YAML: {error}", "put a text in quotes") from None

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            walk(root, ())
        data = yaml.safe_load(text) or {}
    except RecursionError:
        raise BadConfiguration([Problem(str(path), 1, "", "no YAML: too deep", "see the brackets")]) from None
    except yaml.YAMLError as error:
        mark, message = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
        line = mark.line + 1 if mark else 1
        raise BadConfiguration(
            [Problem(str(path), line, "", f"no YAML: {message}", "see the indentation and the quotes")]
        ) from None
    if not isinstance(data, dict):
        raise BadConfiguration([Problem(str(path), 1, "", "no table", "begin with targets: and routers:")])
    return data, lines
