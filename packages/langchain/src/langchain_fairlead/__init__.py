"""fairlead for LangChain and LangGraph: a chat model that sends each call to the model that should answer it."""

from langchain_fairlead.chat_model import ChatFairlead

__all__ = ["ChatFairlead"]
