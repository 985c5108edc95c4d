"""Run the percent scripts of examples/notebooks and write them as notebooks with their outputs. `python tools/make_notebooks.py`.

No kernel is started: the cells run here, one after the other, and the value of the last expression of a cell is its output, as in a notebook.
Charts are stored as pictures, which every viewer shows.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parents[1] / "examples" / "notebooks"
_MARK = re.compile(r"^# %%(?: \[(markdown)\])?\n", re.M)


class Cell(NamedTuple):
    """One cell: kind, source and outputs."""

    kind: str
    source: str
    shown: dict[str, Any] | None = None
    printed: str = ""


def cells_of(script: Path) -> Iterator[Cell]:
    """The cells of a percent script, not run."""
    _, *parts = _MARK.split(script.read_text(encoding="utf-8"))
    for kind, body in zip(parts[::2], parts[1::2], strict=True):
        if kind:
            yield Cell("markdown", "\n".join(line.removeprefix("#").removeprefix(" ") for line in body.strip().splitlines()))
        else:
            yield Cell("code", body.strip())


def run(script: Path) -> list[Cell]:
    """The cells of a script, run top to bottom in one namespace."""
    names: dict[str, Any] = {"__name__": "__main__"}
    return [cell if cell.kind == "markdown" else _ran(cell, names, script) for cell in cells_of(script)]


def _ran(cell: Cell, names: dict[str, Any], script: Path) -> Cell:
    tree = ast.parse(cell.source, str(script))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    value = None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, str(script), "exec"), names)  # noqa: S102  (our own examples)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), str(script), "eval"), names)  # noqa: S307
    return Cell(cell.kind, cell.source, None if value is None else _shown(value), printed.getvalue())


def _shown(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"text/plain": repr(value)}
    if hasattr(value, "to_dict") and type(value).__module__.startswith("altair"):
        import vl_convert

        found["text/plain"] = f"<{type(value).__name__}>"
        found["image/png"] = base64.b64encode(vl_convert.vegalite_to_png(value.to_json(), scale=1.4)).decode()
    elif (html := getattr(value, "_repr_html_", None)) is not None:
        found["text/html"] = html()
    return found


def notebook(cells: list[Cell]) -> dict[str, Any]:
    """Cells as a notebook of format 4.5."""
    made, number = [], 0
    for place, cell in enumerate(cells):
        entry: dict[str, Any] = {"cell_type": cell.kind, "id": f"cell-{place}", "metadata": {}, "source": _lines(cell.source)}
        if cell.kind == "code":
            number += 1
            outputs: list[dict[str, Any]] = []
            if cell.printed:
                outputs.append({"output_type": "stream", "name": "stdout", "text": _lines(cell.printed)})
            if cell.shown is not None:
                data = {kind: text if kind.startswith("image") else _lines(text) for kind, text in cell.shown.items()}
                outputs.append({"output_type": "execute_result", "execution_count": number, "metadata": {}, "data": data})
            entry |= {"execution_count": number, "outputs": outputs}
        made.append(entry)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def main() -> None:
    """Write all notebooks."""
    scripts = sorted(FOLDER.glob("*.py"))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for script in scripts:
            text = json.dumps(notebook(run(script)), indent=1, ensure_ascii=False)
            script.with_suffix(".ipynb").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
