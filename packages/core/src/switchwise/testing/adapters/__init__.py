"""Conformance checks for adapters; `python -m switchwise.testing.adapters` prints them as a table.

    from switchwise.testing.adapters import CELLS, check_adapter

    @pytest.mark.parametrize("cell", CELLS)
    def test_my_adapter(cell):
        check_adapter(MyFace(), cell)

Give it a `Face`: a way to build your adapter over some endpoints, and to ask it something in neutral words. Servers are
the loopback provider (`switchwise[loopback]`) and a scripted one; the models are the framework's own.
"""

from __future__ import annotations

from switchwise.testing.adapters.cells import CELLS
from switchwise.testing.adapters.clients import ClientsFace
from switchwise.testing.adapters.face import Face, ModelEndpoint, NeutralRequest, NotHere, Said

__all__ = ["CELLS", "ClientsFace", "Face", "ModelEndpoint", "NeutralRequest", "NotHere", "Said", "check_adapter"]


def check_adapter(face: Face, cell: str = "") -> None:
    """Check that an adapter keeps the contract: fallback, faults, usage, cache hints, levels, decisions, streams, ids, portability.

    Parameters:
        face: the adapter.
        cell: name of the only cell to check, of `CELLS`; empty: all. Cells that do not apply to an adapter are skipped in a run of all.

    Raises:
        AssertionError: the adapter breaks the contract; the message names the cell.
        NotHere: the only cell does not apply; the message gives the reason.
        KeyError: the cell is unknown.
    """
    if cell:
        CELLS[cell](face)
        return
    for name, check in CELLS.items():
        try:
            check(face)
        except NotHere:
            continue
        except AssertionError as error:
            raise AssertionError(f"{face.name}: {name}: {error}") from error
