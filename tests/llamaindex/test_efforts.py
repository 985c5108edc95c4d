"""`efforts` in LlamaIndex: each target sets its provider's own parameter, where the integration lets it through."""

from __future__ import annotations

from llama_index.llms.openai import OpenAI, OpenAIResponses

from llama_index.llms.switchwise import Switchwise
from switchwise import efforts


def test_each_target_asks_for_its_level(provider):
    options = {"api_base": provider.openai_url, "api_key": "x"}
    llm = Switchwise(
        [
            *efforts(OpenAI(model="gpt-5", reasoning_effort="medium", **options), "high", "low"),
            *efforts(OpenAIResponses(model="gpt-5.1", **options), "none"),
        ]
    )
    names = [target.name for target in llm.router.pool]
    assert names == ["gpt-5@high", "gpt-5@low", "gpt-5.1@none"]
    for name in names:
        llm.complete("Hello", route={"target": name})
    said = [seen.body.get("reasoning_effort") or seen.body["reasoning"]["effort"] for seen in provider.requests]
    assert said == ["high", "low", "none"]
