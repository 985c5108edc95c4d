"""The journal of a simulated week, once for all tests of the report."""

from __future__ import annotations

import pytest

from switchwise.observe.journal import Record
from switchwise.report import Summary, summarise
from tests.report.week import Week


@pytest.fixture(scope="session")
def records() -> list[Record]:
    return Week().records


@pytest.fixture(scope="session")
def summary(records: list[Record]) -> Summary:
    return summarise(records, samples=50)
