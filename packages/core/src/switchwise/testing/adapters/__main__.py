"""`python -m switchwise.testing.adapters [module:Face ...] [--docs PATH]`: the cells of the adapters, as a table; status 1 where one fails.

Without names: the clients, and the adapters of LangChain and LlamaIndex where they are installed. With `--docs`, nothing is checked, and
the page on portability is written.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from importlib import import_module
from pathlib import Path

from switchwise.testing.adapters import CELLS, Face, NotHere
from switchwise.testing.adapters.common import failure
from switchwise.testing.adapters.document import document

OURS = (
    "switchwise.testing.adapters:ClientsFace",
    "langchain_switchwise.testing:LangChainFace",
    "llama_index.llms.switchwise.testing:LlamaIndexFace",
)


def main(arguments: list[str]) -> int:
    """Print the table.

    Parameters:
        arguments: of the command line.
    """
    parser = argparse.ArgumentParser(
        prog="python -m switchwise.testing.adapters", description="The cells of the adapters, as a table."
    )
    parser.add_argument("faces", nargs="*", help="module:Face of an adapter; none: switchwise's own")
    parser.add_argument("--docs", type=Path, help="write the page on portability, and check nothing")
    given = parser.parse_args(arguments)
    try:
        faces = [face for name in given.faces or OURS if (face := _face(name, required=bool(given.faces))) is not None]
    except _NoFace as error:
        parser.error(str(error))
    if given.docs:
        given.docs.write_text(document(), encoding="utf-8")
        return 0
    warnings.simplefilter("ignore")
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        return _table(faces)
    finally:
        logging.disable(before)


class _NoFace(Exception):
    """The name of a face is wrong; the message says how."""


def _table(faces: list[Face]) -> int:
    width = max(map(len, CELLS))
    _write(" " * width, [face.name for face in faces])
    remarks: list[str] = []
    failed = 0
    for name, check in CELLS.items():
        row = []
        for face in faces:
            try:
                check(face)
            except NotHere as reason:
                row.append("-")
                remarks.append(f"-    {face.name}: {name}: {reason}")
            except Exception as error:  # noqa: BLE001  (whatever breaks, the other cells are shown)
                row.append("FAIL")
                failed += 1
                remarks.append(f"FAIL {face.name}: {name}: {failure(check, error)}")
            else:
                row.append("ok")
        _write(f"{name:<{width}}", row)
    _write("\n".join(["", *remarks, f"{len(CELLS)} cells, {failed} failed"]), [])
    return 1 if failed else 0


def _write(name: str, cells: list[str]) -> None:
    sys.stdout.write(" ".join([name, *[f"{cell:>10}" for cell in cells]]) + "\n")
    sys.stdout.flush()


def _face(name: str, required: bool) -> Face | None:
    """The face of that name; None if it is not required, and what it needs is not installed.

    Raises:
        _NoFace: the name is wrong.
    """
    module, _, attribute = name.partition(":")
    if not attribute:
        raise _NoFace(f"{name}: write module:Face, such as switchwise.testing.adapters:ClientsFace")
    try:
        found = import_module(module)
    except ImportError as error:
        if not required:
            return None
        if error.name is not None and not f"{module}.".startswith(f"{error.name}."):
            raise  # from within it
        raise _NoFace(f"{name}: there is no module {module}") from error
    if not hasattr(found, attribute):
        raise _NoFace(f"{name}: {module} has no {attribute}")
    face: Face = getattr(found, attribute)()
    return face


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
