"""Conformance checks for adapters; `python -m switchwise.testing.adapters` prints them as a table.

    from switchwise.testing.adapters import CELLS, check_adapter

    @pytest.mark.parametrize("cell", CELLS)
    def test_my_adapter(cell):
        check_adapter(MyFace(), cell)

Give it a `Face`: a way to build your adapter over some endpoints, and to ask it something in neutral words. Servers are
the loopback provider (`switchwise[loopback]`) and a scripted one; the models are the framework's own.
"""

from __future__ import annotations

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.validation import meant
from switchwise.testing.adapters.cells import CELLS
from switchwise.testing.adapters.clients import ClientsFace
from switchwise.testing.adapters.common import failure
from switchwise.testing.adapters.face import Face, ModelEndpoint, NeutralRequest, NotHere, Said

__all__ = ["CELLS", "ClientsFace", "Face", "ModelEndpoint", "NeutralRequest", "NotHere", "Said", "check_adapter"]


def check_adapter(face: Face, cell: str = "") -> None:
    """Check that an adapter keeps the contract: fallback, faults, usage, cache hints, levels, decisions, streams, ids, portability.

    Parameters:
        face: the adapter.
        cell: name of the only cell to check, of `CELLS`; empty: all. Cells that do not apply to an adapter are skipped in a run of all.

    Raises:
        AssertionError: the adapter breaks the contract; the message names the cell and what it requires.
        NotHere: the only cell does not apply; the message gives the reason.
        ConfigurationError: `face` is no face, or the cell is unknown.
    """
    missing = [verb for verb in ("speaks", "build", "ask", "aask") if not callable(getattr(face, verb, None))]
    if isinstance(face, type) or missing:
        why = "a class" if isinstance(face, type) else f"it has no {', '.join(missing)}"
        raise ConfigurationError(f"check_adapter({face!r:.80}): {why}: give a Face, such as ClientsFace()")
    if cell and cell not in CELLS:
        raise ConfigurationError(f"check_adapter(cell={cell!r}): {meant(cell, CELLS, 'cells')}")
    for name in [cell] if cell else CELLS:
        try:
            CELLS[name](face)
        except NotHere:
            if cell:
                raise
        except Exception as error:  # raised below, with the cell in its words
            raise AssertionError(f"{face.name}: {name}: {failure(CELLS[name], error)}") from error
