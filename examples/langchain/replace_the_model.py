"""Replace the model of a LangGraph agent: one line changes, and each of its calls is routed."""

from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI

from langchain_switchwise import ChatSwitchwise
from switchwise.observe.journal import InMemory, line

journal = InMemory()
model = ChatSwitchwise(
    {
        "opus": ChatAnthropic(model="claude-opus-5-5", max_tokens=2_000),
        "luna": ChatOpenAI(model="gpt-6-luna"),
    },
    observers=[journal],
)


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"Sunny in {city}, 21 degrees."


agent = create_agent(model, [get_weather], system_prompt="You answer in one sentence.", name="weather")

if __name__ == "__main__":
    config = {"configurable": {"thread_id": "session-1"}}
    question = "Use get_weather: what is the weather in Lisbon?"
    answer = agent.invoke({"messages": [{"role": "user", "content": question}]}, config)["messages"][-1]
    print(answer.text)
    print("answered by", answer.response_metadata["switchwise"]["target"])
    for record in journal:
        print(line(record))
