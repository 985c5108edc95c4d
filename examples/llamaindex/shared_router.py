"""One router for two frameworks: LangChain and LlamaIndex share one journal, one budget and one memory."""

from langchain_openai import ChatOpenAI
from llama_index.llms.openai import OpenAI

from langchain_switchwise import ChatSwitchwise
from llama_index.llms.switchwise import Switchwise
from switchwise import Pool, Router
from switchwise.catalog import target
from switchwise.observe.journal import InMemory, line
from switchwise.policies import Budget, Fits, Healthy

NAMES = ["gpt-5.5", "gpt-5.4-mini"]
journal = InMemory()
router = Router(
    Pool([target(name, provider="openai") for name in NAMES]),
    Fits(),
    Healthy(),
    Budget(usd=0.50, per="session"),
    observers=[journal],
)
chat_model = ChatSwitchwise({name: ChatOpenAI(model=name, max_retries=0, stream_usage=True) for name in NAMES}, router=router)
llm = Switchwise({name: OpenAI(model=name, max_retries=0) for name in NAMES}, router=router)

if __name__ == "__main__":
    print(chat_model.invoke("Ask in LangChain.", config={"configurable": {"thread_id": "s1"}}).text)
    print(llm.complete("Answer in LlamaIndex.", route={"session": "s1"}))
    for record in journal:
        print(line(record))
