"""Read LangChain's messages and inputs into a view."""
