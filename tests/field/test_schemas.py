"""A schema as people give it is one that providers take: FIELD B8."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from switchwise import ConfigurationError
from switchwise.clients import AnthropicClient, Clients, OpenAIClient
from switchwise_loopback import LoopbackProvider

HELLO: list[Any] = [{"role": "user", "content": "hi"}]


class Street(BaseModel):
    name: str
    number: int | None = None


class City(BaseModel):
    name: str = Field(description="In English.")
    kind: Literal["town", "city"] = "city"
    streets: list[Street] = []
    main: Street = Field(description="The longest.")


@pytest.mark.parametrize("given", [City, City.model_json_schema()], ids=["class", "schema"])
@pytest.mark.parametrize("client", [OpenAIClient, AnthropicClient])
def test_b8_a_pydantic_model_and_its_schema_are_made_strict_on_a_copy(
    client: Any, given: Any, provider: LoopbackProvider
) -> None:
    url = provider.openai_url if client is OpenAIClient else provider.anthropic_url
    before = str(given)
    clients = Clients(
        {"only": client(model="gpt-4.1" if client is OpenAIClient else "claude-sonnet-5", base_url=url, api_key="k")}
    )
    City.model_validate_json(clients.complete(HELLO, schema=given).text)
    assert str(given) == before
    assert [request.status for request in provider.requests] == [200]


@pytest.mark.parametrize("wrong", [City(name="a", main=Street(name="b")), "City", 5, int])
def test_b8_anything_else_is_refused(wrong: Any) -> None:
    clients = Clients({"only": OpenAIClient(model="gpt-4.1", api_key="k")})
    with pytest.raises(ConfigurationError, match="give a pydantic model, or a JSON schema"):
        clients.complete(HELLO, schema=wrong)


def test_b8_a_schema_without_bottom_is_refused(provider: LoopbackProvider) -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(5_000):
        schema = {"type": "object", "properties": {"a": schema}}
    clients = Clients({"only": OpenAIClient(model="gpt-4.1", base_url=provider.openai_url, api_key="k")})
    with pytest.raises(ConfigurationError, match="nested more than 64 deep"):
        clients.complete(HELLO, schema=schema)
    assert not provider.requests
