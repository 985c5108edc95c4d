"""The user's LLMs and messages."""
