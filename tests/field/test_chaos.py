"""A hundred steps of `make chaos`: none lost, empty or doubled while one target is healthy. FIELD B1."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

CHAOS = Path(__file__).parents[2] / "tools" / "chaos" / "__main__.py"


@pytest.fixture
def chaos(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(CHAOS.parent))
    spec = importlib.util.spec_from_file_location("switchwise_chaos", CHAOS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    logging.disable(logging.NOTSET)
    for name in ("doors", "everything", "servers", "world"):
        sys.modules.pop(name, None)


def test_b1_no_step_is_lost_empty_or_doubled(chaos: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert chaos.run(steps=100, seed=7, seconds=120.0) == 0, capsys.readouterr().out
    assert "100 steps: 0 lost, 0 empty, 0 doubled" in capsys.readouterr().out
