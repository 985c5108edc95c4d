"""Give each sub-agent its own model: one ChatSwitchwise serves all of them and knows which one is calling."""

from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI

from langchain_switchwise import ChatSwitchwise
from switchwise import Pool, Router, hold
from switchwise.catalog import target
from switchwise.observe.journal import InMemory
from switchwise.policies import ByAgent, Cheapest, Fits, Healthy

journal = InMemory()
router = Router(
    Pool(
        [
            target("opus", provider="anthropic", model="claude-opus-5-5"),
            target("sol", provider="openai", model="gpt-6.1-sol"),
            target("luna", provider="openai", model="gpt-6-luna"),
        ]
    ),
    Fits(),
    Healthy(),
    hold(ByAgent(lead="opus", explorer="luna", reviewer="sol"), per="agent"),
    Cheapest(),
    observers=[journal],
)
model = ChatSwitchwise(
    {
        "opus": ChatAnthropic(model="claude-opus-5-5", max_tokens=2_000),
        "sol": ChatOpenAI(model="gpt-6.1-sol"),
        "luna": ChatOpenAI(model="gpt-6-luna"),
    },
    router=router,
)
explorer = create_agent(model, [], name="explorer", system_prompt="You find things and report them briefly.")
reviewer = create_agent(model, [], name="reviewer", system_prompt="You look for mistakes.")


def explore(question: str) -> str:
    """Let the explorer find something out."""
    return explorer.invoke({"messages": [HumanMessage(question)]})["messages"][-1].text


def review(text: str) -> str:
    """Let the reviewer look over a text."""
    return reviewer.invoke({"messages": [HumanMessage(text)]})["messages"][-1].text


lead = create_agent(model, [explore, review], name="lead", system_prompt="You answer with the help of your tools.")

if __name__ == "__main__":
    config = {"configurable": {"thread_id": "session-1"}}
    for question in ("Use explore to find where the limit is set.", "Use review on the sentence: two and two is five."):
        print(lead.invoke({"messages": [HumanMessage(question)]}, config)["messages"][-1].text)
    for record in journal:
        print(f"{record.agent:<9} -> {record.target:<5} ({record.level}: {record.because})")
