"""fairlead for LlamaIndex."""
