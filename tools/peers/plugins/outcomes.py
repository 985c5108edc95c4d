"""A pytest plugin: writes what became of each test, and how many calls switchwise made in it, to the file in $PEERS_OUTCOMES."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import vcr.stubs.httpx_stubs as stubs
from langchain_tests import conftest


class CassetteMiss(BaseException):
    """A request that no recording holds. No `Exception`: the SDKs would call it a lost connection, and a router would fall back."""


def _miss(*, cassette: object, failed_request: object) -> CassetteMiss:
    return CassetteMiss(f"{failed_request} is in no recording of {getattr(cassette, '_path', cassette)}")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Before the suites' own `conftest.py` take these: nothing is ever recorded, though LangChain's default says `once`."""
    default = conftest.base_vcr_config
    conftest.base_vcr_config = lambda: {**default(), "record_mode": "none"}
    stubs.CannotOverwriteExistingCassetteException = _miss


def pytest_configure(config: pytest.Config) -> None:
    """Begin to collect."""
    config.pluginmanager.register(Outcomes(Path(os.environ["PEERS_OUTCOMES"])), "peers-outcomes")


@pytest.fixture
def routed_calls(request: pytest.FixtureRequest) -> Iterator[list[object]]:
    """A list to which a router's journal appends; its length is the number of calls that went through the router."""
    calls: list[object] = []
    yield calls
    request.node.user_properties.append(("routed", len(calls)))


class Outcomes:
    """Collects the outcome of each test.

    Parameters:
        path: of the JSON file to write at the end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = self._found.setdefault(report.nodeid, {"outcome": "passed", "why": "", "routed": 0})
        outcome = _outcome(report)
        if outcome != "passed":
            test.update(outcome=outcome, why=_why(report))
        test["routed"] = max(test["routed"], dict(report.user_properties).get("routed", 0))

    def pytest_sessionfinish(self) -> None:
        self._path.write_text(json.dumps(self._found, indent=1))


def _outcome(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    if report.failed and report.when != "call":
        return "error"
    return report.outcome


def _why(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):  # skipped: path, line, reason
        return str(report.longrepr[2])
    crash = getattr(report.longrepr, "reprcrash", None)
    return " ".join(str(crash.message if crash else getattr(report, "wasxfail", report.longrepr)).split())[:2000]
