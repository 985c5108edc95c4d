"""Entry points for LlamaIndex programs."""
