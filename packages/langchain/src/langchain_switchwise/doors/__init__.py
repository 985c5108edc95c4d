"""Entry points for LangChain programs: chat model, middleware, node, deep agents."""
