"""The chat models and messages that the user gives."""
