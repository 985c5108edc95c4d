"""`make peers` tells a new difference from a known one, and an empty run from a good one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "tools" / "peers"))
    import explained
    import suites
    import verdict

    suite = suites.Suite("some", "package", ("tests",), "through", least=1, routed=1)
    known = explained.Explained("t::private", "no attribute", "it is private")
    return SimpleNamespace(compare=lambda bare, through: verdict.compare(suite, bare, through, [known]), table=verdict.table)


def ran(why: str = "", routed: int = 1, **outcomes: str) -> dict[str, dict[str, Any]]:
    return {f"t::{name}": {"outcome": outcome, "why": why, "routed": routed} for name, outcome in outcomes.items()}


def test_equal_runs_are_no_problem(peers: Any) -> None:
    found = peers.compare(ran(one="passed", two="skipped"), ran(one="passed", two="skipped"))
    assert not found.problems
    assert (found.total, found.bare, found.through, found.routed) == (2, 1, 1, 2)


@pytest.mark.parametrize("after", ["failed", "error", "skipped", "xfailed"])
def test_what_passes_bare_must_pass_through(peers: Any, after: str) -> None:
    found = peers.compare(ran(one="passed", two="passed"), ran(one="passed", two=after))
    assert len(found.problems) == 1
    assert f"UNEXPLAINED: some: t::two: passed bare, {after}" in peers.table([found])


def test_a_test_that_vanished_is_a_problem(peers: Any) -> None:
    assert peers.compare(ran(one="passed", two="passed"), ran(one="passed")).problems == ["t::two: ran only bare"]


def test_what_fails_bare_is_not_ours(peers: Any) -> None:
    assert not peers.compare(ran(one="passed", two="failed"), ran(one="passed", two="error")).problems


def test_a_known_failure_is_explained_by_its_own_words_only(peers: Any) -> None:
    bare = ran(one="passed", private="passed")
    known = peers.compare(bare, ran(one="passed") | ran("no attribute x", private="failed"))
    other = peers.compare(bare, ran(one="passed") | ran("something else", private="failed"))
    assert (known.explained, known.problems) == (1, [])
    assert (other.explained, len(other.problems)) == (0, 1)


def test_an_explanation_that_is_no_longer_needed_is_reported(peers: Any) -> None:
    found = peers.compare(ran(private="passed"), ran(private="passed"))
    assert not found.problems
    assert "t::private: no longer differs" in found.notes[0]


def test_a_run_in_which_switchwise_was_never_called_proves_nothing(peers: Any) -> None:
    assert "made calls in 0 tests" in peers.compare(ran(one="passed"), ran(one="passed", routed=0)).problems[0]


def test_every_explanation_belongs_to_a_suite(peers: Any) -> None:
    import explained
    import suites

    assert explained.EXPLAINED.keys() <= {suite.name for suite in suites.SUITES}
