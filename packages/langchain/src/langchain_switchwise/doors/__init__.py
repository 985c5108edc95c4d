"""Where a LangChain program enters: chat model, middleware, node, deep agents."""
