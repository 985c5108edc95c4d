"""Adapt a conversation to the model that is called."""
