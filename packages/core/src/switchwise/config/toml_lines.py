"""On which line each field of a TOML file stands. The standard library's parser does not tell."""

from __future__ import annotations

Path = tuple[str | int, ...]


def toml_lines(text: str) -> dict[Path, int]:
    r"""The line of each table, key and element, from 1.

    Parameters:
        text: what `tomllib` takes without an error: nothing is checked here.

    >>> toml_lines('a = 1\n[b]\nc = [ {d = 2},\n {d = 3} ]')[("b", "c", 1, "d")]
    4
    """
    return _Scanner(text).scan()


class _Scanner:
    """A reading of the text from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n")
        self._at = 0
        self._line = 1
        self._lines: dict[Path, int] = {}
        self._last: dict[Path, int] = {}  # arrays of tables: the index of the last one

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        while self._skip(" \t\n"):
            if self._text.startswith("[[", self._at):
                table = self._header(2)
            elif self._text[self._at] == "[":
                table = self._header(1)
            else:
                self._pair(table)
        return self._lines

    def _skip(self, blank: str) -> bool:
        """Go past blanks and comments; whether something is left."""
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

    def _header(self, brackets: int) -> Path:
        self._step(brackets)
        *outer, last = self._key()
        path: Path = ()
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

    def _inside(self, path: Path) -> Path:
        """The path of a table; of an array of tables, that of its last one."""
        self._lines.setdefault(path, self._line)
        return (*path, self._last[path]) if path in self._last else path

    def _pair(self, table: Path) -> None:
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
            quoted = self._text[begin + 1 : self._at - 1]
            return quoted.replace('\\"', '"').replace("\\\\", "\\") if self._text[begin] == '"' else quoted
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

    def _value(self, path: Path) -> None:
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
