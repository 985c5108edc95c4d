"""The LLMs and messages that the user gives."""
