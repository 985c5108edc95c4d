"""An agent with a tool on a `Switchwise`: hard steps go to the strong model, routine ones to the fast one."""

import asyncio

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.llms.openai import OpenAI

from llama_index.llms.switchwise import Switchwise
from switchwise.observe.journal import InMemory, line

journal = InMemory()
llm = Switchwise(
    {
        "strong": OpenAI(model="gpt-5.5", max_retries=0),
        "fast": OpenAI(model="gpt-5.4-mini", max_retries=0),
    },
    observers=[journal],
)


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"Sunny in {city}, 21 degrees."


agent = FunctionAgent(name="weather", tools=[get_weather], llm=llm, system_prompt="You answer in one sentence.")


async def main() -> None:
    print(await agent.run("Use get_weather: what is the weather in Lisbon?"))
    for record in journal:
        print(line(record))


if __name__ == "__main__":
    asyncio.run(main())
