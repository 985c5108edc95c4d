"""The user's chat models and messages."""
