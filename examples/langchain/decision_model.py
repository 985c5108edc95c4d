"""Let a decision model tell easy tasks from hard ones: it is asked once for each turn, and costs a few millionths of a dollar."""

from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI
from langchain_openai.decisions import Choice, OpenAIDecisions

from langchain_switchwise import ByDecision, ChatSwitchwise
from switchwise import Pool, Router
from switchwise.catalog import target
from switchwise.observe.journal import InMemory
from switchwise.policies import Fits, Healthy

difficulty = Choice(
    instructions="How hard is the task that the user sets?",
    choices={"easy": "One obvious step.", "hard": "Several steps, or a mistake would be costly."},
)
journal = InMemory()
router = Router(
    Pool(
        [
            target("opus", provider="anthropic", model="claude-opus-5-5"),
            target("luna", provider="openai", model="gpt-6-luna"),
        ]
    ),
    Fits(),
    Healthy(),
    ByDecision(OpenAIDecisions(model="gpt-6-luna"), difficulty, {"easy": "luna", "hard": "opus"}),
    observers=[journal],
)
models = {"opus": ChatAnthropic(model="claude-opus-5-5", max_tokens=2_000), "luna": ChatOpenAI(model="gpt-6-luna")}
llm = ChatSwitchwise(models, router=router)

if __name__ == "__main__":
    config = {"configurable": {"thread_id": "session-1"}}
    print(llm.invoke("What is the capital of Portugal?", config).response_metadata["switchwise"]["because"])
    for record in journal:
        print(f"{record.purpose:<6} -> {record.target:<20} {record.input_tokens} tokens, ${record.cost:.7f}")
