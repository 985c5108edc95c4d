"""A plain chain, cell by cell, and what can be seen of a decision."""

# %% the chain: prompt, model, parser
from langchain_anthropic import ChatAnthropic
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

from langchain_switchwise import ChatSwitchwise

llm = ChatSwitchwise([ChatAnthropic(model="claude-opus-5-5", max_tokens=2_000), ChatOpenAI(model="gpt-6-luna")])
chain = ChatPromptTemplate.from_template("Summarise in one line: {text}") | llm | StrOutputParser()
print(chain.invoke({"text": "A switchwise leads a line where it should run, without chafing."}))

# %% who would answer, and why; nobody is called
print(llm.explain("Summarise in one line: ..."))

# %% this one cell on the fast model, whatever the policies say
print(chain.invoke({"text": "Cheap and cheerful."}, {"configurable": {"switchwise_target": "gpt-6-luna"}}))

# %% a structured answer, by the chosen model's own method
from pydantic import BaseModel  # noqa: E402


class Summary(BaseModel):
    """A summary with a title."""

    title: str
    words: int


print(llm.with_structured_output(Summary, method="json_schema").invoke("Summarise: the line runs free."))
