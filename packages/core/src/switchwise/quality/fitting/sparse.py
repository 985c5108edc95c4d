"""A matrix of few entries per row, and ridge regression on it, in numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class SparseMatrix:
    """A sparse matrix, by rows.

    Parameters:
        columns: for each row the indices of its entries.
        values: the entries in the same order, joined; None: each is 1.
        width: the number of columns.
    """

    def __init__(self, columns: Sequence[Any], values: Any, width: int) -> None:
        import numpy as np

        self.counts = np.array([len(row) for row in columns], dtype=np.int64)
        self.columns = np.concatenate(columns).astype(np.int64) if len(columns) else np.zeros(0, np.int64)
        self.rows = np.repeat(np.arange(len(columns)), self.counts)
        self.values = np.ones(len(self.columns)) if values is None else values
        self.width = width

    def __len__(self) -> int:
        return len(self.counts)

    def times(self, vector: Any) -> Any:
        """The product with a vector of `width` numbers."""
        import numpy as np

        return np.bincount(self.rows, self.values * vector[self.columns], len(self.counts))

    def transposed_times(self, vector: Any) -> Any:
        """The product of the transposed matrix with a vector of one number per row."""
        import numpy as np

        return np.bincount(self.columns, self.values * vector[self.rows], self.width)


def ridge(rows: SparseMatrix, dense: Any, wanted: Any, penalty: float, steps: int = 60, exact: float = 1e-4) -> tuple[Any, Any]:
    """Weights that predict `wanted` from sparse and dense columns together.

    Solves `(X Xt + penalty) a = wanted` by conjugate gradients, as many equations as rows; the weights are `Xt a`.

    Parameters:
        rows: the sparse columns.
        dense: (rows, features) further columns.
        wanted: one number per row, of mean about 0.
        penalty: for rows of norm 1 it is on the scale of one outcome.
        steps: at most as many iterations.
        exact: the residual, as a share of the first, at which to stop.

    Returns the weights of the sparse columns and those of the dense ones.
    """
    import numpy as np

    def product(vector: Any) -> Any:
        return rows.times(rows.transposed_times(vector)) + dense @ (dense.T @ vector) + penalty * vector

    solution = np.zeros(len(wanted))
    residual = np.asarray(wanted, float).copy()
    direction = residual.copy()
    size = first = float(residual @ residual)
    for _ in range(steps):
        if size <= exact**2 * first or size == 0:
            break
        image = product(direction)
        step = size / float(direction @ image)
        solution += step * direction
        residual -= step * image
        new = float(residual @ residual)
        direction = residual + (new / size) * direction
        size = new
    return rows.transposed_times(solution), dense.T @ solution
