"""Three agents with hand-off on one shared `Switchwise`: each is sent to a model of its own, and nothing has to be wired."""

import asyncio

from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.llms.openai import OpenAI

from llama_index.llms.switchwise import Switchwise, route_scope
from switchwise import Pool, Router, hold
from switchwise.catalog import target
from switchwise.observe.journal import InMemory, line
from switchwise.policies import ByAgent, Fits, Healthy

journal = InMemory()
router = Router(
    Pool([target(name, provider="openai") for name in ("gpt-5.5", "gpt-5.4-mini", "gpt-5.4-nano")]),
    Fits(),
    Healthy(),
    hold(ByAgent({"planner": "gpt-5.5", "researcher": "gpt-5.4-nano", "writer": "gpt-5.4-mini"}), per="agent"),
    observers=[journal],
)
llm = Switchwise([OpenAI(model=model.name, max_retries=0) for model in router.pool], router=router)


def look_up(word: str) -> str:
    """What a word means."""
    return f"{word}: a fitting that guides a rope."


team = AgentWorkflow(
    agents=[
        FunctionAgent(name="planner", description="plans", llm=llm, system_prompt="You plan.", can_handoff_to=["writer"]),
        FunctionAgent(name="researcher", description="looks words up", llm=llm, system_prompt="You research.", tools=[look_up]),
        FunctionAgent(name="writer", description="writes", llm=llm, system_prompt="You write.", can_handoff_to=[]),
    ],
    root_agent="planner",
)


async def main() -> None:
    with route_scope(session="article-1"):
        run = team.run("Use handoff to give this to the 'writer': one sentence about switchwises.")
    print(await run)
    for record in journal:
        print(line(record))


if __name__ == "__main__":
    asyncio.run(main())
