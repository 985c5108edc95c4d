"""Classify providers' failures as `switchwise.nouns.errors.FailureKind`.

`target_error`, for code that performs calls, converts a provider's exception to a `TargetError`, and ignores bugs. `classify` is its pure
core, for failures that arrive as data (an error event of a stream). The behaviour is the table `ROWS`, from which docs/design/failures.md
is generated.
"""

from typing import TYPE_CHECKING

from switchwise.lazily import lazily

if TYPE_CHECKING:
    from switchwise.failures.brought import brings, brought_along, mark_own_doing
    from switchwise.failures.effort import effort_refused
    from switchwise.failures.exceptions import IncompleteStream, Refusal, target_error, translated
    from switchwise.failures.table import ROWS, Row, classify
    from switchwise.failures.unreadable import check_answer

__all__ = [
    "ROWS",
    "IncompleteStream",
    "Refusal",
    "Row",
    "brings",
    "brought_along",
    "check_answer",
    "classify",
    "effort_refused",
    "mark_own_doing",
    "target_error",
    "translated",
]

if not TYPE_CHECKING:
    __getattr__ = lazily(
        __name__,
        __all__,
        ROWS="table",
        Row="table",
        classify="table",
        brings="brought",
        brought_along="brought",
        mark_own_doing="brought",
        effort_refused="effort",
        IncompleteStream="exceptions",
        Refusal="exceptions",
        target_error="exceptions",
        translated="exceptions",
        check_answer="unreadable",
    )
