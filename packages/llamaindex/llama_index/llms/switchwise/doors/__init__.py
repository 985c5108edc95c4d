"""Where a LlamaIndex program enters."""
