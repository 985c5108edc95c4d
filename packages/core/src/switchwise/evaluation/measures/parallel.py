"""Work that is more than one process can hold, over joblib's backends: processes here, or an existing Dask or Ray cluster.

Needs joblib (`pip install "switchwise[parallel]"`) where more than one process is asked for. Nothing of ours distributes: a backend that was
chosen around the call (`with joblib.parallel_config("dask")`) is used as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from switchwise.display.progress import counted
from switchwise.nouns.errors import ConfigurationError

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(work: Callable[[Item], Result], items: Iterable[Item], jobs: int | None = None) -> list[Result]:
    """The result for each item, in their order.

    Parameters:
        work: a function that can be pickled where `jobs` is more than one.
        jobs: processes; -1: one for each core; None: what `joblib.parallel_config` says around this call, else this process alone.

    Raises:
        ConfigurationError: `jobs` is 0, or asks for several processes and joblib is not installed.

    >>> each(abs, [-1, 2, -3])
    [1, 2, 3]
    """
    if jobs == 0:
        raise ConfigurationError("jobs=0: give a number of processes, -1 for one on each core, or None")
    joblib, asked = _joblib(jobs), list(items)
    if joblib is None:
        return counted((work(item) for item in asked), len(asked))
    one_by_one = joblib.parallel.get_active_backend()[0].supports_return_generator
    running = joblib.Parallel(n_jobs=jobs, return_as="generator" if one_by_one else "list")
    return counted(running(joblib.delayed(work)(item) for item in asked), len(asked))


def _joblib(jobs: int | None) -> Any:
    """The library; None: this process does it all."""
    if jobs == 1:
        return None
    try:
        import joblib  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        if jobs is None:
            return None
        raise ConfigurationError(f"jobs={jobs}: several processes need joblib: pip install 'switchwise[parallel]'") from None
    return joblib
