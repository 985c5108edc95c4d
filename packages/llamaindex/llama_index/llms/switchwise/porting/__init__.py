"""Adapt a conversation to the LLM that is called."""
