"""Recorded traffic of Anthropic's messages goes through the native LLM inside `Switchwise` as it does without."""

from __future__ import annotations

import pytest
from anthropic import Anthropic as Client
from llama_index.llms.anthropic import Anthropic

from ... import traffic
from .. import replay

CALLS = [one for one in traffic.recordings(traffic.traffic()) if one.api == "messages"]


@pytest.mark.parametrize("recorded", CALLS, ids=lambda recorded: recorded.id)
def test_a_recorded_answer_is_the_same_routed_and_bare(recorded):
    def make():
        llm = Anthropic(model="claude-sonnet-4-5", api_key="test", max_retries=0)
        llm._client = Client(api_key="test", max_retries=0, http_client=replay.transport(recorded))
        return llm

    replay.check(recorded, make)


def test_there_is_something_to_replay():
    assert len(CALLS) > 3
