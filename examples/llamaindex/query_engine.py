"""A query engine whose LLM is a `Switchwise`: set once in `Settings`, and every call of every engine is routed."""

from llama_index.core import Document, Settings, SummaryIndex
from llama_index.llms.openai import OpenAI

from llama_index.llms.switchwise import Switchwise, route_scope
from switchwise.observe.journal import InMemory, line

journal = InMemory()
Settings.llm = Switchwise(
    {
        "strong": OpenAI(model="gpt-5.5", max_retries=0),
        "fast": OpenAI(model="gpt-5.4-mini", max_retries=0),
    },
    observers=[journal],
)

index = SummaryIndex.from_documents([Document(text="A switchwise guides a rope around an object and keeps it from chafing.")])

if __name__ == "__main__":
    with route_scope(session="docs", user="ada"):
        print(index.as_query_engine().query("What does a switchwise do?"))
    for record in journal:
        print(line(record))
