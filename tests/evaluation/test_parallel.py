"""Work over several processes: the same results, and whoever chose a backend is followed."""

from __future__ import annotations

import os
import sys
import threading

import joblib
import pytest

from switchwise.evaluation.measures.parallel import each
from switchwise.nouns.errors import ConfigurationError


def thread_of(_item: int) -> int:
    return threading.get_ident()


def test_two_processes_do_it_in_order_and_elsewhere():
    def whose(_item: int) -> int:  # sent as it is: a worker may not be able to import this file
        return os.getpid()

    assert each(abs, [-3, 2, -1], jobs=2) == [3, 2, 1]
    assert os.getpid() not in each(whose, range(4), jobs=2)


def test_a_backend_that_was_chosen_around_the_call_is_used():
    assert set(each(thread_of, range(3))) == {threading.get_ident()}
    with joblib.parallel_config("threading", n_jobs=2):
        assert threading.get_ident() not in each(thread_of, range(4))


def test_without_joblib_one_process_does_and_more_are_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "joblib", None)
    assert each(abs, [-1]) == each(abs, [-1], jobs=1) == [1]
    with pytest.raises(ConfigurationError, match=r"switchwise\[parallel\]"):
        each(abs, [-1], jobs=2)
    with pytest.raises(ConfigurationError, match="jobs=0"):
        each(abs, [-1], jobs=0)
