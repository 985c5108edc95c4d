"""Read LlamaIndex's messages and workflow context into a view."""
