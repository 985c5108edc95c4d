"""Perform a call on an LLM."""
