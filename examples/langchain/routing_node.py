"""The decision as a step of a graph: a node writes it to the state, the next node's call follows it, and it survives a restart."""

from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from langchain_switchwise import ChatSwitchwise, SwitchwiseNode, SwitchwiseState, follow

llm = ChatSwitchwise({"opus": ChatAnthropic(model="claude-opus-5-5", max_tokens=2_000), "luna": ChatOpenAI(model="gpt-6-luna")})


class State(MessagesState, SwitchwiseState):
    """A conversation, and who is to answer it."""


def answer(state: State) -> dict:
    """Call the model that the routing node chose."""
    return {"messages": [llm.invoke(state["messages"], **follow(state))]}


builder = StateGraph(State)
builder.add_node("route", SwitchwiseNode(llm, per="session"))
builder.add_node("answer", answer)
builder.add_edge(START, "route")
builder.add_edge("route", "answer")
memory = InMemorySaver()

if __name__ == "__main__":
    config = {"configurable": {"thread_id": "session-1"}}
    waiting = builder.compile(checkpointer=memory, interrupt_before=["answer"])
    decided = waiting.invoke({"messages": [("user", "Plan the migration.")]}, config)["switchwise_decision"]
    print("decided:", decided["target"], "because", decided["because"])

    resumed = builder.compile(checkpointer=memory).invoke(None, config)  # as another process would, later
    print("answered by", resumed["messages"][-1].response_metadata["switchwise"]["target"])
