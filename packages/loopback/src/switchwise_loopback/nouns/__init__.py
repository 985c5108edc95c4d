"""Shared by all APIs: requests, answers, prompts, tokens, refusals."""
