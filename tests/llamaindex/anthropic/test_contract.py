"""The cells of the contract of adapters that concern Anthropic, with LlamaIndex's own integration."""

from __future__ import annotations

import pytest

from llama_index.llms.switchwise.testing import LlamaIndexFace
from switchwise.testing.adapters import check_adapter
from switchwise.testing.adapters.portability import CASES


@pytest.mark.parametrize("what", [case.what for case in CASES if any(each.name == "anthropic" for each in case.dialects)])
def test_it_does_as_the_other_adapters(what: str) -> None:
    check_adapter(LlamaIndexFace(), f"portability: {what}")
