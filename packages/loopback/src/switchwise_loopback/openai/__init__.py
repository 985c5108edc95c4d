"""OpenAI's APIs: Chat Completions, Responses, Decisions."""
