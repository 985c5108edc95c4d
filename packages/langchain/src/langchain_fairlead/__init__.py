"""fairlead for LangChain and LangGraph."""
