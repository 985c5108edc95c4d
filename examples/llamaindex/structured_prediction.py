"""Structured prediction: each target holds its answer to the schema by its own means; a misfit is asked of the next one."""

from llama_index.core.prompts import PromptTemplate
from llama_index.llms.openai import OpenAI
from pydantic import BaseModel

from llama_index.llms.switchwise import Switchwise

llm = Switchwise(
    {
        "strong": OpenAI(model="gpt-5.5", max_retries=0),
        "fast": OpenAI(model="gpt-5.4-mini", max_retries=0),
    }
)


class Ship(BaseModel):
    """A ship."""

    name: str
    masts: int


if __name__ == "__main__":
    prompt = PromptTemplate("Name a ship of the {century} century, such as 'Vasa' with 3 masts.")
    print(llm.structured_predict(Ship, prompt, century="17th"))
    print(llm.structured_predict(Ship, prompt, century="18th", llm_kwargs={"route": {"target": "fast"}}))
