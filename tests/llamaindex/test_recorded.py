"""Recorded traffic of OpenAI's chat completions goes through the native LLM inside `Switchwise` as it does without."""

from __future__ import annotations

import pytest
from llama_index.llms.openai import OpenAI

from .. import traffic
from . import replay

CALLS = [one for one in traffic.recordings(traffic.traffic()) if one.api == "chat"]


@pytest.mark.parametrize("recorded", CALLS, ids=lambda recorded: recorded.id)
def test_a_recorded_answer_is_the_same_routed_and_bare(recorded):
    def make():
        return OpenAI(model="gpt-4.1", api_key="test", max_retries=0, http_client=replay.transport(recorded))

    replay.check(recorded, make)


def test_there_is_something_to_replay():
    assert len(CALLS) > 3
