"""Answers of the model: the default ones, and replayed conversations."""
