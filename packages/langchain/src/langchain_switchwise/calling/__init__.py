"""Perform a call on a chat model."""
